//! Requests that are wrong, unclear or too much: each is refused by the status that its section of RFC 9112
//! (or 9110, where it says so) names, once, and the connection is closed, so that nothing after it is
//! taken for a request.

use super::{connect, greeter, read_all, send, status};

/// Section, expected status, and the bytes: each character stands for one byte.
type Case = (&'static str, u16, String);

/// A request with these lines after `Host`, and what follows the head.
fn post(lines: &str, body: &str) -> String {
    format!(
        "POST /Greeter.Hello HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n{lines}\r\n{body}"
    )
}

fn chunked(body: &str) -> String {
    post("Transfer-Encoding: chunked\r\n", body)
}

/// What a smuggler hopes to have taken for a request of its own.
const SMUGGLED: &str = "POST /Greeter.Hello HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n";

fn lines() -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    for line in [
        // One space, and no other white space.
        "POST  /Greeter.Hello HTTP/1.1",
        "POST /Greeter.Hello  HTTP/1.1",
        "POST\t/Greeter.Hello HTTP/1.1",
        "POST /Greeter.Hello\tHTTP/1.1",
        "POST /Greeter.Hello HTTP/1.1 ",
        "POST /Greeter.Hello HTTP/1.1\t",
        "POST /Greeter.Hello\u{b}HTTP/1.1",
        "POST /Greeter.Hello\u{c}HTTP/1.1",
        "POST /Greeter.Hello HTTP/1.1 x",
        "POST /Greeter Hello HTTP/1.1",
        "POST",
        "POST ",
        "POST /Greeter.Hello",
        "POST /Greeter.Hello ",
        "POST HTTP/1.1",
        "POST  HTTP/1.1",
    ] {
        cases.push(("3", 400, format!("{line}\r\nHost: a\r\n\r\n{SMUGGLED}")));
    }
    for method in [
        "PO(ST", "PO,ST", "PO/ST", "PO:ST", "PO{ST", "PO\"ST", "PO=ST", "PO@ST",
    ] {
        // On a connection that speaks HTTP already; one that begins so is just closed.
        let bytes = format!("{SMUGGLED}{method} /Greeter.Hello HTTP/1.1\r\nHost: a\r\n\r\n");
        cases.push(("3.1", 400, bytes));
    }
    for method in [
        "PO\0ST",
        "PO\u{7f}ST",
        "P\u{f6}ST",
        "\u{ff}POST",
        " POST",
        "\tPOST",
    ] {
        let bytes = format!("{SMUGGLED}{method} /Greeter.Hello HTTP/1.1\r\nHost: a\r\n\r\n");
        cases.push(("3.1", 400, bytes));
    }
    let long = "M".repeat(40);
    cases.push(("3", 501, format!("{long} / HTTP/1.1\r\nHost: a\r\n\r\n")));
    for (version, status) in [
        ("HTTP/1.2", 505),
        ("HTTP/1.9", 505),
        ("HTTP/2.0", 505),
        ("HTTP/3.0", 505),
        ("HTTP/0.9", 505),
        ("HTTP/9.9", 505),
        ("HTTP/1", 400),
        ("HTTP/1.", 400),
        ("HTTP/.1", 400),
        ("HTTP/11", 400),
        ("HTTP/1.10", 400),
        ("HTTP/01.1", 400),
        ("HTTP/1,1", 400),
        ("HTTP/-1.1", 400),
        ("HTTP/1.+1", 400),
        ("HTTP/1.1.1", 400),
        ("HTTP/a.b", 400),
        ("http/1.1", 400),
        ("Http/1.1", 400),
        ("HTTPS/1.1", 400),
        ("HTCPCP/1.0", 400),
        ("HTTP1.1", 400),
        ("HTTP /1.1", 400),
        ("HTTP/ 1.1", 400),
        ("/1.1", 400),
        ("1.1", 400),
        ("HTTP/1.1\0", 400),
        ("HTTP/\u{b9}.1", 400),
    ] {
        let bytes = format!("POST /Greeter.Hello {version}\r\nHost: a\r\n\r\n");
        cases.push(("2.3", status, bytes));
    }
    cases
}

fn targets() -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    for target in [
        "Greeter.Hello",
        "Greeter/Hello",
        "?query",
        "#fragment",
        "/a#b",
        "/a\"b",
        "/a<b",
        "/a>b",
        "/a\\b",
        "/%",
        "/%4",
        "/%zz",
        "/%4z",
        "/a?b=%",
        "/a?%g0",
        "host:80",
        "host",
        "*",
        "**",
        "*/a",
        "http:",
        "http:/",
        "http://",
        "http:///Greeter.Hello",
        "http:Greeter.Hello",
        "http:/Greeter.Hello",
        "ftp://a/Greeter.Hello",
        "file:///etc/passwd",
        "unix:/a",
        "javascript:alert(1)",
        "http://me@a/Greeter.Hello",
        "http://me:secret@a/Greeter.Hello",
        "http://a:port/Greeter.Hello",
        "http://a:80:80/Greeter.Hello",
        "http://[::1/Greeter.Hello",
        "http://[zz]/Greeter.Hello",
        "http://a b/Greeter.Hello",
        "://a/",
    ] {
        let bytes = format!("POST {target} HTTP/1.1\r\nHost: a\r\n\r\n");
        cases.push(("3.2", 400, bytes));
    }
    for byte in (1..=0x1f).chain(0x7f..=0x82).chain([0xc3, 0xff]) {
        let byte = char::from(byte);
        if matches!(byte, '\n') {
            continue;
        }
        let bytes = format!("POST /Greeter{byte}Hello HTTP/1.1\r\nHost: a\r\n\r\n");
        cases.push(("3.2", 400, bytes));
    }
    for target in ["a:80", "/", "*", "http://a/"] {
        let status = 501;
        let bytes = format!("CONNECT {target} HTTP/1.1\r\nHost: a\r\n\r\n{SMUGGLED}");
        cases.push(("3.2.3; RFC 9110, 9.3.6", status, bytes));
    }
    cases.push(("3.2.4", 400, "GET * HTTP/1.1\r\nHost: a\r\n\r\n".into()));
    let long = "x".repeat(9000);
    let bytes = format!("POST /{long} HTTP/1.1\r\nHost: a\r\n\r\n");
    cases.push(("3", 414, bytes));
    cases.push(("3", 414, format!("POST /?{long}")));
    cases
}

fn hosts() -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    let request = |lines: &str| format!("POST /Greeter.Hello HTTP/1.1\r\n{lines}\r\n{SMUGGLED}");
    for lines in [
        "",
        "Hos: a\r\n",
        "Host: a\r\nHost: a\r\n",
        "Host: a\r\nHost: b\r\n",
        "Host: a\r\nhost: b\r\n",
        "Host:\r\nHost: a\r\n",
        "Host: a b\r\n",
        "Host: a, b\r\n",
        "Host: a/b\r\n",
        "Host: a?b\r\n",
        "Host: a#b\r\n",
        "Host: me@a\r\n",
        "Host: http://a\r\n",
        "Host: a:80:80\r\n",
        "Host: a:port\r\n",
        "Host: a:-1\r\n",
        "Host: a:123456\r\n",
        "Host: :80\r\n",
        "Host: [::1\r\n",
        "Host: [::1]a\r\n",
        "Host: []\r\n",
        "Host: ::1\r\n",
        "Host: a\\b\r\n",
        "Host: a<b\r\n",
        "Host: a\"b\r\n",
        "Host: %\r\n",
        "Host: %zz\r\n",
        "Host: \u{e9}\r\n",
        "Host: a\tb\r\n",
    ] {
        cases.push(("3.2", 400, request(lines)));
    }
    let old = "POST /Greeter.Hello HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n";
    cases.push(("3.2", 400, old.into()));
    let absolute = "POST http://a/Greeter.Hello HTTP/1.1\r\n\r\n";
    cases.push(("3.2.2", 400, absolute.into()));
    cases
}

fn fields() -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    for (section, lines) in [
        ("5.1", "Content-Length : 0\r\n"),
        ("5.1", "Content-Length\t: 0\r\n"),
        ("5.1", "Transfer-Encoding : chunked\r\n"),
        ("5.1", "A\u{b}: b\r\n"),
        ("5", ": b\r\n"),
        ("5", "A\r\n"),
        ("5", "A b: c\r\n"),
        ("5", "A;b: c\r\n"),
        ("5", "A(b: c\r\n"),
        ("5", "A/b: c\r\n"),
        ("5", "A@b: c\r\n"),
        ("5", "A\"b: c\r\n"),
        ("5", "A[b: c\r\n"),
        ("5", "A{b: c\r\n"),
        ("5", "A=b: c\r\n"),
        ("5", "\u{e9}: b\r\n"),
        ("5", "A\u{80}: b\r\n"),
        ("5", "A\0: b\r\n"),
        ("5", "=\r\n"),
        ("5.2", "A: b\r\n c\r\n"),
        ("5.2", "A: b\r\n\tc\r\n"),
        ("5.2", "A:\r\n b\r\n"),
        ("5.2", "Transfer-Encoding:\r\n chunked\r\n"),
        ("5.2", "Content-Length: 0\r\n \r\n"),
        ("5.2", "A: b\r\n \r\n"),
        ("2.2", "A: b\n"),
        ("2.2", "A: b\nC: d\r\n"),
        ("2.2", "A: b\r"),
        ("2.2", "A: b\rC: d\r\n"),
        ("2.2", "A: b\r\r\n"),
        ("2.2", "A: b\n\r\n"),
        ("2.2", "A\n: b\r\n"),
        ("2.2", "A\r: b\r\n"),
        ("2.2", "\rA: b\r\n"),
        ("2.2", "Content-Length: 0\n"),
    ] {
        cases.push((section, 400, post(lines, SMUGGLED)));
    }
    // White space before the first field may hide it: section 2.2.
    for space in [" ", "\t", "\u{b}", "\u{c}", "\u{85}", "\u{a0}"] {
        let bytes = format!("POST /Greeter.Hello HTTP/1.1\r\n{space}Host: a\r\nHost: a\r\n\r\n");
        cases.push(("2.2", 400, bytes));
    }
    for byte in (0..=0x1f).chain([0x7f]) {
        let byte = char::from(byte);
        if matches!(byte, '\t' | '\n') {
            continue;
        }
        let lines = format!("A: b{byte}c\r\n");
        cases.push(("5.5 of RFC 9110", 400, post(&lines, "")));
    }
    for line_end in ["\n", "\r", "\n\r"] {
        let bytes = format!("POST /Greeter.Hello HTTP/1.1{line_end}Host: a\r\n\r\n");
        cases.push(("2.2", 400, bytes));
    }
    // One empty line in front of a request is let pass, more are not.
    let bytes = format!("{SMUGGLED}\r\n\r\n{SMUGGLED}");
    cases.push(("2.2", 400, bytes));
    cases.push(("2.2", 400, format!("{SMUGGLED}\n{SMUGGLED}")));
    let long = "x".repeat(17_000);
    cases.push(("5.4 of RFC 9110", 431, post(&format!("A: {long}\r\n"), "")));
    cases.push(("5.4 of RFC 9110", 431, post(&format!("{long}: a\r\n"), "")));
    cases.push(("5.4 of RFC 9110", 431, post(&"A: b\r\n".repeat(120), "")));
    let many: String = (0..2000).map(|n| format!("A{n}: b\r\n")).collect();
    cases.push(("5.4 of RFC 9110", 431, post(&many, "")));
    for expected in [
        "101-continue",
        "100-continue, other",
        "100-continue;a=b",
        "everything",
        "",
    ] {
        let lines = format!("Expect: {expected}\r\nContent-Length: 2\r\n");
        cases.push(("10.1.1 of RFC 9110", 417, post(&lines, "")));
    }
    cases
}

fn lengths() -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    for length in [
        "",
        "+2",
        "-2",
        "-0",
        "+0",
        "0x2",
        "2.0",
        "2e0",
        "2;",
        "2 2",
        "2,",
        ",2",
        "2,2",
        "2, 2",
        "2, 3",
        "2\t2",
        "a",
        "two",
        "2a",
        "0b1",
        "1_0",
        "'2'",
        "\"2\"",
        "\u{b2}",
        "\u{0}2",
        "18446744073709551616",
        "99999999999999999999",
        "340282366920938463463374607431768211458",
    ] {
        let lines = format!("Content-Length: {length}\r\n");
        cases.push(("6.3", 400, post(&lines, &format!("{{}}{SMUGGLED}"))));
    }
    for lines in [
        "Content-Length: 2\r\nContent-Length: 3\r\n",
        "Content-Length: 2\r\nContent-Length: 2\r\n",
        "Content-Length: 0\r\ncontent-length: 2\r\n",
        "Content-Length: 2\r\nA: b\r\nCONTENT-LENGTH: 200\r\n",
    ] {
        cases.push(("6.3", 400, post(lines, &format!("{{}}{SMUGGLED}"))));
    }
    // Both, in either order.
    for lines in [
        "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 2\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n",
        "Transfer-Encoding: identity\r\nContent-Length: 2\r\n",
        "Transfer-Encoding:\r\nContent-Length: 2\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 2\r\nContent-Length: 3\r\n",
        "transfer-encoding: xchunked\r\nContent-Length: 2\r\n",
    ] {
        cases.push(("6.1", 400, post(lines, &format!("0\r\n\r\n{SMUGGLED}"))));
    }
    cases
}

fn codings() -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    for (coding, status) in [
        ("", 400),
        (",", 400),
        ("chunked,", 400),
        (",chunked", 400),
        ("chunked, chunked", 400),
        ("chunked,chunked", 400),
        ("chunked, gzip", 400),
        ("chunked, identity", 400),
        ("gzip", 400),
        ("identity", 400),
        ("xchunked", 400),
        ("chunkedx", 400),
        ("chunke", 400),
        ("\"chunked\"", 400),
        ("'chunked'", 400),
        ("chunked;", 400),
        ("chunked;a=b", 400),
        ("chunked x", 400),
        ("x chunked", 400),
        ("\u{b}chunked", 400),
        ("chunked\u{b}", 400),
        ("chunked\0", 400),
        ("\u{e9}chunked", 400),
        ("gzip, chunked", 501),
        ("identity, chunked", 501),
        ("deflate, chunked", 501),
        ("compress, chunked", 501),
        ("gzip, deflate, chunked", 501),
        ("x, chunked", 501),
    ] {
        let lines = format!("Transfer-Encoding: {coding}\r\n");
        cases.push(("6.1", status, post(&lines, &format!("0\r\n\r\n{SMUGGLED}"))));
    }
    for (lines, status) in [
        (
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
            400,
        ),
        (
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
            400,
        ),
        (
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n",
            400,
        ),
        (
            "Transfer-Encoding: x\r\nTransfer-Encoding: chunked\r\n",
            501,
        ),
    ] {
        cases.push(("6.1", status, post(lines, &format!("0\r\n\r\n{SMUGGLED}"))));
    }
    let old = format!(
        "POST /Greeter.Hello HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{SMUGGLED}"
    );
    cases.push(("6.1", 400, old));
    cases
}

fn chunks() -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    for body in [
        "\r\n",
        "\n",
        "x\r\n",
        "g\r\n",
        "-1\r\n{}\r\n0\r\n\r\n",
        "+2\r\n{}\r\n0\r\n\r\n",
        "0x2\r\n{}\r\n0\r\n\r\n",
        " 2\r\n{}\r\n0\r\n\r\n",
        "\t2\r\n{}\r\n0\r\n\r\n",
        "2 \r\n{}\r\n0\r\n\r\n",
        "2\t\r\n{}\r\n0\r\n\r\n",
        "2 2\r\n{}\r\n0\r\n\r\n",
        "2x\r\n{}\r\n0\r\n\r\n",
        "2_\r\n{}\r\n0\r\n\r\n",
        "2,\r\n{}\r\n0\r\n\r\n",
        "2.\r\n{}\r\n0\r\n\r\n",
        ";a=b\r\n{}\r\n0\r\n\r\n",
        "\u{b2}\r\n{}\r\n0\r\n\r\n",
        "2\0\r\n{}\r\n0\r\n\r\n",
        "2\n{}\r\n0\r\n\r\n",
        "2\r{}\r\n0\r\n\r\n",
        "2\r\r\n{}\r\n0\r\n\r\n",
        "2\r\n{}\n0\r\n\r\n",
        "2\r\n{}\r0\r\n\r\n",
        "2\r\n{}0\r\n\r\n",
        "2\r\n{}xx0\r\n\r\n",
        "2\r\n{}\r\n\r\n0\r\n\r\n",
        "1\r\n{}\r\n0\r\n\r\n",
        "2\r\n{} \r\n0\r\n\r\n",
        "2;\r\n{}\r\n0\r\n\r\n",
        "2; \r\n{}\r\n0\r\n\r\n",
        "2;a\n\r\n{}\r\n0\r\n\r\n",
        "2;a\nb\r\n{}\r\n0\r\n\r\n",
        "2;a\rb\r\n{}\r\n0\r\n\r\n",
        "2;a\0b\r\n{}\r\n0\r\n\r\n",
        "2;a\u{7f}b\r\n{}\r\n0\r\n\r\n",
        "2\r\n{}\r\n0\n\r\n",
        "2\r\n{}\r\n0\r\n\n",
        "2\r\n{}\r\n0\r\nA: b\n\r\n",
        "2\r\n{}\r\n0\r\nA : b\r\n\r\n",
        "2\r\n{}\r\n0\r\nA: b\r\n c\r\n\r\n",
        "2\r\n{}\r\n0\r\nA: \0\r\n\r\n",
        "2\r\n{}\r\n0\r\n: b\r\n\r\n",
        "2\r\n{}\r\n0\r\nGET / HTTP/1.1\r\n\r\n",
        "FFFFFFFFFFFFFFFF\r\n",
        "10000000000000000\r\n",
        "FFFFFFFFFFFFFFFFF\r\n{}",
        "8000000000000002\r\n{}\r\n0\r\n\r\n",
        "00000000000000000000000002\r\n{}\r\n0\r\n\r\n",
    ] {
        cases.push(("7.1", 400, chunked(&format!("{body}{SMUGGLED}"))));
    }
    let long = "x".repeat(400);
    cases.push(("7.1.1", 400, chunked(&format!("2;{long}"))));
    cases.push(("7.1.1", 400, chunked(&format!("2;a={long}\r\n{{}}\r\n"))));
    let extended = format!("1;{}\r\n \r\n", "x".repeat(200)).repeat(100);
    cases.push(("7.1.1", 400, chunked(&extended)));
    let trailers = "A: b\r\n".repeat(150);
    cases.push(("7.1.2", 431, chunked(&format!("0\r\n{trailers}\r\n"))));
    let trailer = "x".repeat(17_000);
    cases.push(("7.1.2", 431, chunked(&format!("0\r\nA: {trailer}"))));
    cases.push(("7.1.2", 431, chunked(&format!("0\r\n{trailer}"))));
    cases
}

async fn check(cases: Vec<Case>, at_least: usize) {
    assert!(cases.len() >= at_least, "{}", cases.len());
    let running = greeter(|_| {}).await;
    let mut wrong = Vec::new();
    for (section, expected, text) in &cases {
        let bytes: Vec<u8> = text
            .chars()
            .map(|byte| u8::try_from(byte).unwrap())
            .collect();
        let mut socket = connect(&running).await;
        send(&mut socket, bytes).await;
        let answer = read_all(&mut socket).await;
        // A request that stands in front of the wrong one is answered first.
        let answered = match text.starts_with(SMUGGLED) {
            true => answer
                .split_once("{\"text\":\"Hello \"}")
                .map_or("", |(_, rest)| rest),
            false => &answer,
        };
        let alone = answered.matches("\r\ndate: ").count() == 1;
        let closes = answered.contains("connection: close\r\n");
        if status(answered) != *expected || !alone || !closes {
            let start: String = text.chars().take(200).collect();
            wrong.push(format!(
                "section {section}: {start:?} should give {expected}: {answer}"
            ));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {}:\n{}",
        wrong.len(),
        cases.len(),
        wrong.join("\n")
    );
    running.stop().await;
}

#[tokio::test]
async fn wrong_first_line_is_refused() {
    check(lines(), 55).await;
}

#[tokio::test]
async fn wrong_target_is_refused() {
    check(targets(), 75).await;
}

#[tokio::test]
async fn wrong_host_is_refused() {
    check(hosts(), 30).await;
}

#[tokio::test]
async fn wrong_fields_are_refused() {
    check(fields(), 85).await;
}

#[tokio::test]
async fn unclear_length_is_refused() {
    check(lengths(), 35).await;
}

#[tokio::test]
async fn transfer_codings_other_than_chunked_are_refused() {
    check(codings(), 30).await;
}

#[tokio::test]
async fn wrong_chunks_are_refused() {
    check(chunks(), 50).await;
}
