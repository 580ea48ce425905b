//! Frames that are wrong by themselves: sections 4 and 6.

use super::{
    BAD, Case, End,
    End::{GoAway, Reset},
    HEAD, block, check, code, frame, head, kind,
};

const PROTOCOL: End = GoAway(code::PROTOCOL);
const SIZE: End = GoAway(code::FRAME_SIZE);
const FLOW: End = GoAway(code::FLOW_CONTROL);

fn sizes() -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    for (section, name, kind, stream, lengths) in [
        ("6.4", "RST_STREAM", kind::RST_STREAM, 1, &[0, 3, 5][..]),
        ("6.5", "SETTINGS", kind::SETTINGS, 0, &[1, 5, 7]),
        ("6.7", "PING", kind::PING, 0, &[0, 7, 9]),
        ("6.9", "WINDOW_UPDATE", kind::WINDOW_UPDATE, 0, &[0, 3, 5]),
        ("6.8", "GOAWAY", kind::GO_AWAY, 0, &[0, 7]),
    ] {
        for length in lengths {
            let payload = vec![0; *length];
            let bytes = [head(&HEAD), frame(kind, 0, stream, &payload)].concat();
            let what = format!("{name} of {length} bytes");
            cases.push((section, SIZE, what, bytes));
        }
    }
    for length in [4, 6] {
        let bytes = frame(kind::PRIORITY, 0, 1, &vec![0; length]);
        let what = format!("PRIORITY of {length} bytes");
        cases.push(("6.3", SIZE, what, [head(&HEAD), bytes].concat()));
    }
    let acknowledged = frame(kind::SETTINGS, 1, 0, &[0; 6]);
    let what = "SETTINGS acknowledged with settings";
    cases.push(("6.5", SIZE, what.into(), acknowledged));
    // Larger than 16,384 bytes.
    for (name, kind, stream) in [
        ("DATA", kind::DATA, 1),
        ("HEADERS", kind::HEADERS, 3),
        ("SETTINGS", kind::SETTINGS, 0),
        ("an unknown kind", 0xfa, 0),
    ] {
        let large = frame(kind, 4, stream, &[0; 16_386]);
        let what = format!("{name} of 16386 bytes");
        cases.push(("4.2", SIZE, what, [head(&HEAD), large].concat()));
    }
    cases
}

fn padding() -> Vec<Case> {
    let block = block(&HEAD);
    let headers = |flags: u8, parts: &[&[u8]]| frame(kind::HEADERS, flags, 1, &parts.concat());
    let data = |payload: &[u8]| [head(&HEAD), frame(kind::DATA, 8, 1, payload)].concat();
    let cases = [
        ("6.1", PROTOCOL, "DATA padded by its length", data(&[1])),
        (
            "6.1",
            PROTOCOL,
            "DATA padded by more",
            data(&[15, b'{', b'}']),
        ),
        ("6.1", PROTOCOL, "DATA padded, and empty", data(&[])),
        (
            "6.2",
            PROTOCOL,
            "HEADERS padded by more",
            headers(12, &[&[255], &block]),
        ),
        (
            "6.2",
            PROTOCOL,
            "HEADERS padded, and empty",
            headers(12, &[]),
        ),
        (
            "6.2",
            PROTOCOL,
            "a priority cut short",
            headers(36, &[&[0, 0, 0]]),
        ),
        (
            "6.2",
            PROTOCOL,
            "both cut short",
            headers(44, &[&[0, 0, 0, 0]]),
        ),
    ];
    let cases = cases.into_iter();
    cases
        .map(|(section, end, what, bytes)| (section, end, what.to_owned(), bytes))
        .collect()
}

fn settings() -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    for (name, id, value, end) in [
        ("ENABLE_PUSH", 2_u16, 2_u32, PROTOCOL),
        ("ENABLE_PUSH", 2, u32::MAX, PROTOCOL),
        ("INITIAL_WINDOW_SIZE", 4, 1 << 31, FLOW),
        ("INITIAL_WINDOW_SIZE", 4, u32::MAX, FLOW),
        ("MAX_FRAME_SIZE", 5, 0, PROTOCOL),
        ("MAX_FRAME_SIZE", 5, 16_383, PROTOCOL),
        ("MAX_FRAME_SIZE", 5, 1 << 24, PROTOCOL),
        ("MAX_FRAME_SIZE", 5, u32::MAX, PROTOCOL),
        ("ENABLE_CONNECT_PROTOCOL", 8, 2, PROTOCOL),
    ] {
        let payload = [&id.to_be_bytes()[..], &value.to_be_bytes()].concat();
        let bytes = frame(kind::SETTINGS, 0, 0, &payload);
        cases.push(("6.5.2", end, format!("{name} of {value}"), bytes));
    }
    cases
}

fn windows() -> Vec<Case> {
    let update = |stream, by: u32| frame(kind::WINDOW_UPDATE, 0, stream, &by.to_be_bytes());
    let most = (1_u32 << 31) - 1;
    let on_stream = |by| [head(&HEAD), update(1, by)].concat();
    let reset = |code| Reset(code);
    let cases = [
        (PROTOCOL, "the connection's by nothing", update(0, 0)),
        (
            PROTOCOL,
            "the connection's by nothing but the reserved bit",
            update(0, 1 << 31),
        ),
        (PROTOCOL, "a stream's by nothing", on_stream(0)),
        (FLOW, "the connection's beyond 2^31-1", update(0, most)),
        (
            FLOW,
            "the connection's beyond it by little",
            update(0, most - 65_534),
        ),
        (
            reset(code::FLOW_CONTROL),
            "a stream's beyond 2^31-1",
            on_stream(most),
        ),
        (
            reset(code::FLOW_CONTROL),
            "a stream's beyond it by little",
            on_stream(most - 65_534),
        ),
    ];
    let mut cases: Vec<Case> = cases
        .into_iter()
        .map(|(end, what, bytes)| ("6.9.1", end, what.to_owned(), bytes))
        .collect();
    let grows = frame(kind::SETTINGS, 0, 0, &[0, 4, 0x7f, 0xff, 0xff, 0xff]);
    let what = "a stream's beyond 2^31-1 by SETTINGS".to_owned();
    cases.push((
        "6.9.2",
        FLOW,
        what,
        [head(&HEAD), update(1, 100), grows].concat(),
    ));
    cases
}

fn streams() -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    let block = block(&HEAD);
    for (section, name, kind, payload) in [
        ("6.1", "DATA", kind::DATA, BAD),
        ("6.2", "HEADERS", kind::HEADERS, &block),
        ("6.3", "PRIORITY", kind::PRIORITY, &[0, 0, 0, 3, 1]),
        ("6.4", "RST_STREAM", kind::RST_STREAM, &[0, 0, 0, 8]),
        ("6.6", "PUSH_PROMISE", kind::PUSH_PROMISE, &[0, 0, 0, 2]),
        ("6.10", "CONTINUATION", kind::CONTINUATION, &block),
    ] {
        let what = format!("{name} of the connection");
        cases.push((section, PROTOCOL, what, frame(kind, 4, 0, payload)));
    }
    for (section, name, kind, payload) in [
        ("6.5", "SETTINGS", kind::SETTINGS, &[][..]),
        ("6.7", "PING", kind::PING, &[0; 8]),
        ("6.8", "GOAWAY", kind::GO_AWAY, &[0; 8]),
    ] {
        let what = format!("{name} of a stream");
        let bytes = [head(&HEAD), frame(kind, 0, 1, payload)].concat();
        cases.push((section, PROTOCOL, what, bytes));
    }
    let promise = frame(
        kind::PUSH_PROMISE,
        4,
        1,
        &[&[0, 0, 0, 2], &block[..]].concat(),
    );
    let what = "PUSH_PROMISE of a client".to_owned();
    cases.push(("8.4", PROTOCOL, what, [head(&HEAD), promise].concat()));
    cases
}

#[tokio::test]
async fn frames_of_a_wrong_size_are_refused() {
    check(sizes(), 21).await;
}

#[tokio::test]
async fn frames_shorter_than_their_fields_are_refused() {
    check(padding(), 7).await;
}

#[tokio::test]
async fn invalid_settings_are_refused() {
    check(settings(), 9).await;
}

#[tokio::test]
async fn window_update_of_zero_or_over_the_maximum_is_refused() {
    check(windows(), 8).await;
}

#[tokio::test]
async fn frames_of_the_wrong_stream_are_refused() {
    check(streams(), 10).await;
}
