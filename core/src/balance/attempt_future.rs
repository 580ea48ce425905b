//! One attempt at one node: started, sent, answered, and the node marked with the outcome.

use std::{
    sync::Arc,
    task::{Context, Poll, ready},
};

use super::{
    endpoint::Endpoint,
    outcome,
    selection::{Failure, Selection},
};
use crate::{
    error::{Error, Result},
    message::{Request, Response},
    node::Node,
    selector::Verdict,
    time::{self, NEVER, Nanos},
    transport::{Attempt, Connection},
};

/// An attempt in progress. It borrows the request, so that the next attempt can send it again; dropping it
/// cancels the call at the node.
///
/// Poll-based and in one piece, since nearly every call is a single attempt.
pub(super) struct AttemptFuture {
    endpoint: Arc<Endpoint>,
    selection: Selection,
    attempt: Attempt,
    connection: Option<Arc<dyn Connection>>,
    /// The call's number on the connection, once it was started.
    call: Option<u64>,
    /// When it ended; [`NEVER`] until then.
    ended: Nanos,
}

impl AttemptFuture {
    /// Counts the attempt at the node.
    pub(super) fn begin(endpoint: Arc<Endpoint>, selection: Selection, attempt: Attempt) -> Self {
        selection.member().load.begin(attempt.now);
        AttemptFuture {
            endpoint,
            selection,
            attempt,
            connection: None,
            call: None,
            ended: NEVER,
        }
    }

    /// The terms of the attempt.
    pub(super) fn attempt(&self) -> &Attempt {
        &self.attempt
    }

    /// When it ended; [`NEVER`] until then.
    pub(super) fn ended(&self) -> Nanos {
        self.ended
    }

    /// What the loop needs to know about a failed attempt.
    pub(super) fn failed(&self, error: Error) -> Failure {
        Failure {
            selection: self.selection.clone(),
            attempt: self.attempt,
            error,
        }
    }

    /// The endpoint of the attempt.
    pub(super) fn endpoint(&self) -> &Arc<Endpoint> {
        &self.endpoint
    }

    #[inline]
    pub(super) fn poll(
        &mut self,
        request: &mut Request,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Response>> {
        let answer = match (&self.connection, self.call) {
            (Some(connection), Some(call)) => ready!(connection.answer(call, cx)),
            _ => match ready!(self.start(request, cx)) {
                // The connection keeps the waker: polling again at once would only take its lock again.
                Ok(()) => return Poll::Pending,
                Err(error) => Err(error),
            },
        };
        let ended = match &answer {
            Ok(response) if response.received != 0 => response.received,
            _ => time::now(),
        };
        self.end(ended, outcome::verdict(&answer));
        if tracing::enabled!(tracing::Level::DEBUG) {
            tell(&self.selection.member().node, &answer);
        }
        if answer.is_ok() {
            let took = ended.saturating_sub(self.attempt.now);
            self.endpoint.latency.record(took);
        }
        Poll::Ready(answer)
    }

    fn start(&mut self, request: &mut Request, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let connection = match &self.connection {
            Some(connection) => connection,
            None => self.connection.insert(self.selection.peer().connection()?),
        };
        self.call = Some(ready!(connection.start(request, &self.attempt, cx))?);
        Poll::Ready(Ok(()))
    }

    fn end(&mut self, now: Nanos, verdict: Verdict) {
        self.ended = now;
        let (member, peer) = (self.selection.member(), self.selection.peer());
        let started = self.attempt.now;
        self.endpoint.mark(member, peer, now, started, verdict);
    }
}

/// Logs how an attempt ended, and records the node in the call's span.
#[cold]
fn tell(node: &Node, answer: &Result<Response>) {
    let peer = node.address.as_str();
    tracing::Span::current().record("peer", peer);
    let id = node.id.as_str();
    match answer {
        Ok(_) => tracing::debug!(peer, node = id, "attempt answered"),
        Err(error) => tracing::debug!(peer, node = id, %error, "attempt failed"),
    }
}

impl Drop for AttemptFuture {
    fn drop(&mut self) {
        if self.ended != NEVER {
            return;
        }
        if let (Some(connection), Some(call)) = (&self.connection, self.call) {
            connection.cancel(call);
        }
        self.end(time::now(), Verdict::Cancelled);
    }
}
