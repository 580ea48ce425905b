//! A port for every protocol: accepts connections, detects the protocol of each by its first bytes, and
//! passes it to that protocol.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use parking_lot::Mutex;
use tokio::{
    runtime::Handle,
    task::{AbortHandle, JoinHandle},
    time::Instant,
};

#[cfg(feature = "tls")]
use super::tls;
use crate::{
    call::Call,
    error::{Error, Result},
    net::{
        Counters, Limits, Listener, clash,
        io::{Acceptor, Io, Network, SharedNetwork, Sockets},
        protocol::{Accepted, ConnectionTracker, Protocol},
        sniff,
    },
};

/// How long accepting pauses when the process has no descriptors left.
const ACCEPT_RETRY_INTERVAL: Duration = Duration::from_millis(20);

/// The time between warnings of one kind.
const WARNING_INTERVAL: Duration = Duration::from_secs(60);

/// Listens at one address, and passes each connection to the protocol that it speaks. [`Socket`](crate::Socket) has a port
/// with every built-in protocol; this type is for transports of your own.
///
/// It bounds the number of connections and the time of detection, drains connections, and closes them.
pub struct Port {
    pub(crate) network: SharedNetwork,
    pub(crate) protocols: Vec<Arc<dyn Protocol>>,
    pub(crate) limits: Arc<Limits>,
    /// TLS, if there is a certificate.
    #[cfg(feature = "tls")]
    pub(crate) tls: Option<Arc<tls::Server>>,
    /// The runtimes over which connections are distributed; empty for the current one.
    pub(crate) runtimes: Vec<Handle>,
}

impl Default for Port {
    fn default() -> Self {
        Self::new()
    }
}

impl Port {
    /// Creates a port on the machine's network, with the default limits and no protocol.
    pub fn new() -> Self {
        Port {
            network: Arc::new(Sockets::default()),
            protocols: Vec::new(),
            limits: Arc::default(),
            #[cfg(feature = "tls")]
            tls: None,
            runtimes: Vec::new(),
        }
    }

    /// Adds a protocol. If two accept a connection, the first added gets it.
    pub fn protocol(mut self, protocol: impl Protocol) -> Self {
        self.protocols.push(Arc::new(protocol));
        self
    }

    /// Sets the limits.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = Arc::new(limits);
        self
    }

    /// Listens on another network, such as a simulated one.
    pub fn network(mut self, network: impl Network) -> Self {
        self.network = Arc::new(network);
        self
    }

    /// Binds `address`, and serves its connections.
    ///
    /// # Errors
    /// `InvalidArgument` for protocols that cannot be distinguished, and for an invalid address; `Unavailable` if it
    /// cannot be bound.
    pub async fn listen(self, address: &str, call: Arc<dyn Call>) -> Result<Box<dyn Listener>> {
        #[cfg(feature = "tls")]
        let has_tls = self.tls.is_some();
        #[cfg(not(feature = "tls"))]
        let has_tls = false;
        clash::check(&self.protocols, has_tls)?;
        let bound = self.network.bind(address).await;
        let acceptor = bound.map_err(|error| cannot_listen(address, &error))?;
        let bound = acceptor.address();
        let tracker = ConnectionTracker::new(self.limits.clone());
        let task = tokio::spawn(self.accept(acceptor, call, tracker.clone()));
        Ok(Box::new(PortListener {
            bound,
            tracker,
            accepting: task.abort_handle(),
            task: Mutex::new(Some(task)),
        }))
    }

    async fn accept(
        self,
        acceptor: Box<dyn Acceptor>,
        call: Arc<dyn Call>,
        tracker: Arc<ConnectionTracker>,
    ) {
        let protocols: Arc<[_]> = self.protocols.into();
        let mut turn = 0;
        let mut failures = RateLimitedWarning::default();
        let mut refusals = RateLimitedWarning::default();
        loop {
            let io = match acceptor.accept().await {
                Ok(io) => io,
                Err(error) => {
                    // Most likely out of descriptors: connections that close free some.
                    tracker.failed();
                    if let Some(count) = failures.tell() {
                        tracing::warn!(%error, count, "connections could not be accepted");
                    }
                    tokio::time::sleep(ACCEPT_RETRY_INTERVAL).await;
                    continue;
                }
            };
            let Some(seat) = tracker.take() else {
                if let Some(count) = refusals.tell() {
                    let limit = self.limits.max_accepted_connections;
                    tracing::warn!(
                        limit,
                        count,
                        "connections over the limit `max_accepted_connections` were closed"
                    );
                }
                continue;
            };
            let id = seat.id();
            let accepted = Accepted {
                io,
                first: Vec::new(),
                seat,
            };
            turn += 1;
            let detector = ProtocolDetector {
                protocols: protocols.clone(),
                #[cfg(feature = "tls")]
                tls: self.tls.clone(),
                handshake: self.limits.handshake_timeout,
            };
            let serving = detector.serve(accepted, call.clone());
            let task = match self.runtimes.get(turn % self.runtimes.len().max(1)) {
                None => tokio::spawn(serving),
                Some(runtime) => runtime.spawn(serving),
            };
            tracker.served_by(id, task.abort_handle());
        }
    }
}

/// The text has the reason, since it stops the start of a service.
fn cannot_listen(address: &str, error: &std::io::Error) -> Error {
    let text = format!("cannot listen at `{address}`: {error}");
    match error.kind() {
        std::io::ErrorKind::InvalidInput => Error::invalid_argument(text),
        _ => Error::unavailable(text),
    }
}

/// An event that may be frequent and is logged once a minute.
#[derive(Default)]
struct RateLimitedWarning {
    count: u64,
    told: Option<Instant>,
}

impl RateLimitedWarning {
    /// Counts it. Returns the count since the last log line, if it is to be logged now.
    fn tell(&mut self) -> Option<u64> {
        self.count += 1;
        if self.told.is_some_and(|at| at.elapsed() < WARNING_INTERVAL) {
            return None;
        }
        self.told = Some(Instant::now());
        Some(std::mem::take(&mut self.count))
    }
}

/// The first stage of a connection.
struct ProtocolDetector {
    protocols: Arc<[Arc<dyn Protocol>]>,
    #[cfg(feature = "tls")]
    tls: Option<Arc<tls::Server>>,
    handshake: Duration,
}

impl ProtocolDetector {
    async fn serve(self, mut accepted: Accepted, call: Arc<dyn Call>) {
        let home = Handle::current();
        accepted.io = match at_home(accepted.io, &home) {
            Ok(io) => io,
            Err(error) => return tracing::debug!(%error, "a connection could not be moved"),
        };
        let limit = self.handshake;
        match tokio::time::timeout(limit, self.open(accepted)).await {
            Ok(Ok((accepted, protocol))) => protocol.serve(accepted, call).await,
            Ok(Err(error)) => tracing::debug!(%error, "a connection was not begun"),
            Err(_) => tracing::debug!(?limit, "a connection did not introduce itself in time"),
        }
    }

    /// The connection without TLS, and its protocol.
    async fn open(self, mut accepted: Accepted) -> Result<(Accepted, Arc<dyn Protocol>)> {
        #[cfg(feature = "tls")]
        if let Some(tls) = &self.tls {
            let negotiated;
            (accepted, negotiated) = tls.pass(accepted).await?;
            if let Some(name) = negotiated
                && let Some(protocol) = sniff::negotiated(&name, &self.protocols)
            {
                sniff::begun(&mut accepted).await?;
                return Ok((accepted, protocol));
            }
        }
        let protocol = sniff::tell(&mut accepted, &self.protocols).await?;
        Ok((accepted, protocol))
    }
}

/// Moves the socket from the acceptor's runtime to this thread's.
fn at_home(io: Io, _home: &Handle) -> std::io::Result<Io> {
    Ok(match io {
        Io::Tcp(socket) => Io::Tcp(tokio::net::TcpStream::from_std(socket.into_std()?)?),
        #[cfg(unix)]
        Io::Unix(socket) => Io::Unix(tokio::net::UnixStream::from_std(socket.into_std()?)?),
        other => other,
    })
}

struct PortListener {
    bound: String,
    tracker: Arc<ConnectionTracker>,
    accepting: AbortHandle,
    /// Until it is awaited, once: the address is free when it has ended.
    task: Mutex<Option<JoinHandle<()>>>,
}

impl PortListener {
    async fn stop_accepting(&self) {
        self.accepting.abort();
        let task = self.task.lock().take();
        if let Some(task) = task {
            let _ = task.await;
        }
    }
}

#[async_trait]
impl Listener for PortListener {
    fn address(&self) -> String {
        self.bound.clone()
    }

    async fn go_away(&self) {
        self.stop_accepting().await;
        self.tracker.leave();
    }

    async fn drained(&self) {
        self.tracker.quiet().await;
    }

    async fn close(&self) {
        self.stop_accepting().await;
        self.tracker.refuse();
        self.tracker.end();
        self.tracker.empty().await;
    }

    fn counters(&self) -> Counters {
        let tracker = self.tracker.clone();
        Box::new(move || tracker.counts())
    }
}

impl Drop for PortListener {
    fn drop(&mut self) {
        self.accepting.abort();
        self.tracker.end();
    }
}
