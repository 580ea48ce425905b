//! A small HTTP/1.1 client for registry servers: several hosts in turn, and kept connections.
//!
//! ```text
//! Http ── ask ──► idle Link of this host and runtime, or a new one ──► Answer (whole) or Lines (one by one)
//! ```
//!
//! There is no task behind it: a connection is driven while somebody waits for its response, and closed if the response
//! is not wanted any more. Nothing depends on a runtime that has ended, and a dropped handle leaves nothing behind.

mod lines;
mod link;
mod message;
#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may end in a panic")]
mod tests;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use http::response::Parts;
use parking_lot::Mutex;
use tokio::{
    runtime::Handle,
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, timeout},
};

mod secret;

pub use lines::Lines;
pub use message::{Answer, Request, basic, escape};
pub use secret::secret;

use crate::{
    error::{Error, Result},
    net::{Limits, tls::Connector},
    url::Options,
};
use link::Link;

/// The largest number of connections of one handle: a process may have 32 to its registry, and two are spare.
pub const CONNECTIONS: usize = 30;
/// The largest response: ten thousand full records take a third of it.
const MAX_RESPONSE_SIZE: usize = 64 * 1024 * 1024;
/// The largest head of a response: proxies in front of servers add to it.
const MAX_HEAD_SIZE: usize = 64 * 1024;
/// How long an unused connection is kept.
const IDLE_TIMEOUT: Duration = Duration::from_secs(15);
/// The timeout of all hosts together: less than a registry's callers wait …
const ALL_HOSTS_TIMEOUT: Duration = Duration::from_millis(4500);
/// … but each has at least this long, so that slow hosts do not look dead.
const MIN_HOST_TIMEOUT: Duration = Duration::from_millis(2200);

/// A client of one server, or of several equivalent ones.
pub struct Http {
    hosts: Vec<String>,
    tls: Option<Connector>,
    /// The host that responded last.
    current: AtomicUsize,
    idle: Mutex<Vec<Link>>,
    free: Arc<Semaphore>,
    /// For each host, the number of lost connections.
    lost: Vec<Arc<AtomicU64>>,
    limits: Arc<Limits>,
}

/// A connection that one request uses exclusively.
struct LinkLease {
    link: Link,
    permit: OwnedSemaphorePermit,
}

impl Http {
    /// Creates a client of the hosts in `options`. Connects on first use.
    pub fn new(options: &Options) -> Self {
        Http {
            hosts: options.hosts.clone(),
            tls: options.tls.clone().map(Connector::new),
            current: AtomicUsize::new(0),
            idle: Mutex::default(),
            free: Arc::new(Semaphore::new(CONNECTIONS)),
            lost: options.hosts.iter().map(|_| Arc::default()).collect(),
            limits: Arc::new(Limits {
                max_head_size: MAX_HEAD_SIZE,
                ..Limits::default()
            }),
        }
    }

    /// The address of each host, by its number.
    pub fn hosts(&self) -> &[String] {
        &self.hosts
    }

    /// Returns how many connections to a host were lost or closed while idle, without those whose response was not wanted.
    pub fn lost(&self, host: usize) -> u64 {
        self.lost[host].load(Ordering::Relaxed)
    }

    /// Returns the number of the host that is asked first.
    pub fn current(&self) -> usize {
        self.current.load(Ordering::Relaxed) % self.hosts.len()
    }

    /// Asks another host first from now on, if `host` was the first.
    pub fn leave(&self, host: usize) {
        let next = (host + 1) % self.hosts.len();
        // Another task may have done so already.
        let _ = self
            .current
            .compare_exchange(host, next, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// Asks the hosts in turn, from the one that responded last, until one responds.
    ///
    /// Fails with the error of the last host. Any status is a response, except that of a failing server.
    pub async fn ask(&self, request: &Request) -> Result<Answer> {
        let first = self.current();
        let mut last = None;
        for turn in 0..self.hosts.len() {
            let host = (first + turn) % self.hosts.len();
            let answer = self.ask_host(host, request).await;
            match answer {
                Ok(answer) if !answer.status.is_server_error() => return Ok(answer),
                failed => {
                    self.leave(host);
                    last = Some(failed);
                }
            }
        }
        last.expect("there is a host at least")
    }

    /// Asks one host.
    pub async fn ask_host(&self, host: usize, request: &Request) -> Result<Answer> {
        let whole = async {
            let (mut taken, head) = self.send(host, request).await?;
            let body = taken.link.whole(MAX_RESPONSE_SIZE).await?;
            self.keep(taken);
            Ok(Answer {
                status: head.status,
                headers: head.headers,
                body,
                host,
            })
        };
        self.bounded(host, request, whole).await
    }

    /// Asks the hosts in turn for an endless response, which is read line by line.
    ///
    /// Fails like [`Http::ask`], and if the status is not a success.
    pub async fn lines(&self, request: &Request) -> Result<Lines> {
        let host = self.current();
        let head = async {
            let (mut taken, head) = self.send(host, request).await?;
            if head.status.is_success() {
                return Ok(Lines::new(taken));
            }
            let said = taken
                .link
                .whole(MAX_RESPONSE_SIZE)
                .await
                .unwrap_or_default();
            Err(message::failure(head.status, &said))
        };
        let lines = self.bounded(host, request, head).await;
        if lines.as_ref().is_err_and(|error| error.is_retryable(true)) {
            self.leave(host);
        }
        lines
    }

    async fn bounded<T>(
        &self,
        host: usize,
        request: &Request,
        answer: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let hosts = u32::try_from(self.hosts.len()).unwrap_or(u32::MAX);
        let usual = (ALL_HOSTS_TIMEOUT / hosts).max(MIN_HOST_TIMEOUT);
        let stall_timeout = request.within.unwrap_or(usual);
        let answer = timeout(stall_timeout, answer).await.unwrap_or_else(|_| {
            let text = format!("no answer within {stall_timeout:?}");
            Err(Error::unavailable(text))
        });
        match self.hosts.len() {
            1 => answer,
            _ => answer.map_err(|error| error.context(format_args!("`{}`", self.hosts[host]))),
        }
    }

    /// Sends a request, and waits for the head of the response.
    async fn send(&self, host: usize, request: &Request) -> Result<(LinkLease, Parts)> {
        let address = &self.hosts[host];
        let permit = self.free.clone().acquire_owned().await;
        let permit = permit.expect("it is never closed");
        // A kept connection may have been closed by the server meanwhile; a new one was not.
        while let Some(mut link) = self.kept(host) {
            if let Ok(head) = link.send(request.to(address)?).await {
                return Ok((LinkLease { link, permit }, head));
            }
        }
        if request
            .unless_lost
            .is_some_and(|lost| lost != self.lost(host))
        {
            return Err(Error::aborted("a connection was lost meanwhile"));
        }
        let lost = self.lost[host].clone();
        let tls = self.tls.as_ref();
        let mut link = Link::open(host, address, tls, lost, &self.limits).await?;
        let head = link.send(request.to(address)?).await.map_err(|why| {
            Error::unavailable("it closed the connection instead of an answer")
                .with_source(Error::from(why))
        })?;
        Ok((LinkLease { link, permit }, head))
    }

    /// An idle connection of this host and runtime.
    fn kept(&self, host: usize) -> Option<Link> {
        let runtime = Handle::current().id();
        let mut idle = self.idle.lock();
        let now = Instant::now();
        idle.retain(|link| now < link.used + IDLE_TIMEOUT);
        let fits = |link: &Link| link.host == host && link.runtime == runtime;
        let found = idle.iter().rposition(fits).map(|at| idle.swap_remove(at));
        // Used and idle ones together do not exceed the limit.
        let used = CONNECTIONS - self.free.available_permits();
        if found.is_none() && idle.len() + used > CONNECTIONS {
            idle.remove(0);
        }
        found
    }

    fn keep(&self, LinkLease { mut link, permit }: LinkLease) {
        link.used = Instant::now();
        self.idle.lock().push(link);
        drop(permit);
    }
}
