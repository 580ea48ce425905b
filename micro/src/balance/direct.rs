//! Calls to an address that the caller gave: no discovery, no other node to turn to.

use std::{collections::HashMap, sync::Arc};

use parking_lot::Mutex;

use super::{Backoff, Recorder};
use crate::{
    error::{Outcome, Result},
    message::{Request, Response},
    registry::Node,
    selector::Rng,
    time::{self, Nanos},
    transport::{Attempt, Peer, Transport, send},
};

/// Addresses whose way is kept open.
const MOST: usize = 64;

/// Ways to addresses, by address and by the id of who is meant there.
pub(super) struct Direct {
    transport: Arc<dyn Transport>,
    peers: Mutex<HashMap<(String, String), Arc<dyn Peer>>>,
}

impl Direct {
    pub(super) fn new(transport: Arc<dyn Transport>) -> Self {
        Direct {
            transport,
            peers: Mutex::default(),
        }
    }

    /// Sends the request there; again, after a wait, while it was certainly not sent.
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
            if let Some(recorder) = &recorder {
                recorder.write(|record| record.end(&answer, began, now, ended));
            }
            let again = matches!(&answer, Err(error) if error.outcome() == Outcome::NotSent
                && error.is_retryable(false) && !request.is_spent());
            let wait = backoff.next(rng.number());
            now = ended.saturating_add(time::nanos(wait));
            if !again || now >= deadline {
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
        let key = (node.address.clone(), node.id.clone());
        if let Some(peer) = peers.get(&key) {
            return Ok(peer.clone());
        }
        let peer = self.transport.open(node)?;
        if peers.len() >= MOST {
            for (_, peer) in peers.drain() {
                peer.close();
            }
        }
        peers.insert(key, peer.clone());
        Ok(peer)
    }
}
