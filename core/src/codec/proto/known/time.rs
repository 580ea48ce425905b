//! Points and spans of time: text, such as `2026-01-31T12:00:00.5Z` and `-1.5s`.

use std::fmt;

use prost_types::{Duration, Timestamp};
use serde::{
    Deserializer, Serializer,
    de::{Error as _, Visitor},
    ser::Error as _,
};

use crate::{codec::proto::embedded::Embedded, node::Value};

/// The first second of year 1 and the last of year 9999, in seconds of Unix time.
const YEARS: std::ops::RangeInclusive<i64> = -62_135_596_800..=253_402_300_799;

/// Ten thousand years in seconds, both ways.
const SPAN: std::ops::RangeInclusive<i64> = -315_576_000_000..=315_576_000_000;

const SECOND: i32 = 1_000_000_000;

impl Embedded for Timestamp {
    fn write<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        if !is_timestamp(self) {
            let Timestamp { seconds, nanos } = self;
            let text = format!(
                "a timestamp of {seconds} s and {nanos} ns is not within the years 1 to 9999"
            );
            return Err(S::Error::custom(text));
        }
        to.collect_str(self)
    }

    fn read<'de, D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = from.deserialize_str(Text("a time such as `2026-01-31T12:00:00Z`"))?;
        // What is parsed is more than the form allows: dates alone, spaces, lower case.
        let strict = text.as_bytes().get(10) == Some(&b'T')
            && !text.ends_with('z')
            && text[11..].contains(['Z', '+', '-']);
        text.parse()
            .ok()
            .filter(|timestamp| strict && is_timestamp(timestamp))
            .ok_or_else(|| {
                D::Error::custom(format_args!(
                    "`{text}` is not a time such as `2026-01-31T12:00:00Z`"
                ))
            })
    }

    fn describe(_: u8) -> Value {
        Value::new("Timestamp", "string")
    }
}

fn is_timestamp(timestamp: &Timestamp) -> bool {
    YEARS.contains(&timestamp.seconds) && (0..SECOND).contains(&timestamp.nanos)
}

impl Embedded for Duration {
    fn write<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        if !is_duration(self) {
            let Duration { seconds, nanos } = self;
            let text = format!("a duration of {seconds} s and {nanos} ns is not one of Protobuf's");
            return Err(S::Error::custom(text));
        }
        to.collect_str(self)
    }

    fn read<'de, D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = from.deserialize_str(Text("a duration such as `1.5s`"))?;
        text.parse().ok().filter(is_duration).ok_or_else(|| {
            D::Error::custom(format_args!("`{text}` is not a duration such as `1.5s`"))
        })
    }

    fn describe(_: u8) -> Value {
        Value::new("Duration", "string")
    }
}

fn is_duration(duration: &Duration) -> bool {
    let Duration { seconds, nanos } = duration;
    let one_way = seconds.signum() * i64::from(nanos.signum()) >= 0;
    SPAN.contains(seconds) && (-SECOND + 1..SECOND).contains(nanos) && one_way
}

/// Text, of what form.
pub(super) struct Text(pub(super) &'static str);

impl Visitor<'_> for Text {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<String, E> {
        Ok(text.to_owned())
    }
}
