//! Header blocks that cannot be read (RFC 7541), and those that are too large.

use super::{
    Case,
    End::{GoAway, Status},
    HEAD, block, check, code, frame, kind,
};

/// A block that goes wrong after a good head.
fn wrong(after: &[u8]) -> Vec<u8> {
    frame(kind::HEADERS, 5, 1, &[&block(&HEAD), after].concat())
}

fn cases() -> Vec<Case> {
    let unreadable: [(&str, &str, &[u8]); 25] = [
        ("6.1", "index 0", &[0x80]),
        ("2.3.3", "an entry that is not there", &[0xbe]),
        ("2.3.3", "the last index of one byte", &[0xfe]),
        ("2.3.3", "an index of two bytes", &[0xff, 0x80, 0x01]),
        (
            "2.3.3",
            "a name that is not there, remembered",
            &[0x7e, 1, b'a'],
        ),
        (
            "2.3.3",
            "a name far away, remembered",
            &[0x7f, 0x20, 1, b'a'],
        ),
        ("2.3.3", "a name that is not there", &[0x0f, 0x2f, 1, b'a']),
        (
            "2.3.3",
            "a name that is not there, never indexed",
            &[0x1f, 0x2f, 1, b'a'],
        ),
        (
            "5.1",
            "an index that overflows",
            &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f],
        ),
        ("5.1", "an index that does not end", &[0xff, 0x80]),
        (
            "5.1",
            "zeros that do not end",
            &[0xff, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00],
        ),
        (
            "5.1",
            "a length that overflows",
            &[0, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f],
        ),
        ("5.1", "a length that does not end", &[0, 0x7f]),
        ("5.2", "a name cut short", &[0, 5, b'a', b'b']),
        ("5.2", "no value", &[0, 1, b'a']),
        ("5.2", "a value cut short", &[0, 1, b'a', 5, b'b']),
        ("5.2", "no name", &[0]),
        (
            "5.2",
            "Huffman padded by zeros",
            &[0, 1, b'a', 0x81, 0b0001_1000],
        ),
        (
            "5.2",
            "Huffman padded by a byte",
            &[0, 1, b'a', 0x82, 0b0001_1111, 0xff],
        ),
        (
            "5.2",
            "Huffman of nothing but padding",
            &[0, 1, b'a', 0x81, 0xff],
        ),
        (
            "5.2",
            "Huffman with the end in it",
            &[0, 1, b'a', 0x84, 0xff, 0xff, 0xff, 0xff],
        ),
        ("5.2", "Huffman cut short", &[0, 1, b'a', 0x81, 0xfe]),
        (
            "5.2",
            "Huffman longer than the block",
            &[0, 1, b'a', 0x85, 0x1f],
        ),
        ("6.3", "a table larger than agreed", &[0x3f, 0xe2, 0x1f]),
        ("4.2", "a table of another size after fields", &[0x20]),
    ];
    let mut cases: Vec<Case> = Vec::new();
    for (section, what, after) in unreadable {
        let end = GoAway(code::COMPRESSION);
        cases.push((section, end, what.into(), wrong(after)));
    }
    let sizes: [(&str, &[u8]); 3] = [
        ("a table larger than agreed first", &[0x3f, 0xe2, 0x1f]),
        ("a table of any size", &[0x3f, 0xff, 0xff, 0xff, 0x7f]),
        ("a size that does not end", &[0x3f, 0xff]),
    ];
    for (what, size) in sizes {
        let bytes = match what.ends_with("end") {
            true => frame(kind::HEADERS, 5, 1, size),
            false => frame(kind::HEADERS, 5, 1, &[size, &block(&HEAD)].concat()),
        };
        cases.push(("6.3", GoAway(code::COMPRESSION), what.into(), bytes));
    }
    cases
}

#[tokio::test]
async fn invalid_header_block_closes_the_connection() {
    check(cases(), 28).await;
}

#[tokio::test]
async fn too_large_head_is_answered_with_431() {
    let long = [b'x'; 120];
    let mut fields = HEAD.to_vec();
    fields.resize(HEAD.len() + 300, (b"a", &long));
    let block = block(&fields);
    let (first, rest) = block.split_at(10_000);
    let mut bytes = frame(kind::HEADERS, 1, 1, first);
    let pieces: Vec<_> = rest.chunks(10_000).collect();
    for (at, piece) in pieces.iter().enumerate() {
        let flags = if at + 1 == pieces.len() { 4 } else { 0 };
        bytes.extend(frame(kind::CONTINUATION, flags, 1, piece));
    }
    let case = ("10.5.1", Status(431), "many fields".to_owned(), bytes);
    check(vec![case], 1).await;
}
