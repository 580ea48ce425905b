//! A small HTTP/1.1 client for servers of records: several hosts in turn, connections kept for the next request.
//!
//! ```text
//! Http ── ask ──► idle Link of this host and runtime, or a new one ──► Answer (whole) or Lines (one by one)
//! ```
//!
//! There is no task behind it: a connection moves while somebody waits for its answer, and one whose answer is not
//! wanted any more is closed. So nothing hangs on a runtime that has ended, and a dropped handle leaves nothing.

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

/// Most connections of one handle: a process may have 32 to its registry, and two are left for chance.
pub const CONNECTIONS: usize = 30;
/// Most bytes of one answer: ten thousand full records have a third of it.
const MAX_RESPONSE_SIZE: usize = 64 * 1024 * 1024;
/// Most bytes of an answer's head: proxies in front of servers add to it.
const MAX_HEAD_SIZE: usize = 64 * 1024;
/// How long an unused connection is kept.
const IDLE_TIMEOUT: Duration = Duration::from_secs(15);
/// How long all hosts together are waited for: less than a registry's callers wait …
const ALL_HOSTS_TIMEOUT: Duration = Duration::from_millis(4500);
/// … but each at least this long, so that slow ones are not taken for dead.
const MIN_HOST_TIMEOUT: Duration = Duration::from_millis(2200);

/// A client of one server or of several that answer the same.
pub struct Http {
    hosts: Vec<String>,
    tls: Option<Connector>,
    /// The host that answered last.
    current: AtomicUsize,
    idle: Mutex<Vec<Link>>,
    free: Arc<Semaphore>,
    /// Of each host, how many connections to it were lost.
    lost: Vec<Arc<AtomicU64>>,
    limits: Arc<Limits>,
}

/// A connection that one request has to itself.
struct LinkLease {
    link: Link,
    permit: OwnedSemaphorePermit,
}

impl Http {
    /// A client of the hosts that `options` name. Nothing is connected yet.
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

    /// How many connections to a host were lost or have been closed unused; not those whose answer nobody wanted any more.
    pub fn lost(&self, host: usize) -> u64 {
        self.lost[host].load(Ordering::Relaxed)
    }

    /// The number of the host that is asked first.
    pub fn current(&self) -> usize {
        self.current.load(Ordering::Relaxed) % self.hosts.len()
    }

    /// Asks another host first from now on, if `host` was.
    pub fn leave(&self, host: usize) {
        let next = (host + 1) % self.hosts.len();
        // Somebody else may have moved on already.
        let _ = self
            .current
            .compare_exchange(host, next, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// Asks the hosts in turn, from the one that answered last, until one can answer.
    ///
    /// Fails as the last one did. An answer of any status is one, but for those of a server's own failure.
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

    /// Asks the hosts in turn for an answer without an end, which is read line by line.
    ///
    /// Fails as [`Http::ask`], and with what a status other than success means.
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

    /// Sends a request and waits for the head of its answer.
    async fn send(&self, host: usize, request: &Request) -> Result<(LinkLease, Parts)> {
        let address = &self.hosts[host];
        let permit = self.free.clone().acquire_owned().await;
        let permit = permit.expect("it is never closed");
        // One that was kept may have been closed by the server meanwhile; a new one was not.
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

    /// A connection of this host and runtime that nobody uses.
    fn kept(&self, host: usize) -> Option<Link> {
        let runtime = Handle::current().id();
        let mut idle = self.idle.lock();
        let now = Instant::now();
        idle.retain(|link| now < link.used + IDLE_TIMEOUT);
        let fits = |link: &Link| link.host == host && link.runtime == runtime;
        let found = idle.iter().rposition(fits).map(|at| idle.swap_remove(at));
        // All together, used and unused, are no more than there may be.
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
