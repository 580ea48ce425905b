//! etcd servers of a test's own, and what a stranger says to them over HTTP.

use std::{
    env, fs,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    path::PathBuf,
    time::Duration,
};

use serde_json::{Value, json};

use super::super::{backend, process::Server};

/// The program that `tests/backends up etcd` built; nothing where a test has to be skipped.
fn program() -> Option<String> {
    backend::server("etcd")?;
    let cache = env::var_os("MICRO_BACKENDS_CACHE").map(PathBuf::from);
    let home = env::home_dir().map(|home| home.join(".cache/micro-backends"));
    let entries = fs::read_dir(cache.or(home)?).ok()?;
    let paths = entries.map(|entry| entry.unwrap().path().display().to_string());
    paths.filter(|path| path.contains("/etcd-v")).max()
}

/// A server alone, not started yet, with these flags more.
pub(super) fn alone(flags: &[&str]) -> Option<Server> {
    let program = program()?;
    Some(Server::new(|_, port| {
        let mut command = command(program, "alone", port, "127.0.0.1:0");
        // Nobody dials it.
        command.push("--initial-advertise-peer-urls=http://127.0.0.1:1".into());
        command.push("--initial-cluster=alone=http://127.0.0.1:1".into());
        command.extend(flags.iter().map(|flag| (*flag).to_owned()));
        command
    }))
}

/// Three members, not started yet.
pub(super) fn cluster() -> Option<[Server; 3]> {
    let program = program()?;
    let held = [(); 3].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    let peers = held.map(|held| held.local_addr().unwrap().to_string());
    let names = ["one", "two", "three"];
    let all = (0..3).map(|member| format!("{}=http://{}", names[member], peers[member]));
    let all = all.collect::<Vec<_>>().join(",");
    Some([0, 1, 2].map(|member| {
        Server::new(|_, port| {
            let mut command = command(program.clone(), names[member], port, &peers[member]);
            command.push(format!(
                "--initial-advertise-peer-urls=http://{}",
                peers[member]
            ));
            command.push(format!("--initial-cluster={all}"));
            command
        })
    }))
}

fn command(program: String, name: &str, port: u16, peer: &str) -> Vec<String> {
    vec![
        program,
        format!("--name={name}"),
        "--data-dir=data/etcd".into(),
        format!("--listen-client-urls=http://127.0.0.1:{port}"),
        format!("--advertise-client-urls=http://127.0.0.1:{port}"),
        format!("--listen-peer-urls=http://{peer}"),
    ]
}

/// Whether the server at this address has a leader.
pub(super) fn is_ready(address: &str) -> bool {
    http(address, "GET", "/health", "").is_some_and(|answer| answer["health"] == "true")
}

/// Puts a question of etcd's JSON API; panics when it is refused.
pub(super) fn post(address: &str, path: &str, question: Value) -> Value {
    let answer = http(address, "POST", path, &question.to_string()).expect("etcd answers");
    assert!(answer.get("error").is_none(), "{path}: {answer}");
    answer
}

/// Writes a key as no registry would.
pub(super) fn put(address: &str, key: &str, value: &[u8]) {
    let (key, value) = (base64(key.as_bytes()), base64(value));
    post(address, "/v3/kv/put", json!({"key": key, "value": value}));
}

/// Deletes all keys that begin so; the last byte is not 255.
pub(super) fn delete(address: &str, prefix: &str) {
    let mut end = prefix.as_bytes().to_vec();
    *end.last_mut().unwrap() += 1;
    let range = json!({"key": base64(prefix.as_bytes()), "range_end": base64(&end)});
    post(address, "/v3/kv/deleterange", range);
}

fn http(address: &str, method: &str, path: &str, body: &str) -> Option<Value> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(3))).ok()?;
    let length = body.len();
    let head =
        format!("{method} {path} HTTP/1.0\r\nhost: {address}\r\ncontent-length: {length}\r\n\r\n");
    stream.write_all(head.as_bytes()).ok()?;
    stream.write_all(body.as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    serde_json::from_str(answer.split_once("\r\n\r\n")?.1).ok()
}

pub(super) fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let number = chunk
            .iter()
            .fold(0, |number, byte| number << 8 | u32::from(*byte));
        let number = number << (8 * (3 - chunk.len()));
        for place in 0..4 {
            text.push(match place <= chunk.len() {
                true => char::from(DIGITS[(number >> (18 - 6 * place) & 63) as usize]),
                false => '=',
            });
        }
    }
    text
}
