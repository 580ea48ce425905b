//! The labels and annotations of a pod, as in go-micro.
//!
//! | where | key | value |
//! |---|---|---|
//! | label | `micro.mu/type` | `service` |
//! | label | `micro.mu/selector-SERVICE` | `service` |
//! | annotation | `micro.mu/service-SERVICE` | the JSON of the service |
//!
//! Characters that a label cannot hold become `_`. A name that is longer than a label may be, or ends in another
//! character than a letter or digit, is cut and ends in a hash. The key of a second node of one service in one pod also
//! ends in a hash. go-micro registers neither.

use super::{PodEndpoint, object::Object};
use micro_core::{hash::fnv1a, http::client::escape, node::Node, registry::encoding};

/// The label of pods with services.
pub(super) const TYPE: &str = "micro.mu/type";
/// The value of our labels.
pub(super) const SERVICE: &str = "service";
const SELECTOR: &str = "micro.mu/selector-";
const ANNOTATION: &str = "micro.mu/service-";
/// Maximal length of a service name in a label: 63 characters less `selector-`.
const MAX_NAME_LENGTH: usize = 54;
/// Length of a cut name, before a separator and 16 digits of the hash.
const CUT_NAME_LENGTH: usize = MAX_NAME_LENGTH - 17;

/// The path of the pods of a service, or of all. Only running pods are selected: the server reports a pod as deleted
/// when it stops running.
pub(super) fn path(namespace: &str, service: Option<&str>) -> String {
    let label = match service {
        Some(service) => selector(service),
        None => TYPE.to_owned(),
    };
    let (namespace, label) = (escape(namespace), escape(&label));
    format!(
        "/api/v1/namespaces/{namespace}/pods?labelSelector={label}%3D{SERVICE}&fieldSelector=status.phase%3DRunning"
    )
}

/// The path of one pod, in any phase.
pub(super) fn path_of(namespace: &str, pod: &str) -> String {
    let (namespace, pod) = (escape(namespace), escape(pod));
    format!("/api/v1/namespaces/{namespace}/pods?fieldSelector=metadata.name%3D{pod}")
}

/// The label of the pods of a service.
pub(super) fn selector(service: &str) -> String {
    format!("{SELECTOR}{}", fitted(service))
}

/// The annotation of the first node of a service in a pod, the only one that go-micro reads.
pub(super) fn annotation(service: &str) -> String {
    format!("{ANNOTATION}{}", fitted(service))
}

/// The annotation of another node of the service.
pub(super) fn annotation_of(node: &Node) -> String {
    let both = format!("{}\0{}", node.service, node.id);
    let hash = fnv1a(&both);
    let mut name = fitted(&node.service);
    name.truncate(CUT_NAME_LENGTH);
    format!("{ANNOTATION}{name}.{hash:016x}")
}

/// The records of a pod and their keys, running or not. Unreadable records are skipped.
pub(super) fn records(object: &Object) -> impl Iterator<Item = (&str, Vec<Node>)> {
    let annotations = object.metadata.annotations.iter();
    annotations.filter_map(|(key, json)| {
        key.strip_prefix(ANNOTATION)?;
        let nodes = encoding::decode(json.as_bytes()).ok()?;
        Some((key.as_str(), nodes))
    })
}

/// The nodes of a running pod; none if it is terminating.
pub(super) fn entries(object: &Object) -> Vec<PodEndpoint> {
    if object.status.phase != "Running" || object.metadata.deletion_timestamp.is_some() {
        return Vec::new();
    }
    let conditions = object.status.conditions.iter();
    let is_ready = !conditions
        .into_iter()
        .any(|condition| condition.kind == "Ready" && condition.status == "False");
    let nodes = records(object).flat_map(|(_, nodes)| nodes);
    nodes.map(|node| PodEndpoint { node, is_ready }).collect()
}

/// The name of a service as part of a label.
fn fitted(service: &str) -> String {
    let fits = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let name: String = service
        .chars()
        .map(|c| if fits(c) { c } else { '_' })
        .collect();
    if name.len() <= MAX_NAME_LENGTH && name.ends_with(|c: char| c.is_ascii_alphanumeric()) {
        return name;
    }
    let cut = &name[..name.len().min(CUT_NAME_LENGTH)];
    format!("{cut}-{:016x}", fnv1a(service))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may end in a panic")]
mod tests {
    use super::*;

    #[test]
    fn names_become_labels_as_in_go_micro() {
        assert_eq!(selector("greeter"), "micro.mu/selector-greeter");
        assert_eq!(
            annotation("go.micro.srv.a"),
            "micro.mu/service-go.micro.srv.a"
        );
        assert_eq!(
            selector("topic:a/b ü"),
            "micro.mu/selector-topic_a_b__-dc408d835361d357"
        );
        assert_eq!(fitted("topic:a/b"), "topic_a_b");
    }

    #[test]
    fn long_names_fit_and_stay_distinct() {
        let long = "n".repeat(300);
        let names = [
            format!("{long}1"),
            format!("{long}2"),
            "a".repeat(54),
            "a".repeat(55),
        ];
        let mut keys: Vec<_> = names.iter().map(|name| selector(name)).collect();
        for key in &keys {
            assert!(key.len() - "micro.mu/".len() <= 63, "{key}");
            assert!(key.ends_with(|c: char| c.is_ascii_alphanumeric()), "{key}");
        }
        keys.dedup();
        assert_eq!(keys.len(), 4);
        let node = Node::new("a".repeat(54), "b", "h:1");
        assert!(annotation_of(&node).len() - "micro.mu/".len() <= 63);
    }

    #[test]
    fn pod_of_go_micro_is_read() {
        let pod = |phase: &str, more: &str| {
            let json = format!(
                r#"{{"metadata":{{"name":"greeter-7d","labels":{{"micro.mu/type":"service"}},
                "annotations":{{"other/thing":"{{}}","micro.mu/service-bad":"{{","micro.mu/service-greeter":
                "{{\"name\":\"greeter\",\"version\":\"1.0.0\",\"metadata\":null,\"endpoints\":[],\"nodes\":[{{\"id\":\"greeter-1\",\"address\":\"10.2.0.7:8080\",\"metadata\":{{\"protocol\":\"mucp\"}}}}]}}"}}
                {more}}},"spec":{{}},"status":{{"phase":"{phase}","conditions":[{{"type":"Ready","status":"True"}}]}}}}"#
            );
            serde_json::from_str::<Object>(&json).unwrap()
        };
        let entries = super::entries(&pod("Running", ""));
        assert_eq!(entries.len(), 1);
        let node = &entries[0].node;
        assert_eq!((&*node.id, &*node.address), ("greeter-1", "10.2.0.7:8080"));
        assert_eq!(
            (&*node.version, &*node.metadata["protocol"]),
            ("1.0.0", "mucp")
        );
        assert!(super::entries(&pod("Failed", "")).is_empty());
        let watch_end = r#","deletionTimestamp":"2026-01-01T00:00:00Z""#;
        assert!(super::entries(&pod("Running", watch_end)).is_empty());
    }
}
