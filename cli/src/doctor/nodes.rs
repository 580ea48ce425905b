//! Checks of the nodes of a registry: whether each address is reachable, and whether the registered node answers there.

use std::{io, sync::Arc, time::Duration};

use micro::{
    Context, Plugins,
    broker::direct::TOPICS,
    registry::{Node, Registry, Static},
    selector::{Snapshots, WEIGHTS},
    settings::Url,
};
use serde_json::{Value, json};
use tokio::{net::TcpStream, sync::Semaphore, task::JoinSet};

use super::{CheckResult, Report, registry::PROBE};

/// Limits of the number of nodes checked, in all and concurrently.
const MAX_NODES: usize = 1000;
const MAX_CONCURRENT: usize = 32;
/// The reason in the error of a server that is another service or node.
const WRONG_SERVER: &str = "WRONG_SERVER";

/// A failed check of a node.
struct Finding {
    check: &'static str,
    why: String,
    advice: &'static str,
}

/// Checks the address of each node of a registry.
pub(crate) async fn nodes(
    url: &Url,
    registry: &dyn Registry,
    plugins: &Plugins,
    limit: Duration,
) -> Report {
    let mut report = Report::new("nodes", format!("of {url}"));
    let nodes = match all(registry).await {
        Ok(nodes) => nodes,
        Err(error) => {
            // The registry's own report has the advice.
            report.add("reached", CheckResult::Skipped(error.to_string()), None);
            return report;
        }
    };
    let is_here = registry.is_of_this_machine();
    let (turns, total) = (Arc::new(Semaphore::new(MAX_CONCURRENT)), nodes.len());
    let mut trying = JoinSet::new();
    for (index, node) in nodes.into_iter().take(MAX_NODES).enumerate() {
        let (turns, plugins) = (turns.clone(), plugins.clone());
        trying.spawn(async move {
            let _turn = turns.acquire().await;
            (index, attempt(&node, is_here, &plugins, limit).await)
        });
    }
    let mut tried = trying.join_all().await;
    tried.sort_by_key(|(index, _)| *index);
    let count = tried.len();
    let ill: Vec<_> = tried.into_iter().filter_map(|(_, found)| found).collect();
    let well = count - ill.len();
    for Finding { check, why, advice } in ill {
        let advice = advice.to_owned();
        report.add(check, CheckResult::Failed { why, advice }, None);
    }
    let mut text = format!("{well} of {count} nodes");
    if count < total {
        text += &format!("; {} more were not tried", total - count);
    }
    let text = match total {
        0 => CheckResult::Skipped("no node is registered".to_owned()),
        _ => CheckResult::Passed(text),
    };
    report.add("reached", text, None);
    report
}

/// All nodes with an address.
async fn all(registry: &dyn Registry) -> micro::Result<Vec<Node>> {
    let mut nodes = Vec::new();
    for service in registry.list().await? {
        if service != WEIGHTS && service != PROBE {
            nodes.extend(registry.get(&service).await?);
        }
    }
    nodes.retain(|node| !node.address.is_empty());
    Ok(nodes)
}

/// The failed check of a node, if any.
async fn attempt(
    node: &Node,
    is_here: bool,
    plugins: &Plugins,
    limit: Duration,
) -> Option<Finding> {
    let Node {
        id,
        service,
        address,
        ..
    } = node;
    let named = format!("node `{id}` of `{service}` at `{address}`");
    if !is_here && node.is_loopback() {
        return Some(Finding {
            check: "loopback",
            why: format!("{named}: only its own machine reaches this address"),
            advice: "start the service with `--server-address` or `--server-advertise`",
        });
    }
    if let Err(error) = connect(address, limit).await {
        return Some(Finding {
            check: "unreachable",
            why: format!("{named}: {error}"),
            advice: "check that it runs, its firewall, and its `--server-advertise`",
        });
    }
    // A subscription answers as the service that subscribed.
    if service.starts_with(TOPICS) {
        return None;
    }
    let answers = match identity(node, plugins, limit).await? {
        Identity::Own => return None,
        Identity::Other(name) => format!("`{name}` answers there"),
        Identity::Unnamed(text) => text,
    };
    Some(Finding {
        check: "wrong",
        why: format!("{named}: {answers}"),
        advice: "the record belongs to a node that has ended: `micro deregister` removes it",
    })
}

/// Connects to a TCP address; other addresses are not checked.
async fn connect(address: &str, limit: Duration) -> io::Result<()> {
    let is_tcp = !address.starts_with("unix:") && !address.starts_with("memory:");
    if !is_tcp || !address.contains(':') {
        return Ok(());
    }
    match tokio::time::timeout(limit, TcpStream::connect(address)).await {
        Ok(connected) => connected.map(drop),
        Err(_) => Err(io::Error::other(format!("no connection in {limit:?}"))),
    }
}

enum Identity {
    Own,
    /// A service or a node with this name.
    Other(String),
    /// Another service or node; the text of its error.
    Unnamed(String),
}

/// The service that answers at a node's address; `None` if that is unknown.
async fn identity(node: &Node, plugins: &Plugins, limit: Duration) -> Option<Identity> {
    let registry = Static::new([node.clone()]).ok()?;
    let plugins = plugins.clone().registry(registry);
    let plugins = plugins.discovery(|discovery| discovery.snapshots = Snapshots::Off);
    let client = plugins.client().ok()?;
    let health = client.method::<Value, Value>(&node.service, "Debug.Health");
    let health = health.call(&Context::new(), json!({})).timeout(limit).await;
    let health = match health {
        Ok(health) => health,
        Err(error) if error.reason().as_deref() == Some(WRONG_SERVER) => {
            return Some(Identity::Unnamed(error.message().to_owned()));
        }
        // Services of other frameworks do not have the endpoint.
        Err(_) => return None,
    };
    let other = |field: &str, own: &str| {
        let text = health.get(field)?.as_str()?;
        (text != own).then(|| text.to_owned())
    };
    let other = other("service", &node.service).or_else(|| other("node", &node.id));
    Some(other.map_or(Identity::Own, Identity::Other))
}
