//! Messages of serde types that are nested without end.

use micro::{Code, ContentType};
use serde::{Deserialize, Serialize};

use super::{decode, encode};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, micro::Message)]
enum Expr {
    Number(i64),
    Not(Box<Expr>),
    All { of: Vec<Expr> },
}

/// `Not` around a number, so many times.
fn nested(content_type: &ContentType, depth: usize) -> Vec<u8> {
    let (open, number, close): (&[u8], &[u8], &[u8]) = match content_type {
        ContentType::MsgPack => (b"\x81\xa3Not", b"\x81\xa6Number\x01", b""),
        _ => (b"{\"Not\":", b"{\"Number\":1}", b"}"),
    };
    [&open.repeat(depth), number, &close.repeat(depth)].concat()
}

#[test]
fn deep_message_is_refused_and_does_not_end_the_stack() {
    for content_type in [ContentType::MsgPack, ContentType::Json] {
        let mut expected = Expr::Number(1);
        for _ in 0..100 {
            expected = Expr::Not(Box::new(expected));
        }
        let read = |depth| decode::<Expr>(content_type.clone(), nested(&content_type, depth));
        assert_eq!(read(100).unwrap(), expected, "{content_type}");
        assert_eq!(
            encode(&expected, content_type.clone()),
            nested(&content_type, 100)
        );
        for depth in [128, 1000, 500_000] {
            let error = read(depth).unwrap_err();
            assert_eq!(
                error.code(),
                Code::InvalidArgument,
                "{content_type}, {depth}"
            );
        }
    }
}

#[test]
fn deep_lists_and_extensions_are_refused_as_well() {
    for open in [
        &b"\x91"[..],
        b"\x81\x01",
        b"\x92\xc7\x01\x05\x00",
        b"\x92\xd4\x05\x00",
    ] {
        let mut bytes = open.repeat(200_000);
        bytes.push(1);
        let error = decode::<serde_json::Value>(ContentType::MsgPack, bytes).unwrap_err();
        assert_eq!(error.code(), Code::InvalidArgument, "{open:x?}");
    }
}
