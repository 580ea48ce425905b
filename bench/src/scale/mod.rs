//! A large fleet: the load on its registry and clients, and the delay of updates.
//!
//! 1,000 services of ten nodes each are registered. 50 clients, each with its own runtime and connections,
//! watch 20 services: ten that all watch and ten of their own. The same is measured at a tenth of the size.

mod cached_node;
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

pub(crate) use cached_node::run as measure_cached_node;
use watchers::{Propagation, Watchers};

/// Services of the large fleet.
const SERVICES: usize = 1_000;
/// Nodes of a service.
const NODES: usize = 10;
const CLIENTS: usize = 50;
/// Concurrent registrations while the fleet is built.
const MAX_CONCURRENT: usize = 32;
/// Nodes that join during the measurement.
const JOINING_NODES: usize = 300;
const JOIN_INTERVAL: Duration = Duration::from_millis(20);
/// How long the requests of idle clients are counted.
const IDLE_TIME: Duration = Duration::from_secs(20);

/// Time to live of the called node.
const TTL: Duration = Duration::from_secs(60);

/// Promises: time to the last watcher, bytes per node, connections per client.
const MAX_PROPAGATION: Duration = Duration::from_millis(250);
const MAX_NODE_BYTES: f64 = 1024.0;
const MAX_CONNECTIONS: f64 = 32.0;

/// Results of a fleet.
struct Row {
    backend: &'static str,
    services: usize,
    propagation: Propagation,
    connections: f64,
    /// Requests per second of all idle clients, without calls and with.
    rest: (f64, f64),
    /// Only for the large fleet, in which the rest of the process hardly matters.
    node_bytes: Option<f64>,
}

/// Measures on the registries `on`, or on etcd and consul.
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
        for services in [SERVICES / 10, SERVICES] {
            if tenth && services == SERVICES {
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
        .buffer_unordered(MAX_CONCURRENT)
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
    let propagation = watchers.measure_propagation(&*registry, services).await?;
    drop(node);
    let is_large = services >= SERVICES;
    let node_bytes = is_large
        .then(|| cached_node::measure_in_child(&direct, services))
        .transpose()?;
    servers.down(name).await?;
    Ok(Row {
        backend: backend.name,
        services,
        propagation,
        connections,
        rest: (rest, rest_and_calls),
        node_bytes,
    })
}

/// Requests of clients per second.
async fn requests(proxy: &Proxy) -> f64 {
    let before = proxy.pieces();
    tokio::time::sleep(IDLE_TIME).await;
    (proxy.pieces() - before) as f64 / IDLE_TIME.as_secs_f64()
}

/// The registry at `url`, with its own connections.
fn open(url: &str) -> Result<Arc<dyn Registry>> {
    let registry = plugins(url, Plugins::new())?.open_registry();
    registry.map_err(|error| anyhow!("{error}"))
}

/// The name of a service.
fn service(number: usize) -> String {
    format!("scale-{number:04}")
}

/// A record as of a service with two endpoints.
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
        if self.propagation.p99 > MAX_PROPAGATION {
            wrong.push(format!(
                "the last watcher knew after {:.0?}",
                self.propagation.p99
            ));
        }
        if let Some(bytes) = self.node_bytes.filter(|bytes| *bytes > MAX_NODE_BYTES) {
            wrong.push(format!("a known node takes {bytes:.0} bytes"));
        }
        if self.connections > MAX_CONNECTIONS {
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
        let (p50, p99) = (
            milliseconds(self.propagation.p50),
            milliseconds(self.propagation.p99),
        );
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
