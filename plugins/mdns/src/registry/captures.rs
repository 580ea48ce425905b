//! What go-micro sent, read.

use super::{
    entry::{self, Announcement},
    message::{Data, Message, PTR, Question},
};

const NEW_NODE_PERIOD: &str = include_str!("../../../../interop/captures/v6-registry-mdns.txt");
const OLD: &str = include_str!("../../../../interop/captures/2016-05-registry-mdns.txt");

/// The datagrams of a capture, with what the line before says of each.
fn datagrams(capture: &str) -> Vec<(&str, Vec<u8>)> {
    let mut told = "";
    let mut datagrams = Vec::new();
    for line in capture.lines() {
        match line.strip_prefix("* ") {
            None => told = line,
            Some(escaped) => datagrams.push((told, unescape(escaped))),
        }
    }
    datagrams
}

fn unescape(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match (byte, byte == b'\\') {
            (byte, false) => byte,
            (_, true) => match rest.next().unwrap() {
                b'n' => b'\n',
                b'r' => b'\r',
                b't' => b'\t',
                b'x' => {
                    let digits = [rest.next().unwrap(), rest.next().unwrap()];
                    u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap()
                }
                other => other,
            },
        });
    }
    bytes
}

/// The one node that a message tells of.
fn heard(message: &Message, domain: &str) -> Announcement {
    let (mut nodes, services) = entry::read(&message.records, domain);
    assert!(services.is_empty());
    assert_eq!(nodes.len(), 1);
    nodes.remove(0)
}

fn check(capture: &str, domain: &str, echoes: bool) {
    let (mut announced, mut asked, mut left) = (0, 0, 0);
    for (told, bytes) in datagrams(capture) {
        let message = Message::read(&bytes).unwrap_or_else(|| panic!("{told}"));
        if told.ends_with("31 bytes (question)") {
            asked += 1;
            assert!(!message.response);
            assert_eq!(
                message.questions,
                [Question::new(format!("greeter.{domain}"))]
            );
            continue;
        }
        if !message.response {
            // What it means to say soon, without an address: nothing to believe yet.
            assert_eq!(message.questions[0].kind, PTR);
            assert!(entry::read(&message.records, domain).0.is_empty());
            continue;
        }
        let heard = heard(&message, domain);
        assert_eq!(heard.node.service, "greeter");
        assert_eq!(heard.node.id, "greeter-srv1");
        let hello = heard.node.endpoint("Greeter.Hello").unwrap();
        assert!(hello.request.is_some());
        assert!(heard.node.metadata.contains_key("server"), "{told}");
        assert!(
            heard.node.address.contains(":41000"),
            "{}",
            heard.node.address
        );
        match heard.ttl {
            0 => left += 1,
            _ => announced += 1,
        }
        if told.contains("(answer)") {
            assert_eq!(!message.questions.is_empty(), echoes);
            let pointer = Data::Ptr(format!("greeter-srv1.greeter.{domain}"));
            assert_eq!(message.records[0].data, pointer);
        }
        // And back again: what we would say of it reads the same.
        let ours = entry::records(&heard.node, domain, heard.ttl, false).unwrap();
        assert_eq!(entry::read(&ours, domain).0[0].node, heard.node);
    }
    assert_eq!((announced, asked, left), (2, 1, 1));
}

#[test]
fn messages_of_v6_are_read() {
    check(NEW_NODE_PERIOD, "micro", true);
}

#[test]
fn messages_of_the_first_version_are_read() {
    check(OLD, "local", false);
}
