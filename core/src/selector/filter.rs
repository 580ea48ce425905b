//! The built-in filters: by version, by metadata, by endpoint, and combinations.

use std::sync::Arc;

use super::Filter;
use crate::node::Node;

/// A filter made of a condition and its key.
struct When<F> {
    key: String,
    keep: F,
}

impl<F: Fn(&Node) -> bool + Send + Sync + 'static> Filter for When<F> {
    fn key(&self) -> &str {
        &self.key
    }

    fn keep(&self, node: &Node) -> bool {
        (self.keep)(node)
    }
}

/// Keeps the nodes of one version.
pub fn version(version: impl Into<String>) -> Arc<dyn Filter> {
    let version = version.into();
    Arc::new(When {
        key: format!("version={version:?}"),
        keep: move |node: &Node| node.version == version,
    })
}

/// Keeps the nodes with this entry of metadata: a label, such as `zone` and `eu-1`.
pub fn metadata(name: impl Into<String>, value: impl Into<String>) -> Arc<dyn Filter> {
    let (name, value) = (name.into(), value.into());
    Arc::new(When {
        key: format!("metadata.{name:?}={value:?}"),
        keep: move |node: &Node| node.metadata.get(&name) == Some(&value),
    })
}

/// Keeps the nodes that have this endpoint.
pub fn endpoint(endpoint: impl Into<String>) -> Arc<dyn Filter> {
    let endpoint = endpoint.into();
    Arc::new(When {
        key: format!("endpoint={endpoint:?}"),
        keep: move |node: &Node| node.endpoint(&endpoint).is_some(),
    })
}

/// Keeps the nodes that pass all of these filters.
pub fn all(filters: impl IntoIterator<Item = Arc<dyn Filter>>) -> Arc<dyn Filter> {
    let filters: Vec<_> = filters.into_iter().collect();
    let keys: Vec<_> = filters.iter().map(|filter| filter.key()).collect();
    Arc::new(When {
        key: format!("all({})", keys.join(", ")),
        keep: move |node: &Node| filters.iter().all(|filter| filter.keep(node)),
    })
}

/// Keeps the nodes that pass both.
pub fn and(one: Arc<dyn Filter>, other: Arc<dyn Filter>) -> Arc<dyn Filter> {
    all([one, other])
}
