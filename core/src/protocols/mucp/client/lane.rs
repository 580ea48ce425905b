//! The connections of one runtime to one node: those that no call has at the moment wait for the next.

use std::sync::{Arc, Weak, atomic::Ordering::Relaxed};

use bytes::Bytes;
use http::{HeaderMap, Method, response::Parts};
use parking_lot::Mutex;
use tokio::task::AbortHandle;

use super::connection::{Connection, Message, Seen, lost};
use crate::{
    error::{Error, Outcome, Result},
    http::{
        HttpBody,
        h1::{Broken, Outbox, Reader},
    },
    net::{
        Limits,
        io::SharedNetwork,
        pool::{Pool, Pooled},
        sent::Sent,
        unconnected::unconnected,
    },
    protocols::addressing::Addressing,
    time::{self, Nanos, nanos},
};

/// The connections to a node.
pub(crate) struct Lane {
    address: Arc<str>,
    network: SharedNetwork,
    limits: Arc<Limits>,
    pool: Arc<Pool>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The one used last at the end.
    idle: Vec<Connection>,
    closed: bool,
    /// The task that closes those idle for too long; none while there are none.
    reaper: Option<AbortHandle>,
}

/// A request of HTTP/1.1 and how it may be sent.
pub(crate) struct Exchange<'a> {
    /// Path and query.
    pub(crate) target: &'a str,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) body: Bytes,
    /// Whether it may be sent once more where it is not known what became of it.
    pub(crate) repeatable: bool,
    pub(crate) sent: Sent,
}

impl Lane {
    pub(crate) fn new(
        address: &str,
        network: SharedNetwork,
        limits: Arc<Limits>,
        pool: Arc<Pool>,
    ) -> Arc<Self> {
        Arc::new(Lane {
            address: address.into(),
            network,
            limits,
            pool,
            state: Mutex::default(),
        })
    }

    /// The response to a request. One over a connection that was used before, and that ends without a byte
    /// of a response, is sent once more over a fresh one if it may be.
    ///
    /// # Errors
    /// *Not sent* where no connection could be made; *unknown* where one broke.
    pub(crate) async fn exchange(
        self: &Arc<Self>,
        request: Exchange<'_>,
    ) -> Result<(Parts, Bytes)> {
        let mut connection = match self.take() {
            Some(connection) => connection,
            None => self.connect().await?,
        };
        loop {
            let reused = connection.reused;
            connection.queue(Message {
                method: &Method::POST,
                target: request.target,
                host: self.host(),
                headers: request.headers,
                body: request.body.clone(),
            });
            request.sent.set();
            let broken = match connection.reply(self.limits.message).await {
                Ok(Some((head, body))) => {
                    if connection.is_kept(&head) && !says_error(&head) {
                        self.give_back(connection);
                    }
                    return Ok((head, body));
                }
                Ok(None) => Broken::Gone(std::io::ErrorKind::UnexpectedEof.into()),
                Err(broken) => broken,
            };
            let untouched = connection.reader.buffered() == 0;
            let gone = matches!(broken, Broken::Gone(_));
            if !(reused && gone && untouched && request.repeatable) {
                return Err(lost(&self.address, broken));
            }
            connection = self
                .connect()
                .await
                .map_err(|error| error.with_outcome(Outcome::Unknown))?;
        }
    }

    /// Asks over a fresh connection whether the node is the one that is meant, if one is; gives the connection, or one
    /// more where the node closed that one.
    ///
    /// # Errors
    /// For the reason `WRONG_SERVER` where another server answers.
    pub(super) async fn ask(
        self: &Arc<Self>,
        mut connection: Connection,
        addressing: &Addressing,
    ) -> Result<Connection> {
        if !addressing.is_some() {
            return Ok(connection);
        }
        let (question, _) = addressing.question().into_parts();
        connection.queue(Message {
            method: &question.method,
            target: "/",
            host: self.host(),
            headers: &question.headers,
            body: Bytes::new(),
        });
        let reply = connection.reply(self.limits.message).await;
        let reply = reply.map_err(|broken| lost(&self.address, broken))?;
        let (head, body) = reply.ok_or_else(|| {
            let gone = Broken::Gone(std::io::ErrorKind::UnexpectedEof.into());
            lost(&self.address, gone)
        })?;
        let is_kept = connection.is_kept(&head);
        let answer = http::Response::from_parts(head, HttpBody::Whole(body));
        addressing.read(answer).await?;
        match is_kept {
            true => Ok(connection),
            false => self.connect().await,
        }
    }

    /// The name of the node that goes into `host`.
    pub(super) fn host(&self) -> &str {
        // A Unix socket has no name that HTTP knows.
        match self.address.contains('/') {
            true => "localhost",
            false => &self.address,
        }
    }

    /// A connection that waits for a call.
    fn take(&self) -> Option<Connection> {
        loop {
            let mut connection = self.state.lock().idle.pop()?;
            connection.seen.idle_since.store(0, Relaxed);
            if connection.is_quiet() {
                return Some(connection);
            }
        }
    }

    /// A fresh connection.
    pub(super) async fn connect(self: &Arc<Self>) -> Result<Connection> {
        let not_sent = |error: Error| {
            error
                .context(format_args!("node at `{}`", self.address))
                .with_outcome(Outcome::NotSent)
        };
        if self.state.lock().closed {
            return Err(not_sent(Error::unavailable("it has left")));
        }
        let seen = Arc::new(Seen {
            idle_since: 0.into(),
            lane: Arc::downgrade(self),
        });
        let pooled: Arc<dyn Pooled> = seen.clone();
        let place = self.pool.admit(Arc::downgrade(&pooled))?;
        let connecting = self.network.connect(&self.address);
        let io = match tokio::time::timeout(self.limits.connect, connecting).await {
            Ok(Ok(io)) => io,
            Ok(Err(error)) => {
                let error = unconnected("it could not be connected to".into(), error);
                return Err(not_sent(error));
            }
            Err(_) => {
                return Err(not_sent(Error::unavailable(format!(
                    "it could not be connected to within {:?}",
                    self.limits.connect
                ))));
            }
        };
        Ok(Connection {
            io,
            reader: Reader::new(&[], self.limits.clone()),
            outbox: Outbox::default(),
            seen,
            reused: false,
            spent: false,
            place,
        })
    }

    /// Keeps a connection for the next call.
    pub(super) fn give_back(self: &Arc<Self>, connection: Connection) {
        connection
            .seen
            .idle_since
            .store(time::now().max(1), Relaxed);
        let mut state = self.state.lock();
        if state.closed {
            drop(state);
            return drop(connection);
        }
        state.idle.push(connection);
        if state.reaper.is_none() {
            let reap = reap(Arc::downgrade(self), nanos(self.limits.idle));
            state.reaper = Some(tokio::spawn(reap).abort_handle());
        }
    }

    /// Closes an idle connection that gives way to another.
    pub(super) fn retire(&self, seen: &Seen) {
        let retired = {
            let mut state = self.state.lock();
            let place = state
                .idle
                .iter()
                .position(|one| std::ptr::eq(&*one.seen, seen));
            place.map(|place| state.idle.remove(place))
        };
        drop(retired);
    }

    /// Closes what was idle for too long; when the next one will have been, if there is one.
    fn prune(&self, longest: Nanos) -> Option<Nanos> {
        let now = time::now();
        let mut state = self.state.lock();
        let until = |one: &Connection| one.seen.idle_since.load(Relaxed).saturating_add(longest);
        let old = state
            .idle
            .iter()
            .take_while(|one| until(one) <= now)
            .count();
        let closed: Vec<_> = state.idle.drain(..old).collect();
        let next = state.idle.first().map(until);
        if next.is_none() {
            state.reaper = None;
        }
        drop(state);
        drop(closed);
        next
    }

    /// Keeps no connections any more.
    pub(crate) fn close(&self) {
        let mut state = self.state.lock();
        state.closed = true;
        let idle = std::mem::take(&mut state.idle);
        if let Some(reaper) = state.reaper.take() {
            reaper.abort();
        }
        drop(state);
        drop(idle);
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        self.close();
    }
}

/// Whether a reply tells an error: servers up to v1.17 then tell it with every later reply as well.
fn says_error(head: &Parts) -> bool {
    super::super::names::value(&head.headers, &super::super::names::ERROR).is_some()
}

async fn reap(lane: Weak<Lane>, longest: Nanos) {
    let mut next = time::now().saturating_add(longest);
    loop {
        tokio::time::sleep_until(time::instant(next)).await;
        let Some(lane) = lane.upgrade() else { return };
        match lane.prune(longest) {
            Some(at) => next = at,
            None => return,
        }
    }
}
