//! Codecs that come with a feature: CBOR and BSON.

use std::collections::BTreeMap;

use micro::{Code, Codecs, ContentType, codec::contract};
use serde::{Deserialize, Serialize};

use super::{decode, encode};

const NAMES: [&str; 2] = ["application/bson", "application/cbor"];

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, micro::Message)]
enum Expr {
    Number(i64),
    Not(Box<Expr>),
    All { of: Vec<Expr> },
}

fn nested(depth: usize) -> Expr {
    (0..depth).fold(Expr::Number(1), |inner, _| Expr::Not(Box::new(inner)))
}

#[test]
fn each_codec_passes_the_contract_suite() {
    for name in NAMES {
        contract::content_type(name, Codecs::default());
    }
}

#[test]
fn messages_have_the_bytes_of_their_standards() {
    let map = BTreeMap::from([("a".to_owned(), 1i64)]);
    let cbor = encode(&map, ContentType::parse("application/cbor"));
    assert_eq!(cbor, &b"\xa1\x61a\x01"[..]);
    let bson = encode(&map, ContentType::parse("application/bson"));
    assert_eq!(bson, &b"\x10\0\0\0\x12a\0\x01\0\0\0\0\0\0\0\0"[..]);
}

#[test]
fn deep_message_is_refused_and_does_not_end_the_stack() {
    for name in NAMES {
        let content_type = || ContentType::parse(name);
        let expr = nested(30);
        let bytes = encode(&expr, content_type());
        assert_eq!(decode::<Expr>(content_type(), bytes).unwrap(), expr);
    }
    for open in [
        &b"\x81"[..],
        b"\xa1\x61a",
        b"\xa1\x63Not",
        b"\xc1",
        b"\x9f",
        b"\xbf\x61a",
    ] {
        let bytes = open.repeat(500_000);
        let content_type = || ContentType::parse("application/cbor");
        let error = decode::<Expr>(content_type(), bytes.clone()).unwrap_err();
        assert_eq!(error.code(), Code::InvalidArgument, "{error}");
        let error = decode::<serde_json::Value>(content_type(), bytes).unwrap_err();
        assert_eq!(error.code(), Code::InvalidArgument, "{error}");
    }
    for (kind, name) in [(3, "Not"), (3, "x"), (4, "0")] {
        let mut document = vec![5, 0, 0, 0, 0];
        for _ in 0..50_000 {
            let mut outer = Vec::with_capacity(name.len() + 7);
            let size = document.len() + name.len() + 7;
            outer.extend_from_slice(&u32::try_from(size).unwrap().to_le_bytes());
            outer.push(kind);
            outer.extend_from_slice(name.as_bytes());
            outer.push(0);
            outer.append(&mut document);
            outer.push(0);
            document = outer;
        }
        let content_type = || ContentType::parse("application/bson");
        let error = decode::<Expr>(content_type(), document.clone()).unwrap_err();
        assert_eq!(error.code(), Code::InvalidArgument, "{error}");
        let error = decode::<serde_json::Value>(content_type(), document).unwrap_err();
        assert_eq!(error.code(), Code::InvalidArgument, "{error}");
    }
}
