//! Converts metadata to gRPC's headers, and back.

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::{
    http::h2::is_of_connection,
    message::Metadata,
    protocols::propagation::{self, is_addressing},
};

/// Headers of our own servers, besides metadata.
const MICRO_HEADERS: [HeaderName; 4] = [
    propagation::LOAD,
    propagation::OUTCOME,
    propagation::ORIGIN,
    propagation::BODY,
];

/// Whether a header is gRPC's own or hop-by-hop, and is no metadata.
pub(super) fn is_reserved(name: &HeaderName) -> bool {
    match name.as_str() {
        "content-type" | "content-length" | "host" | "x-content-type" | "timeout" => true,
        // Details of an error pass unchanged.
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

/// Adds the metadata of a response, before its messages and after them.
pub(super) fn write_both(metadata: &Metadata, headers: &mut HeaderMap, trailers: &mut HeaderMap) {
    for (name, value) in metadata.iter() {
        match propagation::bare(name) {
            Some(name) => write_entry(name, value, trailers),
            None => write_entry(name, value, headers),
        }
    }
}

/// Adds the metadata of an error, which all follows the messages.
pub(super) fn write_bare(metadata: &Metadata, trailers: &mut HeaderMap) {
    for (name, value) in metadata.iter() {
        write_entry(propagation::bare(name).unwrap_or(name), value, trailers);
    }
}

fn write_entry(name: &str, value: &str, headers: &mut HeaderMap) {
    propagation::write_entry(name, value, headers, is_reserved);
}

/// Headers as metadata, each name with `prefix`, without gRPC's own and ours.
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
