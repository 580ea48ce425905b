//! Memory of idle processes: a service, connections, cached nodes.

use super::SETTLE;
use crate::{
    args::Idle,
    cell::Cell,
    process::{Process, Server, raise_descriptors, resident_kib},
    system::Kind,
};
use ::micro::{
    Context, Handler, Plugins, Result as Answer, Service, Socket,
    registry::{Local, Memory, Node, Registry},
    runtime,
    selector::{Cache, Options, Rng, strategy::P2c},
    transport::{Limits, Peer, Transport},
};
use anyhow::{Context as _, Result};
use std::{
    env, fs,
    future::pending,
    io::{Write, stdout},
    path::PathBuf,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

const COUNT: usize = 10_000;

/// Figures of an idle service.
pub(super) struct Greeter {
    /// From its process's start to its record in the registry.
    pub(super) registered: Duration,
    pub(super) memory_kib: f64,
}

/// Starts an idle service with the default registry and a runtime for each core.
pub(super) fn greeter() -> Result<Greeter> {
    let begun = Instant::now();
    let mut process = Process::start(&["idle".into(), "greeter".into()])?;
    let records = PathBuf::from(process.read()?);
    let registered = begun.elapsed();
    thread::sleep(SETTLE);
    let memory_kib = process.resident_kib()? as f64;
    drop(process);
    fs::remove_dir_all(records)?;
    Ok(Greeter {
        registered,
        memory_kib,
    })
}

/// Memory of an idle connection at client and server, in KiB.
pub(super) struct Connections {
    pub(super) client_kib: f64,
    pub(super) server_kib: f64,
}

/// Opens them all from one client to one server.
pub(super) fn connections(kind: Kind, cell: &Cell) -> Result<Connections> {
    let server = Server::start(kind, cell)?;
    thread::sleep(SETTLE);
    let before = server.resident_kib()? as f64;
    let arguments = [server.port.to_string(), COUNT.to_string()];
    let words = ["idle", "connections"].map(str::to_owned);
    let mut client = Process::start(&[words, arguments].concat())?;
    let client_kib = client.read()?.parse()?;
    let server_kib = (server.resident_kib()? as f64 - before) / COUNT as f64;
    Ok(Connections {
        client_kib,
        server_kib,
    })
}

/// Resident KiB of a process whose client knows all the nodes of a large service, the registry in
/// memory that told it of them included.
pub(super) fn nodes() -> Result<f64> {
    let mut process = Process::start(&["idle".into(), "nodes".into(), COUNT.to_string()])?;
    process.read()?;
    thread::sleep(SETTLE);
    Ok(process.resident_kib()? as f64)
}

/// Holds the resources until the process is killed.
pub(crate) fn run(idle: Idle) -> Result<()> {
    raise_descriptors()?;
    let threads = thread::available_parallelism().map_or(1, usize::from);
    runtime::run_on(threads, |runtimes| async move {
        let held = async {
            match idle {
                Idle::Greeter => {
                    let records = env::temp_dir();
                    let records = records.join(format!("micro-rs-bench-{}", std::process::id()));
                    let service = Service::new("greeter")
                        .plugins(Plugins::new().registry(Local::at(&records)))
                        .handle("Greeter.Hello", hello.idempotent());
                    let _running = service.serve_on(runtimes).await?;
                    say(&records.display().to_string()).await
                }
                Idle::Connections { port, count } => connect(port, count).await,
                Idle::Nodes { count } => know(count).await,
            }
        };
        Ok(held.await)
    })?
}

async fn hello(_: Context, name: String) -> Answer<String> {
    Ok(format!("Hello {name}"))
}

async fn connect(port: u16, count: usize) -> Result<()> {
    let mut limits = Limits::default();
    limits.max_connections = count;
    let socket = Socket::new().limits(limits);
    let before = resident_kib(std::process::id())? as f64;
    let node = Node::new("echo", "echo-1", format!("127.0.0.1:{port}"));
    let mut peers: Vec<Arc<dyn Peer>> = Vec::with_capacity(count);
    for _ in 0..count {
        let peer = socket.open(&node)?;
        // A call, so that the connection is open.
        peer.probe().await?;
        peers.push(peer);
    }
    let after = resident_kib(std::process::id())? as f64;
    say(&((after - before) / count as f64).to_string()).await
}

async fn know(count: usize) -> Result<()> {
    const SERVICE: &str = "large";
    let registry = Memory::new();
    for number in 0..count {
        registry.register(&node(SERVICE, number), None).await?;
    }
    let socket = Socket::new();
    let cache: Cache<Arc<dyn Peer>> = Cache::new(
        Arc::new(registry),
        Arc::new(P2c::new(Rng::new())),
        Options::default(),
        Box::new(move |node| socket.open(node)),
        Box::new(|peer| peer.close()),
    );
    let entry = cache.service(SERVICE);
    entry.ready(u64::MAX).await?;
    let known = entry.load().snapshot().len();
    (known == count)
        .then_some(())
        .with_context(|| format!("{known} of {count} nodes are known"))?;
    say("known").await
}

/// A record as of a service.
pub(super) fn node(service: &str, number: usize) -> Node {
    let address = format!("10.0.{}.{}:9090", number / 250, number % 250);
    Node::new(service, format!("{service}-{number}"), address)
        .with_version("1.0.0")
        .with_metadata("protocols", "native/1")
        .with_metadata("transport", "native")
        .with_metadata("registry", "memory")
        .with_metadata("server", "micro")
}

/// Prints a line for the parent, then waits forever.
async fn say(line: &str) -> Result<()> {
    writeln!(stdout(), "{line}")?;
    pending().await
}
