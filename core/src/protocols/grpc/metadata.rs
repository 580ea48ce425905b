//! Metadata between messages of ours and headers of gRPC.

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::{
    http::h2::is_of_connection,
    message::Metadata,
    protocols::propagation::{self, is_addressing},
};

/// What our own servers say beside metadata.
const MICRO_HEADERS: [HeaderName; 4] = [
    propagation::LOAD,
    propagation::OUTCOME,
    propagation::ORIGIN,
    propagation::BODY,
];

/// Whether a header is gRPC's own, or that of one hop, so that no metadata may be written there.
pub(super) fn is_reserved(name: &HeaderName) -> bool {
    match name.as_str() {
        "content-type" | "content-length" | "host" | "x-content-type" | "timeout" => true,
        // Details of an error travel as they are.
        "grpc-status-details-bin" => false,
        name_text => {
            name_text.starts_with("grpc-") || is_of_connection(name) || is_addressing(name_text)
        }
    }
}

/// Adds metadata to headers. An entry that HTTP cannot carry is left out.
pub(super) fn write(metadata: &Metadata, headers: &mut HeaderMap) {
    for (name, value) in metadata.iter() {
        write_entry(name, value, headers);
    }
}

/// Adds the metadata of an answer: what comes before its messages, and what comes after.
pub(super) fn write_both(metadata: &Metadata, headers: &mut HeaderMap, trailers: &mut HeaderMap) {
    for (name, value) in metadata.iter() {
        match propagation::bare(name) {
            Some(name) => write_entry(name, value, trailers),
            None => write_entry(name, value, headers),
        }
    }
}

/// Adds the metadata of an error, which all comes after the messages.
pub(super) fn write_bare(metadata: &Metadata, trailers: &mut HeaderMap) {
    for (name, value) in metadata.iter() {
        write_entry(propagation::bare(name).unwrap_or(name), value, trailers);
    }
}

fn write_entry(name: &str, value: &str, headers: &mut HeaderMap) {
    propagation::write_entry(name, value, headers, is_reserved);
}

/// Headers as metadata, each name with `prefix` before it, but those that are gRPC's own or ours.
pub(super) fn read(headers: &HeaderMap, prefix: &str, into: &mut Metadata) {
    for (name, value) in headers {
        read_entry(name, value, prefix, into);
    }
}

/// A header as an entry of metadata, unless it is gRPC's own or ours.
pub(super) fn read_entry(
    name: &HeaderName,
    value: &HeaderValue,
    prefix: &str,
    into: &mut Metadata,
) {
    if MICRO_HEADERS.contains(name) || is_reserved(name) {
        return;
    }
    let text = String::from_utf8_lossy(value.as_bytes());
    if prefix.is_empty() {
        into.append(name.as_str(), &text);
    } else {
        into.append(&format!("{prefix}{name}"), &text);
    }
}
