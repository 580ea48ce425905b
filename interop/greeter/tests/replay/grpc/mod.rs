//! gRPC calls of every version of go-micro, replayed: the recorded frames in their order, with their flags.
//!
//! The captures list HTTP/2 frames whose header blocks were decoded, so a block's own bytes are not known.
//! They are written anew, as literals; all else goes out as it was recorded, and what comes back is compared
//! field by field.

mod capture;
mod client;
mod frame;
mod hpack;
mod peer;
mod server;

/// The files of what both sides of one version sent.
const FILES: [&str; 6] = [
    "v1-grpc-json-stream",
    "v2-grpc-proto-unary",
    "v6-grpc-errors",
    "v6-grpc-metadata-timeout",
    "v6-grpc-proto-unary",
    "v6-grpc-streams",
];

/// The first value of a header.
fn field<'a>(fields: &'a [(String, String)], name: &str) -> Option<&'a str> {
    let mut found = fields.iter().filter(|(said, _)| said == name);
    found.next().map(|(_, value)| value.as_str())
}

/// The payload of a message, whose prefix is its flag and length: all of `data`, as go-micro's sides write.
fn payload(data: &[u8]) -> &[u8] {
    let (prefix, payload) = data.split_at(5);
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    assert_eq!(prefix, [&[0], &length[..]].concat(), "one plain message");
    payload
}

/// What stands in a payload, whatever its spelling: JSON by its value, Protobuf by its bytes.
fn meaning(payload: &[u8]) -> serde_json::Value {
    match serde_json::from_slice(payload) {
        Ok(value) => value,
        Err(_) => payload.escape_ascii().to_string().into(),
    }
}
