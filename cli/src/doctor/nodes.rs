//! The nodes of a registry from outside: is each reached where it is registered, and is it the one that answers?

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

use super::{Found, Report, registry::PROBE};

/// Most nodes that are tried, and at once.
const MAX_NODES: usize = 1000;
const AT_ONCE: usize = 32;
/// The reason of a refusal by a server that is another service or node.
const WRONG_SERVER: &str = "WRONG_SERVER";

/// What is wrong with a node.
struct Finding {
    check: &'static str,
    why: String,
    advice: &'static str,
}

/// Tries the address of each node that a registry has.
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
            // The registry's own report says what to do about it.
            report.add("reached", Found::Without(error.to_string()), None);
            return report;
        }
    };
    let is_here = registry.is_of_this_machine();
    let (turns, total) = (Arc::new(Semaphore::new(AT_ONCE)), nodes.len());
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
        report.add(check, Found::Ill { why, advice }, None);
    }
    let mut said = format!("{well} of {count} nodes");
    if count < total {
        said += &format!("; {} more were not tried", total - count);
    }
    let said = match total {
        0 => Found::Without("no node is registered".to_owned()),
        _ => Found::Well(said),
    };
    report.add("reached", said, None);
    report
}

/// Every node that has an address.
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

/// What is wrong with one, if anything.
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
        advice: "the record is left from a node that ended: `micro deregister` takes it out",
    })
}

/// Connects to an address of TCP; of another kind it is not known how.
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
    /// A service or a node of this name.
    Other(String),
    /// Another, which does not say its name.
    Unnamed(String),
}

/// Who answers at a node's address, called as its record says; `None` where nobody says.
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
        // Whoever is no service of ours need not know the endpoint.
        Err(_) => return None,
    };
    let other = |field: &str, own: &str| {
        let said = health.get(field)?.as_str()?;
        (said != own).then(|| said.to_owned())
    };
    let other = other("service", &node.service).or_else(|| other("node", &node.id));
    Some(other.map_or(Identity::Own, Identity::Other))
}
