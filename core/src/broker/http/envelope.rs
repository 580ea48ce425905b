//! An event in the form of go-micro's brokers: JSON with headers, and the body in Base64.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::{
    base64,
    broker::Event,
    context::{Context, Criticality},
    error::{Error, Result},
    message::{ContentType, Metadata},
    protocols::propagation,
    time::NEVER,
};

/// The envelope; its keys are Go's field names.
#[derive(Serialize, Deserialize)]
struct Envelope {
    #[serde(rename = "Header", alias = "header", default)]
    header: Option<BTreeMap<String, String>>,
    #[serde(rename = "Body", alias = "body", default)]
    body: Option<String>,
}

/// The topic's name since v0.22, and before v1.19.
const TOPICS: [&str; 2] = ["Micro-Topic", ":topic"];
/// The first name since 2019, the second in 2018.
const X_TOPIC: &str = "X-Micro-Topic";

/// Encodes an event for a topic; `id` identifies it.
pub(super) fn write(topic: &str, id: &str, event: &Event) -> Bytes {
    let context = event.context();
    let mut metadata = context.metadata().clone();
    metadata.strip_hop_by_hop();
    let mut header: BTreeMap<String, String> = metadata
        .iter()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    if context.criticality() != Criticality::Default {
        let text = context.criticality().as_str().to_owned();
        header.insert(propagation::CRITICALITY.to_string(), text);
    }
    if context.trace().is_some() {
        let trace = propagation::write_trace(context.trace());
        header.insert(propagation::TRACEPARENT.to_string(), trace);
    }
    let content_type = event.content_type().as_str().to_owned();
    header.insert("Content-Type".to_owned(), content_type);
    header.insert("Micro-Id".to_owned(), id.to_owned());
    for name in TOPICS {
        header.insert(name.to_owned(), topic.to_owned());
    }
    let envelope = Envelope {
        header: Some(header),
        body: Some(base64::encode(event.body())),
    };
    serde_json::to_vec(&envelope).expect("text is JSON").into()
}

/// Decodes the topic and the event of an envelope.
///
/// # Errors
/// JSON of another form, without a topic, or with a body that is not Base64.
pub(super) fn read(bytes: &[u8]) -> Result<(String, Event)> {
    let envelope: Envelope = serde_json::from_slice(bytes)
        .map_err(|error| Error::internal(format!("cannot read the event: {error}")))?;
    let header = envelope.header.unwrap_or_default();
    let value = |name: &str| {
        let mut found = header
            .iter()
            .filter(|(key, _)| key.eq_ignore_ascii_case(name));
        found.next().map(|(_, value)| value.as_str())
    };
    let [micro, colon] = TOPICS.map(value);
    let topic = micro.or(colon).or_else(|| value(X_TOPIC));
    let topic = topic.ok_or_else(|| Error::internal("the event has no topic"))?;
    let body = base64::decode(envelope.body.as_deref().unwrap_or_default())
        .ok_or_else(|| Error::internal("the body of the event is not Base64"))?;
    let content_type = match value("Content-Type") {
        // go-micro's default on the receiving side.
        None | Some("") => ContentType::Protobuf,
        Some(text) => ContentType::parse(text),
    };
    let criticality = match value(propagation::CRITICALITY.as_str()) {
        Some("critical") => Criticality::Critical,
        Some("sheddable") => Criticality::Sheddable,
        _ => Criticality::Default,
    };
    let trace = value(propagation::TRACEPARENT.as_str()).and_then(propagation::read_trace);
    let own = [propagation::CRITICALITY, propagation::TRACEPARENT];
    let metadata: Metadata = header
        .iter()
        .filter(|(name, _)| {
            !own.iter()
                .any(|own| name.eq_ignore_ascii_case(own.as_str()))
        })
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    let trace = trace.unwrap_or_default();
    let context = Context::received(NEVER, None, criticality, trace, metadata);
    let event = Event::new(content_type, body).with_context(context);
    Ok((topic.to_owned(), event))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may end in a panic")]
mod tests {
    use super::*;

    #[test]
    fn event_survives() {
        let context = Context::new()
            .with("Tenant", "acme")
            .with("Timeout", "1")
            .with_criticality(Criticality::Sheddable);
        let event = Event::new(ContentType::Json, "{}").with_context(context);
        let (topic, read) = read(&write("a b", "7", &event)).unwrap();
        assert_eq!(topic, "a b");
        assert_eq!(read.body(), "{}");
        assert_eq!(*read.content_type(), ContentType::Json);
        let context = read.context();
        assert_eq!(context.metadata().get("tenant"), Some("acme"));
        assert_eq!(context.metadata().get("timeout"), None);
        assert_eq!(context.criticality(), Criticality::Sheddable);
    }

    #[test]
    fn every_name_of_the_topic_is_known_and_none_is_an_error() {
        for name in [":topic", "Micro-Topic", "micro-topic", "X-Micro-Topic"] {
            let text = format!(r#"{{"Header":{{"{name}":"t"}},"Body":null}}"#);
            let (topic, event) = read(text.as_bytes()).unwrap();
            assert_eq!((&*topic, event.body().len()), ("t", 0));
            assert_eq!(*event.content_type(), ContentType::Protobuf);
        }
        for wrong in ["", "{}", "[]", r#"{"Header":{":topic":"t"},"Body":"*"}"#] {
            assert!(read(wrong.as_bytes()).is_err(), "{wrong}");
        }
    }
}
