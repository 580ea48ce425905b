//! The two forms of messages on the wire: JSON as it was given, or Protobuf by descriptors.

use micro::{ContentType, Message};
use prost::Message as _;
use prost_reflect::{DynamicMessage, Kind, MessageDescriptor, MethodDescriptor};
use serde_json::Value;

use crate::failure::{Failure, Result};

/// How the messages of one endpoint are sent and received.
pub(crate) trait Form: Send + Sync + 'static {
    type Message: Message + Clone + Send + Sync;

    /// The content type to send, where it is not the message's own.
    fn content_type(&self) -> Option<ContentType> {
        None
    }

    /// A request; an error names the field that is wrong or not there.
    fn encode(&self, request: Value) -> Result<Self::Message>;

    /// A reply as JSON.
    fn decode(&self, reply: Self::Message) -> Result<Value>;
}

/// JSON as it is, for servers that take it.
pub(crate) struct Json;

impl Form for Json {
    type Message = Value;

    fn encode(&self, request: Value) -> Result<Value> {
        Ok(request)
    }

    fn decode(&self, reply: Value) -> Result<Value> {
        Ok(reply)
    }
}

/// Protobuf, by what the server says of the two messages of a method.
pub(crate) struct Protobuf {
    request: MessageDescriptor,
    reply: MessageDescriptor,
}

impl Protobuf {
    pub(crate) fn of(method: &MethodDescriptor) -> Self {
        Protobuf {
            request: method.input(),
            reply: method.output(),
        }
    }
}

impl Form for Protobuf {
    type Message = Vec<u8>;

    fn content_type(&self) -> Option<ContentType> {
        Some(ContentType::Protobuf)
    }

    fn encode(&self, request: Value) -> Result<Vec<u8>> {
        let message = DynamicMessage::deserialize(self.request.clone(), request);
        let because = Failure::because("the request does not fit the endpoint");
        Ok(message.map_err(because)?.encode_to_vec())
    }

    /// Fields at their default are left out.
    fn decode(&self, reply: Vec<u8>) -> Result<Value> {
        let message = DynamicMessage::decode(self.reply.clone(), &*reply);
        let because = Failure::because("the reply is not what the server says it is");
        serde_json::to_value(message.map_err(because)?)
            .map_err(Failure::because("the reply has no form in JSON"))
    }
}

/// The fields of a message in a line, such as `{place: string, tags: []string}`.
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
