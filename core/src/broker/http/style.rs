//! How go-micro's versions register the subscriptions of the HTTP broker: each discovers only its own.

use percent_encoding::{percent_decode_str, utf8_percent_encode};

use crate::{
    error::{Error, Result},
    node::Node,
    url::ESCAPED,
};

/// The version of a subscription without a queue.
pub(super) const BROADCAST: &str = "ff.http.broadcast";
/// The metadata for whether events are posted by TLS: `true` or `false`.
pub(super) const SECURE: &str = "secure";
/// The metadata that identifies a subscription with records of several styles.
pub(super) const SUBSCRIPTION: &str = "subscription";

/// How a subscription is registered, by the versions of go-micro.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Style {
    /// v2.5 and later: the service `micro.http.broker`, with posts to `/`.
    V2,
    /// v1.18: the service `go.micro.http.broker`, with posts to `/_sub`, as in those before.
    V1_18,
    /// v1.13 to v1.17: a service of the topic's own name.
    V1_13,
    /// Up to v1.12: the service `topic:NAME`.
    V0,
}

impl Style {
    /// The styles by name, the newest first.
    const NAMED: [(&'static str, Style); 4] = [
        ("v2", Style::V2),
        ("v1.18", Style::V1_18),
        ("v1.13", Style::V1_13),
        ("v0", Style::V0),
    ];

    /// Parses a list of names separated by commas: `v2`, `v1.18`, `v1.13`, `v0`.
    ///
    /// # Errors
    /// `InvalidArgument` for any other name.
    pub fn list(names: &str) -> Result<Vec<Self>> {
        let styles = names.split(',').map(|name| {
            let found = Self::NAMED.iter().find(|(known, _)| *known == name.trim());
            found.map(|(_, style)| *style).ok_or_else(|| {
                let known = Self::NAMED
                    .map(|(known, _)| format!("`{known}`"))
                    .join(", ");
                Error::invalid_argument(format!("unknown style `{name}`; known are: {known}"))
            })
        });
        styles.collect()
    }

    /// The service name of the subscriptions to a topic.
    pub(super) fn service(self, topic: &str) -> String {
        match self {
            Style::V2 => "micro.http.broker".to_owned(),
            Style::V1_18 => "go.micro.http.broker".to_owned(),
            Style::V1_13 => topic.to_owned(),
            Style::V0 => format!("topic:{topic}"),
        }
    }

    /// The target of a post to a subscription.
    pub(super) fn target(self, id: &str) -> String {
        let path = match self {
            Style::V2 => "/",
            _ => "/_sub",
        };
        format!("{path}?id={}", utf8_percent_encode(id, ESCAPED))
    }

    /// Whether a node of the service is a subscription to the topic.
    pub(super) fn is_of(self, topic: &str, node: &Node) -> bool {
        let said = |name| node.metadata.get(name).map(String::as_str);
        match self {
            // Its nodes have no such metadata, while those of our own broker do.
            Style::V0 => said("broker").is_none_or(|broker| broker == "http"),
            _ => said("broker") == Some("http") && said("topic") == Some(topic),
        }
    }

    /// The record of a subscription; `secure` means that events are posted by TLS.
    pub(super) fn node(
        self,
        topic: &str,
        queue: Option<&str>,
        id: &str,
        address: &str,
        secure: bool,
    ) -> Node {
        let node_id = match self {
            Style::V2 | Style::V1_18 => format!("{topic}-{id}"),
            Style::V1_13 | Style::V0 => format!("broker-{id}.{id}"),
        };
        let node = Node::new(self.service(topic), node_id, address)
            .with_version(queue.unwrap_or(BROADCAST))
            .with_metadata(SECURE, if secure { "true" } else { "false" })
            .with_metadata(SUBSCRIPTION, id);
        match self {
            Style::V0 => node,
            _ => node
                .with_metadata("broker", "http")
                .with_metadata("topic", topic),
        }
    }
}

/// The value of `id` in a query, in which `+` is a space.
pub(super) fn id(query: &str) -> Option<String> {
    let value = query.split('&').find_map(|pair| pair.strip_prefix("id="))?;
    let value = value.replace('+', " ");
    let decoded = percent_decode_str(&value).decode_utf8().ok()?;
    Some(decoded.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn id_survives_its_query() {
        for text in ["greeter.events-1", "a b/c+d%&=ü", ""] {
            let target = Style::V2.target(text);
            let query = target.strip_prefix("/?").unwrap_or_default();
            assert_eq!(id(query).as_deref(), Some(text));
        }
        assert_eq!(id("x=1&id=a+b"), Some("a b".to_owned()));
        assert_eq!(id("id=%ff"), None);
        assert_eq!(id("x=1"), None);
    }

    #[test]
    fn each_style_finds_its_own() {
        let all = [Style::V2, Style::V1_18, Style::V1_13, Style::V0];
        for one in all {
            let node = one.node("a.b", None, "1", "127.0.0.1:1", false);
            assert!(one.is_of("a.b", &node), "{one:?}");
            assert_eq!(node.service, one.service("a.b"));
        }
        let direct = Node::new("topic:a.b", "x", "y").with_metadata("broker", "direct");
        assert!(!Style::V0.is_of("a.b", &direct));
        let other = Style::V2.node("other", None, "1", "x", true);
        assert!(!Style::V2.is_of("a.b", &other));
    }
}
