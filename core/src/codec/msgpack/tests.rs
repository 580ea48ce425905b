//! The common part is a part: what is written and read here is what rmp-serde writes and reads.

use std::{
    collections::{BTreeMap, HashMap},
    fmt::Debug,
};

use bytes::Bytes;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{Reader, Writer, decode, decode_any, encode, encode_any};

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

/// Kinds that rmp-serde has to see to: a length not known before the end, and 128 bits.
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

/// Written here, and just as rmp-serde would.
fn written<T: Serialize>(value: &T) -> Vec<u8> {
    let mut writer = Writer::new();
    value.serialize(&mut writer).expect("it is common");
    let bytes = writer.finish();
    assert_eq!(bytes, encode_any(value).unwrap());
    bytes.into()
}

/// Read as rmp-serde reads it: the same value, or the same words.
fn same<T: DeserializeOwned + Debug>(bytes: &[u8]) {
    let theirs = decode_any::<T>(bytes).map_err(|error| error.to_string());
    let ours = decode::<T>(bytes).map_err(|error| error.to_string());
    // As text, in which one NaN is like another.
    assert_eq!(format!("{ours:?}"), format!("{theirs:?}"), "{bytes:02x?}");
}

#[test]
fn a_message_of_common_types_is_written_and_read_without_rmp_serde() {
    let order = order();
    let bytes = written(&order);
    let mut reader = Reader::new(&bytes);
    assert_eq!(Order::deserialize(&mut reader).unwrap(), order);
    assert!(reader.is_at_end());
}

#[test]
fn numbers_and_lengths_at_their_edges_are_those_of_rmp_serde() {
    let edges = [0i64, 5, 7, 8, 15, 16, 31, 32, 63].into_iter();
    for edge in edges.flat_map(|bits| [-2, -1, 0, 1].map(|off| (1i64 << bits).wrapping_add(off))) {
        for number in [edge, edge.wrapping_neg()] {
            same::<i64>(&written(&number));
            same::<u64>(&written(&(number as u64)));
            same::<u8>(&written(&number));
            same::<f64>(&written(&(number as f64)));
        }
    }
    for length in [0, 15, 16, 31, 32, 255, 256, 65_535, 65_536] {
        same::<String>(&written(&"a".repeat(length)));
        same::<Bytes>(&written(&Bytes::from(vec![1; length])));
        same::<Vec<u8>>(&written(&vec![1u8; length]));
        let map: BTreeMap<usize, bool> = (0..length).map(|key| (key, key == 3)).collect();
        same::<BTreeMap<usize, bool>>(&written(&map));
    }
}

#[test]
fn what_is_beyond_the_common_part_is_written_and_read_all_the_same() {
    let odd = Odd {
        big: u128::MAX,
        rest: [("a".to_owned(), 1)].into(),
    };
    let bytes = encode(&odd).unwrap();
    assert_eq!(bytes, encode_any(&odd).unwrap());
    assert_eq!(decode::<Odd>(&bytes).unwrap(), odd);
    // A number for a variant, a list for a struct, a list for bytes, a name that is not UTF-8.
    same::<State>(&[0]);
    same::<Line>(&[0x92, 1, 0x90]);
    same::<Bytes>(&[0x92, 1, 2]);
    same::<Strict>(&[0x81, 0xa2, b'i', 0xff, 1]);
    same::<Strict>(&[0x82, 0xa2, b'i', b'd', 1, 0xa1, b'x', 1]);
}

#[test]
fn whatever_is_wrong_is_told_in_the_words_of_rmp_serde() {
    let good = written(&order());
    for end in 0..good.len() {
        same::<Order>(&good[..end]);
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
    same::<Order>(&[good, vec![0]].concat());
}

#[test]
fn lists_deeper_than_is_common_are_read_as_far_as_rmp_serde_goes() {
    for depth in [62, 63, 64, 65, 128] {
        let mut bytes = vec![0x91; depth];
        bytes.push(0x90);
        same::<serde_json::Value>(&bytes);
    }
}
