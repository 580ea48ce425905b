//! The contract suite of codecs, which each implementation runs in its tests. Needs the feature `test-util`.
//!
//! Panics with the broken rule. The values have types that JSON, MessagePack and most other formats have.

use std::{collections::BTreeMap, fmt::Debug};

use bytes::Bytes;

use super::{Codec, Codecs, Message};
use crate::{error::Code, message::ContentType};

/// Checks every rule on a codec.
pub fn all(codec: impl Codec) {
    let name = codec.content_type().to_owned();
    content_type(&name, Codecs::default().with(codec));
}

/// Checks every rule on the codec that `codecs` or a feature has for a content type.
pub fn content_type(name: &str, codecs: Codecs) {
    let content_type = ContentType::parse(name);
    assert_eq!(
        content_type.as_str(),
        name,
        "a media type in lower case and without parameters"
    );
    let suite = Suite {
        codecs,
        content_type,
    };
    suite.values_come_back();
    suite.what_is_cut_off_is_an_error_or_a_value();
    suite.noise_is_an_error_of_its_sender();
}

struct Suite {
    codecs: Codecs,
    content_type: ContentType,
}

impl Suite {
    fn values_come_back(&self) {
        for value in [true, false] {
            self.comes_back(value);
        }
        for value in [0, 1, -1, i64::MIN, i64::MAX] {
            self.comes_back(value);
        }
        for value in [0.0, -1.5, 1e300, f64::MIN_POSITIVE] {
            self.comes_back(value);
        }
        for value in ["", "plain", "two\nlines \"quoted\" \\ \u{0}", "ünï ☕ 𝄞"] {
            self.comes_back(value.to_owned());
        }
        self.comes_back(Vec::<String>::new());
        self.comes_back(vec![vec![1i64, 2], vec![], vec![3]]);
        self.comes_back(vec![Some("one".to_owned()), None]);
        let map = [("a", 1i64), ("", 2), ("ü", 3)].map(|(key, value)| (key.to_owned(), value));
        self.comes_back(BTreeMap::from(map));
    }

    fn comes_back<T: Message + PartialEq + Debug>(&self, value: T) {
        let decoded = self.decode(self.encode(&value));
        let decoded: T = decoded.unwrap_or_else(|error| panic!("{value:?} back: {error}"));
        assert_eq!(decoded, value, "comes back as it was");
    }

    fn what_is_cut_off_is_an_error_or_a_value(&self) {
        let whole = self.encode(&vec![
            Some("one".to_owned()),
            None,
            Some("three".to_owned()),
        ]);
        for length in 0..whole.len() {
            // It must not panic, and the error must blame the sender.
            if let Err(error) = self.decode::<Vec<Option<String>>>(whole.slice(..length)) {
                assert_eq!(error.code(), Code::InvalidArgument, "{error}");
            }
        }
    }

    fn noise_is_an_error_of_its_sender(&self) {
        for byte in 0..=u8::MAX {
            let noise = Bytes::from(vec![byte; 64]);
            if let Err(error) = self.decode::<BTreeMap<String, Vec<i64>>>(noise) {
                assert_eq!(error.code(), Code::InvalidArgument, "of {byte:#x}: {error}");
            }
        }
    }

    fn encode(&self, value: &impl Message) -> Bytes {
        let encoded = value.encode(&self.content_type, &self.codecs);
        encoded.unwrap_or_else(|error| panic!("a value is encoded: {error}"))
    }

    fn decode<T: Message>(&self, bytes: Bytes) -> crate::error::Result<T> {
        T::decode(&self.content_type, &self.codecs, bytes)
    }
}
