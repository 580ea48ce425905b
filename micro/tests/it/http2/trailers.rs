//! Requests that go wrong after their head: section 8.1.

use super::{
    BAD, Case,
    End::{GoAway, Reset},
    Field, HEAD, block, check, code, frame, head, kind,
};

/// A request that ends in trailers of this field.
fn ending(field: Field<'_>, flags: u8) -> Vec<u8> {
    let data = frame(kind::DATA, 0, 1, BAD);
    [
        head(&HEAD),
        data,
        frame(kind::HEADERS, flags, 1, &block(&[field])),
    ]
    .concat()
}

fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    let fields: [Field<'_>; 4] = [
        (b"connection", b"close"),
        (b"transfer-encoding", b"chunked"),
        (b"upgrade", b"h2c"),
        (b"te", b"gzip"),
    ];
    for (name, value) in fields {
        let what = format!("{} in trailers", name.escape_ascii());
        let bytes = ending((name, value), 5);
        cases.push(("8.1", Reset(code::PROTOCOL), what, bytes));
    }
    let fields: [Field<'_>; 5] = [
        (b"Upper", b"a"),
        (b"a b", b"c"),
        (b":x", b"a"),
        (b"a", b"\0"),
        (b"a", b"b\r\nc: d"),
    ];
    for (name, value) in fields {
        let what = format!("{} in trailers", name.escape_ascii());
        let bytes = ending((name, value), 5);
        cases.push(("8.2.1", GoAway(code::PROTOCOL), what, bytes));
    }
    let open = ending((b"a", b"b"), 4);
    let what = "trailers that do not end the stream";
    cases.push(("8.1", Reset(code::PROTOCOL), what.into(), open));
    let trailers = frame(kind::HEADERS, 5, 1, &block(&[(b"a", b"b")]));
    let length: Field<'_> = (b"content-length", b"14");
    let short = head(&[&HEAD[..], &[length]].concat());
    let bytes = [short, frame(kind::DATA, 0, 1, b"{}"), trailers].concat();
    let what = "a length that trailers cut short";
    cases.push(("8.1.1", Reset(code::PROTOCOL), what.into(), bytes));
    cases
}

#[tokio::test]
async fn wrong_trailers_are_refused() {
    check(cases(), 11).await;
}
