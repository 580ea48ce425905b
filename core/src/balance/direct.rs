//! Calls to an address that the caller gave: no discovery, no other node to turn to.

use std::{collections::HashMap, sync::Arc};

use parking_lot::Mutex;

use super::{Backoff, Recorder, progress::PERSIST, trying::tell_attempt};
use crate::{
    error::{Outcome, Recovery, Result},
    message::{Request, Response},
    node::Node,
    random::Rng,
    time::{self, Nanos},
    transport::{Attempt, Peer, Transport, send},
};

/// Addresses whose way is kept open.
const MOST: usize = 64;

/// Ways to addresses, by address and by the id of who is meant there.
pub(super) struct Direct {
    transport: Arc<dyn Transport>,
    peers: Mutex<HashMap<(String, String), Way>>,
}

/// A way to an address.
struct Way {
    peer: Arc<dyn Peer>,
    /// Whether a call has used it since the last sweep.
    used: bool,
}

impl Direct {
    pub(super) fn new(transport: Arc<dyn Transport>) -> Self {
        Direct {
            transport,
            peers: Mutex::default(),
        }
    }

    /// Sends the request there; again, after a wait, while it was certainly not sent, but for less than a second where
    /// nobody answers at the address.
    pub(super) async fn call(
        &self,
        node: &Node,
        request: &mut Request,
        began: Nanos,
        deadline: Nanos,
        rng: &Rng,
    ) -> Result<Response> {
        let peer = self.peer(node)?;
        let recorder = request.extensions().get::<Recorder>().cloned();
        let attempts = request.context().attempts_left().unwrap_or(1);
        let mut backoff = Backoff::default();
        let mut now = began;
        loop {
            let attempt = Attempt {
                now,
                deadline,
                patience: deadline,
                repeatable: false,
                attempts,
            };
            if let Some(recorder) = &recorder {
                recorder.write(|record| record.begin(node, "address given", began, &attempt));
            }
            let answer = match peer.connection() {
                Ok(connection) => send(connection, request, attempt).await,
                Err(error) => Err(error),
            };
            let ended = time::now();
            if tracing::enabled!(tracing::Level::DEBUG) {
                tell_attempt(node, &answer);
            }
            if let Some(recorder) = &recorder {
                recorder.write(|record| record.end(&answer, began, now, ended));
            }
            let wait = backoff.next_wait_by(rng.number());
            now = ended.saturating_add(time::nanos(wait));
            let again = match &answer {
                Err(error) => {
                    error.outcome() == Outcome::NotSent
                        && error.is_retryable(false)
                        && !request.is_spent()
                        && match error.recovery() {
                            Recovery::Never => false,
                            // There is no other node, and no registry that would tell of one that comes.
                            Recovery::Unlikely | Recovery::Unreachable => {
                                now.saturating_sub(began) < PERSIST
                            }
                            Recovery::Possible => true,
                        }
                }
                Ok(_) => false,
            };
            if !again || now >= deadline {
                if matches!(&answer, Err(error) if error.outcome() == Outcome::NotSent) {
                    self.forget(node, peer);
                }
                return answer.map_err(|error| match error.origin() {
                    "" => error.with_origin(request.target().to_string()),
                    _ => error,
                });
            }
            tokio::time::sleep_until(time::instant(now)).await;
        }
    }

    fn peer(&self, node: &Node) -> Result<Arc<dyn Peer>> {
        let mut peers = self.peers.lock();
        let key = key(node);
        if let Some(way) = peers.get_mut(&key) {
            way.used = true;
            return Ok(way.peer.clone());
        }
        let peer = self.transport.open(node)?;
        if peers.len() >= MOST {
            for (_, way) in peers.drain() {
                way.peer.close();
            }
        }
        let way = Way {
            peer: peer.clone(),
            used: true,
        };
        peers.insert(key, way);
        Ok(peer)
    }

    /// Keeps nothing of an address that could not be reached, unless another call uses it.
    fn forget(&self, node: &Node, peer: Arc<dyn Peer>) {
        let mut peers = self.peers.lock();
        // Two are the map's and this one.
        let unused = Arc::strong_count(&peer) <= 2;
        if unused
            && peers
                .get(&key(node))
                .is_some_and(|way| Arc::ptr_eq(&way.peer, &peer))
        {
            peers.remove(&key(node));
            drop(peers);
            peer.close();
        }
    }

    /// Closes the ways that no call has used since the last sweep; whether none is left.
    pub(super) fn sweep(&self) -> bool {
        let mut peers = self.peers.lock();
        peers.retain(|_, way| {
            let used = std::mem::take(&mut way.used) || Arc::strong_count(&way.peer) > 1;
            if !used {
                way.peer.close();
            }
            used
        });
        peers.is_empty()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.peers.lock().is_empty()
    }
}

fn key(node: &Node) -> (String, String) {
    (node.address.clone(), node.id.clone())
}
