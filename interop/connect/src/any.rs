//! `google.protobuf.Any` of the suite's own messages.

use micro::{Codecs, ContentType, Message, codec::proto::Embedded, registry::Value};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _, ser::Error as _};
use serde_json::Value as Json;

use crate::proto;

const TYPE: &str = "@type";
/// What stands before a name.
const PREFIX: &str = "type.googleapis.com/connectrpc.conformance.v1.";

/// A message of any type, with the name of that type.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct Any {
    /// Its type, after the last slash.
    #[prost(string, tag = "1")]
    pub type_url: String,
    /// It itself, as Protobuf.
    #[prost(bytes = "vec", tag = "2")]
    pub value: Vec<u8>,
}

impl Any {
    /// A message of the suite's, by its name in there.
    pub fn of(name: &str, message: &impl prost::Message) -> Self {
        Any {
            type_url: format!("{PREFIX}{name}"),
            value: message.encode_to_vec(),
        }
    }
}

/// How a message goes from Protobuf to JSON, or back.
type Way = fn(&ContentType, &ContentType, &[u8]) -> micro::Result<Vec<u8>>;

fn way<T: Message>(from: &ContentType, to: &ContentType, bytes: &[u8]) -> micro::Result<Vec<u8>> {
    let codecs = Codecs::default();
    let message = T::decode(from, &codecs, bytes.to_vec().into())?;
    Ok(message.encode(to, &codecs)?.to_vec())
}

fn known(type_url: &str) -> Result<Way, String> {
    Ok(match type_url.strip_prefix(PREFIX) {
        Some("UnaryRequest") => way::<proto::UnaryRequest>,
        Some("IdempotentUnaryRequest") => way::<proto::IdempotentUnaryRequest>,
        Some("ServerStreamRequest") => way::<proto::ServerStreamRequest>,
        Some("ClientStreamRequest") => way::<proto::ClientStreamRequest>,
        Some("BidiStreamRequest") => way::<proto::BidiStreamRequest>,
        Some("UnimplementedRequest") => way::<proto::UnimplementedRequest>,
        Some("UnaryResponse") => way::<proto::UnaryResponse>,
        Some("Header") => way::<proto::Header>,
        Some("ConformancePayload.RequestInfo") => way::<proto::conformance_payload::RequestInfo>,
        _ => return Err(format!("`{type_url}` is no message of the suite's")),
    })
}

impl Embedded for Any {
    fn write<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let way = known(&self.type_url).map_err(S::Error::custom)?;
        let json = way(&ContentType::Protobuf, &ContentType::Json, &self.value);
        let mut json: Json =
            serde_json::from_slice(&json.map_err(S::Error::custom)?).map_err(S::Error::custom)?;
        json[TYPE] = self.type_url.as_str().into();
        json.serialize(to)
    }

    fn read<'de, D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let json = Json::deserialize(from)?;
        let type_url = json[TYPE].as_str().unwrap_or_default().to_owned();
        let way = known(&type_url).map_err(D::Error::custom)?;
        let json = json.to_string();
        let value = way(&ContentType::Json, &ContentType::Protobuf, json.as_bytes());
        Ok(Any {
            type_url,
            value: value.map_err(D::Error::custom)?,
        })
    }

    fn describe(_: u8) -> Value {
        Value::new("Any", "object")
    }
}
