//! Frames that are fine, at a time at which they are not: sections 5.1, 5.3 and 6.10.

use super::{
    BAD, Case, End,
    End::{GoAway, Reset},
    HEAD, block, check, code, frame, head, kind, request,
};

const PROTOCOL: End = GoAway(code::PROTOCOL);

fn idle() -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    for (name, kind, payload) in [
        ("DATA", kind::DATA, BAD),
        ("RST_STREAM", kind::RST_STREAM, &[0, 0, 0, 8]),
        ("WINDOW_UPDATE", kind::WINDOW_UPDATE, &[0, 0, 0, 8]),
        ("CONTINUATION", kind::CONTINUATION, b"\x82"),
    ] {
        for stream in [1, 99] {
            let what = format!("{name} of idle stream {stream}");
            cases.push(("5.1", PROTOCOL, what, frame(kind, 4, stream, payload)));
        }
    }
    let block = block(&HEAD);
    for stream in [2, 100] {
        let what = format!("HEADERS of a server's stream {stream}");
        cases.push((
            "5.1.1",
            PROTOCOL,
            what,
            frame(kind::HEADERS, 5, stream, &block),
        ));
    }
    cases
}

fn closed() -> Vec<Case> {
    let block = block(&HEAD);
    let headers = |flags, stream| frame(kind::HEADERS, flags, stream, &block);
    let data = |stream| frame(kind::DATA, 1, stream, BAD);
    let reset = frame(kind::RST_STREAM, 0, 1, &[0, 0, 0, 8]);
    let closed = code::STREAM_CLOSED;
    let cases = [
        // Its own client reset it.
        (
            "DATA after RST_STREAM",
            Reset(closed),
            [headers(4, 1), reset.clone(), data(1)].concat(),
        ),
        (
            "HEADERS after RST_STREAM",
            GoAway(closed),
            [headers(4, 1), reset, headers(5, 1)].concat(),
        ),
        (
            "a stream of a lower number",
            PROTOCOL,
            [headers(4, 5), headers(5, 3)].concat(),
        ),
    ];
    let cases = cases.into_iter();
    cases
        .map(|(what, end, bytes)| ("5.1", end, what.to_owned(), bytes))
        .collect()
}

fn continued() -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    let block = block(&HEAD);
    let (first, rest) = block.split_at(20);
    let begun = frame(kind::HEADERS, 1, 1, first);
    let then = |between: Vec<u8>| {
        let rest = frame(kind::CONTINUATION, 4, 1, rest);
        [begun.clone(), between, rest].concat()
    };
    for (name, between) in [
        ("DATA", frame(kind::DATA, 0, 1, BAD)),
        ("HEADERS", frame(kind::HEADERS, 4, 1, rest)),
        (
            "HEADERS of another stream",
            frame(kind::HEADERS, 5, 3, &block),
        ),
        ("PRIORITY", frame(kind::PRIORITY, 0, 1, &[0, 0, 0, 0, 1])),
        ("RST_STREAM", frame(kind::RST_STREAM, 0, 1, &[0, 0, 0, 8])),
        ("SETTINGS", frame(kind::SETTINGS, 0, 0, &[])),
        ("PING", frame(kind::PING, 0, 0, &[0; 8])),
        ("GOAWAY", frame(kind::GO_AWAY, 0, 0, &[0; 8])),
        (
            "WINDOW_UPDATE",
            frame(kind::WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1]),
        ),
        ("an unknown kind", frame(0xfa, 0, 1, &[0; 8])),
        (
            "CONTINUATION of another stream",
            frame(kind::CONTINUATION, 4, 3, rest),
        ),
        (
            "CONTINUATION of the connection",
            frame(kind::CONTINUATION, 4, 0, rest),
        ),
    ] {
        let what = format!("{name} within a block");
        cases.push(("6.10", PROTOCOL, what, then(between)));
    }
    let late = frame(kind::CONTINUATION, 4, 1, &block);
    for (what, bytes) in [
        (
            "CONTINUATION after a block's end",
            [head(&HEAD), late.clone()].concat(),
        ),
        (
            "CONTINUATION after a request",
            [request(&HEAD[..3]), late].concat(),
        ),
    ] {
        cases.push(("6.10", PROTOCOL, what.to_owned(), bytes));
    }
    cases
}

fn dependent() -> Vec<Case> {
    let on_itself = [0, 0, 0, 1, 15];
    let headers = [&on_itself[..], &block(&HEAD)].concat();
    vec![
        (
            "5.3.1 of RFC 7540",
            Reset(code::PROTOCOL),
            "HEADERS that depend on their own stream".into(),
            frame(kind::HEADERS, 0x25, 1, &headers),
        ),
        (
            "5.3.1 of RFC 7540",
            Reset(code::PROTOCOL),
            "PRIORITY of a stream that depends on itself".into(),
            [head(&HEAD), frame(kind::PRIORITY, 0, 1, &on_itself)].concat(),
        ),
    ]
}

#[tokio::test]
async fn frames_of_idle_streams_are_refused() {
    check(idle(), 10).await;
}

#[tokio::test]
async fn frames_of_streams_that_are_closed_are_refused() {
    check(closed(), 3).await;
}

#[tokio::test]
async fn interrupted_or_late_header_block_is_refused() {
    check(continued(), 14).await;
}

#[tokio::test]
async fn streams_that_depend_on_themselves_are_refused() {
    check(dependent(), 2).await;
}
