//! JSON to Protobuf and back, by descriptors.

use prost::Message;
use prost_reflect::{DynamicMessage, Kind, MessageDescriptor, MethodDescriptor};
use serde_json::Value;

use crate::failure::{Failure, Result};

/// The two messages of a method.
pub(crate) struct Form {
    request: MessageDescriptor,
    reply: MessageDescriptor,
}

impl Form {
    pub(crate) fn of(method: &MethodDescriptor) -> Self {
        Form {
            request: method.input(),
            reply: method.output(),
        }
    }

    /// A request in Protobuf; an error names the field that is wrong or not there.
    pub(crate) fn encode(&self, request: Value) -> Result<Vec<u8>> {
        let message = DynamicMessage::deserialize(self.request.clone(), request);
        let because = Failure::because("the request does not fit the endpoint");
        Ok(message.map_err(because)?.encode_to_vec())
    }

    /// A reply as JSON; fields at their default are left out.
    pub(crate) fn decode(&self, reply: &[u8]) -> Result<Value> {
        let message = DynamicMessage::decode(self.reply.clone(), reply);
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
