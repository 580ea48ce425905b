//! The two encodings of messages: JSON, unchanged, or Protobuf, by descriptors.

use micro::{ContentType, Message};
use prost::Message as _;
use prost_reflect::{DynamicMessage, Kind, MessageDescriptor, MethodDescriptor};
use serde_json::Value;

use crate::failure::{Failure, Result};

/// How the messages of one endpoint are sent and received.
pub(crate) trait MessageCodec: Send + Sync + 'static {
    type Message: Message + Clone + Send + Sync;

    /// The content type to send; `None` for the default of the message type.
    fn content_type(&self) -> Option<ContentType> {
        None
    }

    /// Encodes a request. An error names the field that is wrong or unknown.
    fn encode(&self, request: Value) -> Result<Self::Message>;

    /// Decodes a reply to JSON.
    fn decode(&self, reply: Self::Message) -> Result<Value>;
}

/// JSON, unchanged, for servers that accept it.
pub(crate) struct Json;

impl MessageCodec for Json {
    type Message = Value;

    fn encode(&self, request: Value) -> Result<Value> {
        Ok(request)
    }

    fn decode(&self, reply: Value) -> Result<Value> {
        Ok(reply)
    }
}

/// Protobuf, by the descriptors of a method that the server sent.
pub(crate) struct Protobuf {
    request: MessageDescriptor,
    reply: MessageDescriptor,
}

impl Protobuf {
    pub(crate) fn new(method: &MethodDescriptor) -> Self {
        Protobuf {
            request: method.input(),
            reply: method.output(),
        }
    }
}

impl MessageCodec for Protobuf {
    type Message = Vec<u8>;

    fn content_type(&self) -> Option<ContentType> {
        Some(ContentType::Protobuf)
    }

    fn encode(&self, request: Value) -> Result<Vec<u8>> {
        let message = DynamicMessage::deserialize(self.request.clone(), request);
        let because = Failure::because("the request does not match the endpoint's message type");
        Ok(message.map_err(because)?.encode_to_vec())
    }

    /// Decodes a reply to JSON, without the fields that have their default value.
    fn decode(&self, reply: Vec<u8>) -> Result<Value> {
        let message = DynamicMessage::decode(self.reply.clone(), &*reply);
        let because = Failure::because(
            "the reply does not match the message type in the server's descriptors",
        );
        serde_json::to_value(message.map_err(because)?)
            .map_err(Failure::because("the reply cannot be written as JSON"))
    }
}

/// The fields of a message on one line, such as `{place: string, tags: []string}`.
pub(crate) fn fields(message: &MessageDescriptor) -> String {
    let fields = message.fields().map(|field| {
        let kind = match field.kind() {
            Kind::Message(entry) if field.is_map() => {
                let value = entry.map_entry_value_field().kind();
                format!("map of {}", kind(&value))
            }
            one if field.is_list() => format!("[]{}", kind(&one)),
            one => kind(&one),
        };
        format!("{}: {kind}", field.json_name())
    });
    format!("{{{}}}", fields.collect::<Vec<_>>().join(", "))
}

fn kind(kind: &Kind) -> String {
    match kind {
        Kind::Message(message) => message.full_name().to_owned(),
        Kind::Enum(one) => one.full_name().to_owned(),
        scalar => format!("{scalar:?}").to_lowercase(),
    }
}
