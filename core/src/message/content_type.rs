//! [`ContentType`].

use std::{fmt, sync::Arc};

/// The encoding of a body, by its media type without parameters.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ContentType {
    /// `application/json`.
    Json,
    /// `application/json` in the form that every go-micro reads: Protobuf fields by their names in the
    /// `.proto`, integers and enumerations as numbers. Every form is accepted when decoding.
    GoJson,
    /// `application/msgpack`: MessagePack with field names.
    MsgPack,
    /// `application/protobuf`.
    Protobuf,
    /// `application/octet-stream`: raw bytes.
    Bytes,
    /// Any other; a codec of that name must be known to both sides.
    Other(Arc<str>),
}

impl ContentType {
    /// The media type.
    pub fn as_str(&self) -> &str {
        match self {
            ContentType::Json | ContentType::GoJson => "application/json",
            ContentType::MsgPack => "application/msgpack",
            ContentType::Protobuf => "application/protobuf",
            ContentType::Bytes => "application/octet-stream",
            ContentType::Other(name) => name,
        }
    }

    /// The content type of a media type; parameters after `;` and case do not count.
    pub fn parse(text: &str) -> Self {
        let bare = text.split(';').next().unwrap_or_default().trim();
        match bare.to_ascii_lowercase().as_str() {
            "application/json" => ContentType::Json,
            "application/msgpack" | "application/x-msgpack" => ContentType::MsgPack,
            "application/protobuf" | "application/x-protobuf" | "application/proto" => {
                ContentType::Protobuf
            }
            "application/octet-stream" => ContentType::Bytes,
            other => ContentType::Other(other.into()),
        }
    }

    /// The number on the native wire; 0 says that the name follows as a field.
    pub(crate) fn number(&self) -> u8 {
        match self {
            ContentType::Other(_) => 0,
            ContentType::Json | ContentType::GoJson => 1,
            ContentType::MsgPack => 2,
            ContentType::Protobuf => 3,
            ContentType::Bytes => 4,
        }
    }

    pub(crate) fn from_number(number: u8) -> Option<Self> {
        Some(match number {
            1 => ContentType::Json,
            2 => ContentType::MsgPack,
            3 => ContentType::Protobuf,
            4 => ContentType::Bytes,
            _ => return None,
        })
    }
}

impl fmt::Display for ContentType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
