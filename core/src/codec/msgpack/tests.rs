//! Messages written and read here against those of rmp-serde, another implementation of the same form.

use std::{
    collections::{BTreeMap, HashMap},
    fmt::Debug,
};

use bytes::Bytes;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{Unexplained, decode, encode, write};

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Order {
    id: u64,
    title: String,
    paid: bool,
    price: f64,
    weight: Option<f32>,
    delta: i32,
    photo: Bytes,
    lines: Vec<Line>,
    labels: BTreeMap<String, i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    note: Option<String>,
    state: State,
    place: (u8, i16, char),
    #[serde(rename = "sender-name")]
    sender: Name,
    nothing: (),
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Line {
    count: u16,
    states: Vec<State>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Name(String);

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
enum State {
    #[default]
    New,
    Sent(i64),
    Split(u8, u8),
    Lost {
        since: u32,
        by: Option<Name>,
    },
}

/// A length that is not known before the end, and 128 bits.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Odd {
    big: u128,
    #[serde(flatten)]
    rest: HashMap<String, i32>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Strict {
    id: u8,
}

#[derive(Debug, PartialEq, Deserialize)]
struct Count {
    count: u8,
}

#[derive(Debug, Deserialize)]
enum Chain {
    End,
    #[allow(dead_code, reason = "only its depth matters")]
    Box(Box<Chain>),
}

struct Unwritable;

impl Serialize for Unwritable {
    fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom("on purpose"))
    }
}

fn order() -> Order {
    Order {
        id: 70_000,
        title: "crème".repeat(9),
        paid: true,
        price: -0.25,
        weight: Some(1.5),
        delta: -70_000,
        photo: Bytes::from_static(&[0, 0xff, 7]),
        lines: vec![
            Line {
                count: 300,
                states: vec![State::Sent(-33), State::Split(1, 200), State::New],
            },
            Line::default(),
        ],
        labels: [("a".to_owned(), i64::MIN), (String::new(), 127)].into(),
        note: None,
        state: State::Lost {
            since: u32::MAX,
            by: Some(Name("x".into())),
        },
        place: (128, -129, 'ß'),
        sender: Name("b".into()),
        nothing: (),
    }
}

/// Writes `value` in one pass, and checks that rmp-serde writes the same bytes.
fn written<T: Serialize>(value: &T) -> Vec<u8> {
    let bytes = write::<_, Unexplained>(value).expect("one pass");
    assert_eq!(bytes, rmp_serde::to_vec_named(value).unwrap());
    bytes.into()
}

/// Checks that rmp-serde reads the same value, if there is one. Returns whether there is.
fn same<T: DeserializeOwned + Debug>(bytes: &[u8]) -> bool {
    let Ok(ours) = decode::<T>(bytes) else {
        return false;
    };
    let theirs = rmp_serde::from_slice::<T>(bytes);
    // As text, in which one NaN is like another.
    assert_eq!(
        format!("{:?}", Ok::<_, rmp_serde::decode::Error>(ours)),
        format!("{theirs:?}"),
        "{bytes:02x?}"
    );
    true
}

/// The error of reading `bytes`.
fn error<T: DeserializeOwned + Debug>(bytes: &[u8]) -> String {
    decode::<T>(bytes).unwrap_err().to_string()
}

#[test]
fn message_of_every_type_survives() {
    let order = order();
    assert_eq!(decode::<Order>(&written(&order)).unwrap(), order);
}

#[test]
fn numbers_and_lengths_have_their_shortest_form() {
    let edges = [0i64, 5, 7, 8, 15, 16, 31, 32, 63].into_iter();
    for edge in edges.flat_map(|bits| [-2, -1, 0, 1].map(|off| (1i64 << bits).wrapping_add(off))) {
        for number in [edge, edge.wrapping_neg()] {
            assert!(same::<i64>(&written(&number)));
            assert!(same::<u64>(&written(&(number as u64))));
            assert!(same::<i128>(&written(&i128::from(number))));
            assert!(same::<f64>(&written(&(number as f64))));
            same::<u8>(&written(&number));
        }
    }
    for length in [0, 15, 16, 31, 32, 255, 256, 65_535, 65_536] {
        assert!(same::<String>(&written(&"a".repeat(length))));
        assert!(same::<Bytes>(&written(&Bytes::from(vec![1; length]))));
        assert!(same::<Vec<u8>>(&written(&vec![1u8; length])));
        let map: BTreeMap<usize, bool> = (0..length).map(|key| (key, key == 3)).collect();
        assert!(same::<BTreeMap<usize, bool>>(&written(&map)));
    }
}

#[test]
fn length_unknown_before_the_end_is_inserted() {
    for length in [0, 1, 20, 70_000] {
        let odd = Odd {
            big: u128::MAX,
            rest: (0..length).map(|n| (n.to_string(), n)).collect(),
        };
        assert_eq!(decode::<Odd>(&written(&odd)).unwrap(), odd);
    }
}

#[test]
fn unusual_forms_are_read() {
    // A number for a variant, a map of nil for one, an array for a struct, an array for bytes, bytes for a text.
    assert_eq!(decode::<State>(&[0]).unwrap(), State::New);
    assert_eq!(decode::<State>(b"\x81\xa3New\xc0").unwrap(), State::New);
    assert_eq!(
        decode::<Line>(&[0x92, 1, 0x90]).unwrap(),
        Line {
            count: 1,
            states: vec![]
        }
    );
    assert_eq!(
        decode::<Bytes>(&[0x92, 1, 2]).unwrap(),
        Bytes::from_static(&[1, 2])
    );
    assert_eq!(decode::<String>(b"\xc4\x01a").unwrap(), "a");
    assert_eq!(decode::<i128>(&[0xff]).unwrap(), -1);
    // An unknown field with an extension of each length.
    for extension in [
        &[0xd4, 0xff, 0][..],
        &[0xd5, 0xff, 0, 0],
        &[0xd6, 0xff, 0, 0, 0, 0],
        &[0xd7, 0xff, 0, 0, 0, 0, 0, 0, 0, 0],
        &[0xc7, 2, 5, 0, 0],
        &[0xc8, 0, 1, 5, 0],
        &[0xc9, 0, 0, 0, 1, 5, 0],
    ] {
        let bytes = [b"\x82\xa1t", extension, b"\xa5count\x03"].concat();
        assert_eq!(decode::<Count>(&bytes).unwrap(), Count { count: 3 });
        let error = error::<u8>(extension);
        assert!(error.contains("extensions are not supported"), "{error}");
    }
}

#[test]
fn errors_name_the_type_and_the_fault() {
    let cases = [
        (
            error::<Strict>(&[0x81, 0xa2, b'i', 0xff, 1]),
            "unknown field",
        ),
        (
            error::<Strict>(b"\x82\xa2id\x01\xa1x\x01"),
            "unknown field `x`",
        ),
        (
            error::<Strict>(b"\x81\xa2id\xa1x"),
            "invalid type: string \"x\", expected u8",
        ),
        (error::<Strict>(b"\x80"), "missing field `id`"),
        (
            error::<Strict>(b"\x81\xa2id\xcd\x01\x00"),
            "invalid value: integer `256`",
        ),
        (error::<Strict>(b"\x81\xa2id"), "it ends too early"),
        (
            error::<Strict>(b"\x81\xa2id\x01\x00"),
            "bytes after its end",
        ),
        (
            error::<(u8, u8)>(b"\x93\x01\x02\x03"),
            "longer than its type",
        ),
        (error::<String>(b"\xa1\xff"), "invalid value: byte array"),
        (error::<State>(b"\xa1x"), "unknown variant `x`"),
        (error::<u8>(&[0xc1]), "starts no value"),
    ];
    for (error, part) in cases {
        assert!(
            error.contains("cannot read `") && error.contains(part),
            "{error}: {part}"
        );
    }
    let error = encode(&Unwritable).unwrap_err().to_string();
    assert!(
        error.contains("cannot write `Unwritable`") && error.contains("on purpose"),
        "{error}"
    );
}

#[test]
fn broken_message_is_read_as_rmp_serde_reads_it_or_not_at_all() {
    let good = written(&order());
    for end in 0..good.len() {
        assert!(!same::<Order>(&good[..end]));
    }
    for place in 0..good.len() {
        for byte in [
            0x00, 0x7f, 0x81, 0x91, 0xa1, 0xc0, 0xc1, 0xc4, 0xc7, 0xcd, 0xd9, 0xff,
        ] {
            let mut bad = good.clone();
            bad[place] = byte;
            same::<Order>(&bad);
            same::<serde_json::Value>(&bad);
        }
    }
    assert!(!same::<Order>(&[good, vec![0]].concat()));
}

#[test]
fn depth_is_limited_to_127() {
    let nested = |depth: usize| [vec![0x91; depth], vec![0x90]].concat();
    assert!(same::<serde_json::Value>(&nested(126)));
    assert!(error::<serde_json::Value>(&nested(127)).contains("the limit of 127"));
    // Variants count too, of which a type could contain itself.
    let nested = |depth: usize| [b"\x81\xa3Box".repeat(depth), b"\xa3End".to_vec()].concat();
    assert!(decode::<Chain>(&nested(127)).is_ok());
    assert!(error::<Chain>(&nested(128)).contains("the limit of 127"));
    assert!(error::<Chain>(&nested(1_000_000)).contains("the limit of 127"));
}
