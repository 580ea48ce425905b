//! The parts of Kubernetes objects that we read.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};

/// A page of objects.
#[derive(Deserialize)]
pub(super) struct Page {
    pub(super) metadata: PageMetadata,
    #[serde(default, deserialize_with = "null_is_default")]
    pub(super) items: Vec<Object>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PageMetadata {
    #[serde(default)]
    pub(super) resource_version: String,
    #[serde(default, rename = "continue")]
    pub(super) more: String,
}

/// One line of a watch.
#[derive(Deserialize)]
pub(super) struct Event {
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) object: Object,
}

/// A pod, an endpoint slice, or the status of an error; the fields of the others are empty.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Object {
    #[serde(default, deserialize_with = "null_is_default")]
    pub(super) metadata: Metadata,
    /// The status of a pod; a text in the status of an error.
    #[serde(default, deserialize_with = "status")]
    pub(super) status: Status,
    /// Of an endpoint slice.
    #[serde(default)]
    pub(super) address_type: String,
    #[serde(default, deserialize_with = "null_is_default")]
    pub(super) endpoints: Vec<Endpoint>,
    #[serde(default, deserialize_with = "null_is_default")]
    pub(super) ports: Vec<Port>,
    /// Of an error.
    #[serde(default)]
    pub(super) code: u16,
    #[serde(default)]
    pub(super) message: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Metadata {
    #[serde(default)]
    pub(super) name: String,
    #[serde(default)]
    pub(super) resource_version: String,
    #[serde(default, deserialize_with = "null_is_default")]
    pub(super) labels: BTreeMap<String, String>,
    #[serde(default, deserialize_with = "null_is_default")]
    pub(super) annotations: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) deletion_timestamp: Option<String>,
}

#[derive(Default, Deserialize)]
pub(super) struct Status {
    #[serde(default)]
    pub(super) phase: String,
    #[serde(default, deserialize_with = "null_is_default")]
    pub(super) conditions: Vec<Condition>,
}

#[derive(Deserialize)]
pub(super) struct Condition {
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) status: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Endpoint {
    #[serde(default, deserialize_with = "null_is_default")]
    pub(super) addresses: Vec<String>,
    #[serde(default, deserialize_with = "null_is_default")]
    pub(super) conditions: Conditions,
    #[serde(default)]
    pub(super) zone: Option<String>,
    #[serde(default)]
    pub(super) target_ref: Option<Target>,
}

/// Missing conditions have defaults: ready and not terminating.
#[derive(Default, Deserialize)]
pub(super) struct Conditions {
    #[serde(default)]
    pub(super) ready: Option<bool>,
    #[serde(default)]
    pub(super) terminating: Option<bool>,
}

#[derive(Deserialize)]
pub(super) struct Target {
    #[serde(default)]
    pub(super) name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Port {
    #[serde(default)]
    pub(super) name: Option<String>,
    #[serde(default)]
    pub(super) port: Option<u16>,
    #[serde(default)]
    pub(super) protocol: Option<String>,
    #[serde(default)]
    pub(super) app_protocol: Option<String>,
}

fn null_is_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

fn status<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Status, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Either {
        Whole(Status),
        Word(serde::de::IgnoredAny),
    }
    Ok(match Either::deserialize(deserializer)? {
        Either::Whole(status) => status,
        Either::Word(_) => Status::default(),
    })
}

/// Whether a text is a DNS label (RFC 1123).
pub(super) fn is_label(text: &str) -> bool {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    (1..=63).contains(&text.len())
        && text.chars().all(fits)
        && !text.starts_with('-')
        && !text.ends_with('-')
}
