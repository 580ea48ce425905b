//! Converts metadata to Connect's headers, which include trailers.

use http::HeaderMap;
use serde_json::{Map, Value};

use crate::{
    error::{Error, Outcome, details::DETAILS},
    message::Metadata,
    protocols::propagation::{self, is_addressing},
};

/// Whether a header is the protocol's own or hop-by-hop, and is no metadata.
pub(super) fn is_reserved(name: &str) -> bool {
    matches!(
        name,
        "content-type"
            | "content-length"
            | "content-encoding"
            | "accept-encoding"
            | "transfer-encoding"
            | "connection"
            | "proxy-connection"
            | "keep-alive"
            | "upgrade"
            | "te"
            | "trailer"
            | "host"
            | "date"
    ) || name.starts_with("connect-")
        || is_addressing(name)
}

/// Adds metadata to headers. Trailers are added with their prefix if `trailers`, otherwise left out.
pub(super) fn write(metadata: &Metadata, trailers: bool, headers: &mut HeaderMap) {
    for (name, value) in metadata.iter() {
        if (propagation::bare(name).is_some() && !trailers) || name.eq_ignore_ascii_case(DETAILS) {
            continue;
        }
        propagation::write_entry(name, value, headers, |named| is_reserved(named.as_str()));
    }
}

/// Adds what accompanies an error besides code, text and details.
pub(super) fn of_error(error: &Error) -> Metadata {
    let mut all = error.metadata().clone();
    if error.outcome() != Outcome::Answered {
        all.insert(propagation::OUTCOME.as_str(), error.outcome().as_str());
    }
    if let Some(after) = error.retry_after() {
        let seconds = after.as_secs_f64().ceil() as u64;
        all.insert(http::header::RETRY_AFTER.as_str(), &seconds.to_string());
    }
    all
}

/// Adds entries to those of a stream's end, without prefix.
pub(super) fn write_end<'a>(
    entries: impl Iterator<Item = (&'a str, &'a str)>,
    end: &mut Map<String, Value>,
) {
    for (name, value) in entries {
        let name = name.to_ascii_lowercase();
        if name == DETAILS || is_reserved(&name) {
            continue;
        }
        if let Value::Array(values) = end.entry(name).or_insert_with(|| Value::Array(Vec::new())) {
            values.push(value.into());
        }
    }
}
