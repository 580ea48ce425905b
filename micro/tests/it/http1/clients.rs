//! Clients that others wrote: `curl` and Python's `http.client`, where they are.

use tokio::process::Command;

use super::greeter;

/// What a program prints; `None`, told, where there is no such program.
async fn run(program: &str, arguments: &[&str]) -> Option<String> {
    let output = match Command::new(program).args(arguments).output().await {
        Ok(output) => output,
        Err(error) => {
            crate::skip::skip(program, format_args!("it cannot be run here: {error}"));
            return None;
        }
    };
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program}: {said}");
    Some(String::from_utf8(output.stdout).unwrap())
}

#[tokio::test]
async fn curl_calls_an_endpoint() {
    let running = greeter(|_| {}).await;
    let address = format!("http://{}", running.node().address);
    let hello = format!("{address}/Greeter.Hello");
    let json = "content-type: application/json";
    let body = "{\"name\":\"John\"}";
    let reply = run("curl", &["-sSf", "-H", json, "-d", body, &hello]).await;
    let Some(reply) = reply else { return };
    assert_eq!(reply, "{\"text\":\"Hello John\"}");
    // Two requests on one connection, in chunks, with `Expect`.
    let chunked = "transfer-encoding: chunked";
    let expect = "expect: 100-continue";
    let both = [
        "-sSf",
        "-H",
        json,
        "-H",
        chunked,
        "-H",
        expect,
        "-d",
        body,
        &hello,
        &hello,
        "-w",
        "[%{num_connects}]",
    ];
    let reply = run("curl", &both).await.unwrap();
    assert_eq!(
        reply,
        "{\"text\":\"Hello John\"}[1]{\"text\":\"Hello John\"}[0]"
    );
    let health = format!("{address}/health");
    let head = run("curl", &["-sSfI", &health]).await.unwrap();
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    running.stop().await;
}

const SCRIPT: &str = r#"
import http.client, json, sys
connection = http.client.HTTPConnection(sys.argv[1])
for body in (json.dumps({"name": "John"}), iter([b'{"name"', b':"Jo', b'hn"}'])):
    chunked = not isinstance(body, str)
    connection.request("POST", "/greeter.Greeter/Hello", body,
        {"Content-Type": "application/json"}, encode_chunked=chunked)
    response = connection.getresponse()
    print(response.status, response.read().decode())
connection.request("POST", "/Greeter.Count", '{"name":"a,b,c"}',
    {"Content-Type": "application/json"})
response = connection.getresponse()
print(response.status, [json.loads(line)["text"] for line in response])
connection.request("GET", "/Greeter.Count")
response = connection.getresponse()
print(response.status, response.getheader("allow"), len(response.read()) > 0)
"#;

#[tokio::test]
async fn python_calls_on_one_connection() {
    let running = greeter(|_| {}).await;
    let printed = run("python3", &["-c", SCRIPT, &running.node().address]).await;
    let Some(printed) = printed else { return };
    let hello = "200 {\"text\":\"Hello John\"}\n";
    let count = "200 ['a', 'b', 'c']\n405 POST, OPTIONS True\n";
    assert_eq!(printed, format!("{hello}{hello}{count}"));
    running.stop().await;
}
