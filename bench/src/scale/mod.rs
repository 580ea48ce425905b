//! What a large fleet costs its registry and its clients, and how fast news travels in it.
//!
//! 1,000 services of ten nodes each are registered; 50 clients, each with a runtime and connections of its own,
//! watch 20 services: ten that all watch and ten of their own. Then the same a tenth as large.

mod knower;
mod watchers;

use crate::{
    outage,
    real::{Backend, Proxy, Servers, plugins},
    report::{Form, verdict},
};
use anyhow::{Result, anyhow, ensure};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use micro::{
    Plugins,
    registry::{Endpoint, Node, Registry, Value},
};
use std::{
    io::{Write, stderr, stdout},
    sync::Arc,
    time::Duration,
};

pub(crate) use knower::run as run_knower;
use watchers::{Told, Watchers};

/// Services of the whole fleet.
const LARGE: usize = 1_000;
/// Nodes of a service.
const NODES: usize = 10;
/// Clients.
const CLIENTS: usize = 50;
/// Registrations at a time while the fleet is built.
const AT_ONCE: usize = 32;
/// Nodes that join while time is taken.
const NEWS: usize = 300;
/// Between two of them.
const BETWEEN: Duration = Duration::from_millis(20);
/// For how long requests are counted while nothing happens.
const REST: Duration = Duration::from_secs(20);

/// How long the registration of the node that is called lasts.
const TTL: Duration = Duration::from_secs(60);

/// What is promised: nanoseconds to the last watcher, bytes a node, connections a client.
const LATEST: Duration = Duration::from_millis(250);
const NODE_BYTES: f64 = 1024.0;
const CONNECTIONS: f64 = 32.0;

/// What a fleet came to.
struct Row {
    backend: &'static str,
    services: usize,
    told: Told,
    connections: f64,
    /// Requests a second at rest, of all clients, without calls and with.
    rest: (f64, f64),
    /// Of a fleet so large that what a process takes besides is little.
    node_bytes: Option<f64>,
}

/// Runs it on `on`, or on etcd and consul.
pub(crate) fn run(on: &[String], tenth: bool, form: Form) -> Result<()> {
    crate::process::raise_descriptors()?;
    let on = if on.is_empty() {
        &["etcd".to_owned(), "consul".to_owned()]
    } else {
        on
    };
    let mut out = stdout().lock();
    if form == Form::Table {
        writeln!(
            out,
            "{:<10} {:>8} {:>7} {:>8} {:>8} {:>9} {:>9} {:>12} {:>9}",
            "registry",
            "services",
            "nodes",
            "p50 ms",
            "p99 ms",
            "conn./cl.",
            "rest /s",
            "rest+calls",
            "B/node"
        )?;
    }
    let mut wrong = Vec::new();
    for backend in Backend::named(on)? {
        let servers = Servers::new(backend)?;
        for services in [LARGE / 10, LARGE] {
            if tenth && services == LARGE {
                continue;
            }
            let runtime = crate::runtime::runtime(2)?;
            let row = runtime.block_on(one(backend, services, &servers))?;
            runtime.shutdown_timeout(Duration::from_secs(5));
            row.write(form, &mut out)?;
            wrong.extend(row.complaint());
        }
    }
    for missed in &wrong {
        writeln!(stderr(), "missed: {missed}")?;
    }
    ensure!(form != Form::Check || wrong.is_empty(), "not as promised");
    Ok(())
}

async fn one(backend: &'static Backend, services: usize, servers: &Servers) -> Result<Row> {
    let name = servers.name(false);
    servers.up_empty(name).await?;
    let addresses = servers.addresses(name).await?;
    let direct = backend.url(&addresses);
    let registry = open(&direct)?;
    let small = (0..services).flat_map(|of| (0..NODES).map(move |number| (of, number)));
    let nodes = small.map(|(of, number)| node(&service(of), of, number));
    stream::iter(nodes)
        .map(|node| {
            let registry = registry.clone();
            async move { registry.register(&node, None).await }
        })
        .buffer_unordered(AT_ONCE)
        .try_collect::<Vec<()>>()
        .await
        .map_err(|error| anyhow!("{error}"))?;

    let node = outage::Node::start("1", &direct, TTL, TTL / 2)?;
    while registry
        .get(outage::SERVICE)
        .await
        .map_err(|error| anyhow!("{error}"))?
        .is_empty()
    {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let proxy = Proxy::start(&addresses).await?;
    let url = backend.url(&proxy.addresses);
    let watchers = Watchers::start(&url, services).await?;
    let connections = proxy.open() as f64 / CLIENTS as f64;
    let rest = requests(&proxy).await;
    watchers.call(true);
    let rest_and_calls = requests(&proxy).await;
    watchers.call(false);
    let told = watchers.tell(&*registry, services).await?;
    drop(node);
    let is_large = services >= LARGE;
    let node_bytes = is_large
        .then(|| knower::ask(&direct, services))
        .transpose()?;
    servers.down(name).await?;
    Ok(Row {
        backend: backend.name,
        services,
        told,
        connections,
        rest: (rest, rest_and_calls),
        node_bytes,
    })
}

/// What clients ask in a second.
async fn requests(proxy: &Proxy) -> f64 {
    let before = proxy.pieces();
    tokio::time::sleep(REST).await;
    (proxy.pieces() - before) as f64 / REST.as_secs_f64()
}

/// The registry at `url`, with connections of its own.
fn open(url: &str) -> Result<Arc<dyn Registry>> {
    let registry = plugins(url, Plugins::new())?.open_registry();
    registry.map_err(|error| anyhow!("{error}"))
}

/// The name of a service.
fn service(number: usize) -> String {
    format!("scale-{number:04}")
}

/// A record such as a service of two endpoints makes of itself.
fn node(name: &str, of: usize, number: usize) -> Node {
    let endpoint = |method: &str| {
        let mut endpoint = Endpoint::new(format!("Scale.{method}"));
        endpoint.request =
            Some(Value::new("Request", "object").with_values(vec![Value::new("name", "string")]));
        endpoint.response = Some(
            Value::new("Response", "object").with_values(vec![Value::new("message", "string")]),
        );
        endpoint
    };
    let address = format!("10.{}.{}.{}:9090", of / 250, of % 250, number);
    Node::new(name, format!("{name}-{of:04}-{number:04}"), address)
        .with_version("1.0.0")
        .with_metadata("protocols", "native/1,grpc,mucp,http")
        .with_metadata("protocol", "mucp")
        .with_metadata("transport", "http")
        .with_metadata("registry", "etcd")
        .with_metadata("server", "micro")
        .with_endpoints([endpoint("Hello"), endpoint("Bye")])
}

impl Row {
    fn complaint(&self) -> Option<String> {
        let mut wrong = Vec::new();
        if self.told.p99 > LATEST {
            wrong.push(format!("the last watcher knew after {:.0?}", self.told.p99));
        }
        if let Some(bytes) = self.node_bytes.filter(|bytes| *bytes > NODE_BYTES) {
            wrong.push(format!("a known node takes {bytes:.0} bytes"));
        }
        if self.connections > CONNECTIONS {
            wrong.push(format!("a client has {:.0} connections", self.connections));
        }
        (!wrong.is_empty()).then(|| {
            format!(
                "{} with {} services: {}",
                self.backend,
                self.services,
                wrong.join("; ")
            )
        })
    }

    fn write(&self, form: Form, out: &mut impl Write) -> Result<()> {
        if form == Form::Check {
            let verdict = verdict(self.complaint().as_deref());
            writeln!(out, "{} {}: {verdict}", self.backend, self.services)?;
            return Ok(());
        }
        let milliseconds = |time: Duration| time.as_secs_f64() * 1e3;
        let (p50, p99) = (milliseconds(self.told.p50), milliseconds(self.told.p99));
        let nodes = self.services * NODES;
        if form == Form::Json {
            let row = serde_json::json!({
                "registry": self.backend, "services": self.services, "nodes": nodes,
                "p50_ms": p50, "p99_ms": p99, "connections_a_client": self.connections,
                "requests_a_second": self.rest.0, "requests_a_second_under_calls": self.rest.1,
                "bytes_a_node": self.node_bytes,
            });
            writeln!(out, "{row}")?;
            return Ok(());
        }
        let node_bytes = self.node_bytes.map(|bytes| format!("{bytes:.0}"));
        writeln!(
            out,
            "{:<10} {:>8} {nodes:>7} {p50:>8.1} {p99:>8.1} {:>9.1} {:>9.1} {:>12.1} {:>9}",
            self.backend,
            self.services,
            self.connections,
            self.rest.0,
            self.rest.1,
            node_bytes.as_deref().unwrap_or("-")
        )?;
        Ok(())
    }
}
