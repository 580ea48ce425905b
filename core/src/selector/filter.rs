//! Filters that are built in: by version, by metadata, by endpoint, and all of several.

use std::sync::Arc;

use super::Filter;
use crate::node::Node;

/// A filter made of a condition and the key that names it.
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

/// Nodes of one version.
pub fn version(version: impl Into<String>) -> Arc<dyn Filter> {
    let version = version.into();
    Arc::new(When {
        key: format!("version={version:?}"),
        keep: move |node: &Node| node.version == version,
    })
}

/// Nodes whose metadata has this value under this name: a label, such as `zone` and `eu-1`.
pub fn metadata(name: impl Into<String>, value: impl Into<String>) -> Arc<dyn Filter> {
    let (name, value) = (name.into(), value.into());
    Arc::new(When {
        key: format!("metadata.{name:?}={value:?}"),
        keep: move |node: &Node| node.metadata.get(&name) == Some(&value),
    })
}

/// Nodes that list this endpoint.
pub fn endpoint(endpoint: impl Into<String>) -> Arc<dyn Filter> {
    let endpoint = endpoint.into();
    Arc::new(When {
        key: format!("endpoint={endpoint:?}"),
        keep: move |node: &Node| node.endpoint(&endpoint).is_some(),
    })
}

/// Nodes that every one of these keeps.
pub fn all(filters: impl IntoIterator<Item = Arc<dyn Filter>>) -> Arc<dyn Filter> {
    let filters: Vec<_> = filters.into_iter().collect();
    let keys: Vec<_> = filters.iter().map(|filter| filter.key()).collect();
    Arc::new(When {
        key: format!("all({})", keys.join(", ")),
        keep: move |node: &Node| filters.iter().all(|filter| filter.keep(node)),
    })
}

/// Nodes that both keep.
pub fn and(one: Arc<dyn Filter>, other: Arc<dyn Filter>) -> Arc<dyn Filter> {
    all([one, other])
}
