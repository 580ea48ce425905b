//! Writes nodes into the labels and annotations of a pod, and removes them.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Server, object::Object, pods};
use micro_core::{
    Code, Error, Result,
    node::Node,
    registry::{encoding, id_in_use, is_another},
};

/// Attempts at a patch while others change the pod, as its kubelet does at start.
const MAX_ATTEMPTS: u32 = 10;

/// A merge patch for a pod; `None` removes an entry.
#[derive(Serialize)]
struct Patch {
    metadata: Change,
}

#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Change {
    /// The version of the pod that was read: the patch fails if the pod has changed.
    resource_version: String,
    labels: BTreeMap<String, Option<&'static str>>,
    annotations: BTreeMap<String, Option<String>>,
}

impl Server {
    /// Writes a node into our pod, unless the pod has it already.
    pub(super) async fn put(&self, node: &Node) -> Result<()> {
        let pod = self.config.pod.as_deref().ok_or_else(|| {
            Error::invalid_argument(
                "it is not known which pod this is: name it with `?pod=`, or in the variable `HOSTNAME`",
            )
        })?;
        let key = (node.service.clone(), node.id.clone());
        let is_renewal = self.registered.lock().get(&key) == Some(&node.address);
        for _ in 0..MAX_ATTEMPTS {
            let object = self.pod(pod).await?.ok_or_else(|| {
                let namespace = &self.config.namespace;
                Error::failed_precondition(format!(
                    "pod `{pod}` is not in namespace `{namespace}`; name ours with `?pod=` and `?namespace=`"
                ))
            })?;
            if is_renewal && let Some(address) = another(&object, node) {
                return Err(id_in_use(node, &address));
            }
            let is_there = match addition(&object, node) {
                Some(change) => self.changed(&object, change).await?,
                None => true,
            };
            if is_there {
                self.registered.lock().insert(key, node.address.clone());
                return Ok(());
            }
        }
        Err(busy(pod))
    }

    /// Removes a node from our pod, or from the pod that has it.
    pub(super) async fn take_out(&self, node: &Node) -> Result<()> {
        let key = (node.service.clone(), node.id.clone());
        self.registered.lock().remove(&key);
        if let Some(pod) = &self.config.pod
            && let Some(object) = self.pod(pod).await?
            && has(&object, node)
        {
            return self.take_out_of(object, node).await;
        }
        let label = pods::path(&self.config.namespace, Some(&node.service));
        let (objects, _) = self.api.list(&label).await?;
        for object in objects.into_iter().filter(|object| has(object, node)) {
            self.take_out_of(object, node).await?;
        }
        Ok(())
    }

    async fn take_out_of(&self, mut object: Object, node: &Node) -> Result<()> {
        let pod = object.metadata.name.clone();
        for _ in 0..MAX_ATTEMPTS {
            let Some(change) = removal(&object, node) else {
                return Ok(());
            };
            if self.changed(&object, change).await? {
                return Ok(());
            }
            object = match self.pod(&pod).await? {
                Some(object) => object,
                None => return Ok(()),
            };
        }
        Err(busy(&pod))
    }

    async fn pod(&self, name: &str) -> Result<Option<Object>> {
        let path = pods::path_of(&self.config.namespace, name);
        let (mut objects, _) = self.api.list(&path).await?;
        Ok(objects.pop())
    }

    /// Patches a pod. Returns `false` if it was changed meanwhile.
    async fn changed(&self, object: &Object, mut change: Change) -> Result<bool> {
        change.resource_version = object.metadata.resource_version.clone();
        let patch = Patch { metadata: change };
        match self.api.patch(&object.metadata.name, &patch).await {
            Ok(()) => Ok(true),
            Err(error) if error.code() == Code::Aborted => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// The patch that adds a node to a pod, if any is needed.
fn addition(object: &Object, node: &Node) -> Option<Change> {
    let plain = pods::annotation(&node.service);
    let mut held =
        pods::records(object).filter(|(_, nodes)| nodes.iter().any(|n| is_same(n, node)));
    let key = match held.next() {
        Some((key, _)) => key.to_owned(),
        // An unreadable record is overwritten: go-micro would fail on it.
        None if pods::records(object).any(|(key, _)| key == plain) => pods::annotation_of(node),
        None => plain,
    };
    let selector = pods::selector(&node.service);
    let json = encoding::encode(node);
    let json = String::from_utf8_lossy(&json).into_owned();
    let Object { metadata, .. } = object;
    let is_marked = [pods::TYPE, &selector].iter().all(|label| {
        metadata
            .labels
            .get(*label)
            .is_some_and(|value| value == pods::SERVICE)
    });
    if is_marked && metadata.annotations.get(&key) == Some(&json) {
        return None;
    }
    Some(Change {
        labels: [pods::TYPE.to_owned(), selector]
            .map(|label| (label, Some(pods::SERVICE)))
            .into(),
        annotations: [(key, Some(json))].into(),
        ..Change::default()
    })
}

/// The patch that removes a node. The label of the service goes with its last node.
fn removal(object: &Object, node: &Node) -> Option<Change> {
    let mut change = Change::default();
    let mut is_last = true;
    let selector = pods::selector(&node.service);
    for (key, nodes) in pods::records(object) {
        if nodes.iter().any(|n| is_own(n, node)) {
            change.annotations.insert(key.to_owned(), None);
        } else if nodes.iter().any(|n| pods::selector(&n.service) == selector) {
            is_last = false;
        }
    }
    if change.annotations.is_empty() {
        return None;
    }
    if is_last {
        change.labels.insert(selector, None);
    }
    Some(change)
}

fn has(object: &Object, node: &Node) -> bool {
    pods::records(object).any(|(_, nodes)| nodes.iter().any(|n| is_own(n, node)))
}

/// The address of another instance with the id of a node in a pod.
fn another(object: &Object, node: &Node) -> Option<String> {
    let mut nodes = pods::records(object).flat_map(|(_, nodes)| nodes);
    let other = nodes.find(|n| is_same(n, node) && !is_own(n, node))?;
    Some(other.address)
}

fn is_own(one: &Node, node: &Node) -> bool {
    is_same(one, node) && !is_another(node, &one.address)
}

fn is_same(one: &Node, other: &Node) -> bool {
    one.service == other.service && one.id == other.id
}

fn busy(pod: &str) -> Error {
    Error::unavailable(format!(
        "pod `{pod}` was changed by others {MAX_ATTEMPTS} times meanwhile"
    ))
}
