//! A subscriber as a peer of the balance loop: a node to which events are posted.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

use http::{HeaderMap, HeaderValue, StatusCode, header};

use super::dispatcher::RECEIVED;
use crate::{
    call::Answer,
    error::{Error, Outcome, Recovery, Result},
    message::{ContentType, Request, Response},
    net::sent::SentFlag,
    protocols::mucp::{ConnectionPool, Exchange},
    transport::{
        Connection, Peer, Probe,
        adapter::{Adapter, SendOne},
    },
};

/// The result of an event at the members of a group.
#[derive(Default)]
pub(super) struct Received {
    attempts: AtomicUsize,
    /// The number that the last answering member reported, plus one; 0 if none did.
    said: AtomicUsize,
}

impl Received {
    /// How often it was posted.
    pub(super) fn attempts(&self) -> usize {
        self.attempts.load(Relaxed)
    }

    /// Returns how many received it.
    pub(super) fn count(&self) -> usize {
        self.said.load(Relaxed).saturating_sub(1)
    }

    /// Whether the last member reported that nobody subscribes there.
    pub(super) fn is_nobody(&self) -> bool {
        self.said.load(Relaxed) == 1
    }
}

/// A peer of one subscription.
pub(super) struct Subscriber(Arc<Adapter<Post>>);

/// Posts events to one subscription.
struct Post {
    pool: Arc<ConnectionPool>,
    path: Arc<str>,
    id: Arc<str>,
    received: Arc<Received>,
}

impl Subscriber {
    pub(super) fn new(
        pool: Arc<ConnectionPool>,
        path: String,
        id: &str,
        received: Arc<Received>,
    ) -> Self {
        Subscriber(Arc::new(Adapter::new(Post {
            pool,
            path: path.into(),
            id: id.into(),
            received,
        })))
    }
}

impl Peer for Subscriber {
    fn connection(&self) -> Result<Arc<dyn Connection>> {
        Ok(self.0.clone())
    }

    /// Events show whether it is there.
    fn probe(&self) -> Probe {
        Box::pin(async { Ok(()) })
    }

    /// The publisher keeps the connections.
    fn close(&self) {}
}

impl SendOne for Post {
    fn send(&self, request: Request, _attempts: u8, sent: SentFlag) -> Answer {
        let (pool, path, id) = (self.pool.clone(), self.path.clone(), self.id.clone());
        let received = self.received.clone();
        Box::pin(async move {
            received.attempts.fetch_add(1, Relaxed);
            received.said.store(0, Relaxed);
            let count = post(&pool, &path, &id, request, sent).await;
            // A member is asked once: there is another, or the registry will report it.
            let count = count.map_err(|error| error.with_recovery(Recovery::Never))?;
            received.said.store(count.saturating_add(1), Relaxed);
            if count == 0 {
                let text = format!("subscriber `{id}` has nobody who receives");
                return Err(Error::unavailable(text)
                    .with_outcome(Outcome::Rejected)
                    .with_recovery(Recovery::Never));
            }
            Ok(Response::new(ContentType::Json, bytes::Bytes::new()))
        })
    }
}

/// How many received an event.
async fn post(
    pool: &Arc<ConnectionPool>,
    path: &str,
    id: &str,
    request: Request,
    sent: SentFlag,
) -> Result<usize> {
    let (_, _, body) = request.into_parts();
    let mut headers = HeaderMap::new();
    let json = HeaderValue::from_static("application/json");
    headers.insert(header::CONTENT_TYPE, json);
    let ours = HeaderValue::from_static(concat!("micro-rs/", env!("CARGO_PKG_VERSION")));
    headers.insert(header::USER_AGENT, ours);
    let exchange = Exchange {
        target: path,
        headers: &headers,
        body: body.into_bytes()?,
        sent,
    };
    let answer = pool.exchange(exchange).await;
    let (head, _) = answer.map_err(|error| match error.outcome() {
        Outcome::NotSent => error,
        _ => error.with_outcome(Outcome::Unknown),
    })?;
    if head.status != StatusCode::OK {
        let text = format!("subscriber `{id}` answered with {}", head.status);
        return Err(Error::unavailable(text).with_outcome(Outcome::Rejected));
    }
    // go-micro's subscribers do not report whether anybody was there.
    let count = head.headers.get(RECEIVED);
    let count = count.and_then(|count| count.to_str().ok()?.parse().ok());
    Ok(count.unwrap_or(1))
}
