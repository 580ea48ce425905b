//! Calls every node of a service concurrently.

use std::time::Duration;

use clap::Args;
use micro::{Context, Plugins, registry::Node};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::{arguments, failure::Result, lookup, session::Session};

/// The nodes of a service, and the timeout.
#[derive(Args)]
pub(crate) struct Nodes {
    /// The service's name
    service: String,
    /// Timeout for each node
    #[arg(long, value_name = "DURATION", value_parser = arguments::duration, default_value = "2s")]
    timeout: Duration,
}

/// A node and its answer.
pub(crate) struct NodeAnswer {
    pub(crate) node: Node,
    pub(crate) answer: micro::Result<Value>,
}

impl Nodes {
    /// The answer of each node at an endpoint that every service has, sorted by node id.
    pub(crate) async fn ask(&self, session: &Session, endpoint: &str) -> Result<Vec<NodeAnswer>> {
        let plugins = session.plugins()?;
        let registry = session.registry_of(&plugins)?;
        let nodes = lookup::nodes(&*registry, &self.service).await?;
        let by = |plugins: Plugins| -> Result<_> {
            let client = plugins.client()?;
            Ok(client.method::<Value, Value>(&self.service, endpoint))
        };
        let (plain, over_tls) = (by(plugins)?, by(session.plugins_over(None, true)?)?);
        let timeout = self.timeout;
        let mut asking = JoinSet::new();
        for node in nodes {
            let method = match requires_tls(&node) {
                true => over_tls.clone(),
                false => plain.clone(),
            };
            asking.spawn(async move {
                let call = method.call(&Context::new(), json!({}));
                let answer = call.node(&node).timeout(timeout).await;
                NodeAnswer { node, answer }
            });
        }
        let mut answers = asking.join_all().await;
        answers.sort_by(|a, b| a.node.id.cmp(&b.node.id));
        Ok(answers)
    }
}

/// Whether a node's record requires TLS.
pub(crate) fn requires_tls(node: &Node) -> bool {
    node.metadata.get("tls").is_some_and(|tls| tls == "true")
}

impl NodeAnswer {
    /// The node's names and its answer in one object; `error` if it did not answer.
    pub(crate) fn json(&self) -> Value {
        let Node {
            id,
            version,
            address,
            ..
        } = &self.node;
        let mut row = match &self.answer {
            Ok(Value::Object(answer)) => answer.clone(),
            Ok(other) => [("answer".to_owned(), other.clone())].into_iter().collect(),
            Err(error) => [("error".to_owned(), json!(error.to_string()))]
                .into_iter()
                .collect(),
        };
        for (name, value) in [("id", id), ("version", version), ("address", address)] {
            row.insert(name.to_owned(), json!(value));
        }
        Value::Object(row)
    }
}
