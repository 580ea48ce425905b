//! The streams of a connection's calls, in both directions.

use std::{
    sync::Arc,
    task::{Context, Poll},
};

use tokio::task::AbortHandle;

use super::{Calls, Phase, Stage, State, wake_driver};
use crate::{
    message::Body,
    time::Nanos,
    transport::mux::{
        frame::{self, kind, write_bare},
        queue::Queue,
        stream::{Credit, FrameSink, Inbox, Incoming, pump},
    },
};

/// The streams of a call.
pub(super) struct Streams {
    /// When they end, even if somebody still reads or writes.
    pub(super) deadline: Nanos,
    pub(super) inbox: Option<Arc<Inbox>>,
    pub(super) credit: Option<Arc<Credit>>,
    pub(super) pump: Option<AbortHandle>,
}

impl Streams {
    pub(super) fn new(deadline: Nanos) -> Self {
        Streams {
            deadline,
            inbox: None,
            credit: None,
            pump: None,
        }
    }
}

impl Drop for Streams {
    fn drop(&mut self) {
        if let Some(pump) = &self.pump {
            pump.abort();
        }
    }
}

impl State {
    /// A body that is read from the call's inbox; `None` if nobody waits for it.
    pub(super) fn open_inbox(&mut self, calls: &Arc<Calls>, id: u64) -> Option<Body> {
        let window = calls.limits.stream_window;
        // Nobody waits for it any more: the cancel is on its way.
        let Phase::Waiting(waiting) = &self.slot(id)?.phase else {
            return None;
        };
        let deadline = waiting.stream_deadline;
        self.nearest = self.nearest.min(deadline);
        let inbox = Inbox::new(window, None);
        let streams = self.streams.entry(id);
        let streams = streams.or_insert_with(|| Streams::new(deadline));
        streams.inbox = Some(inbox.clone());
        let incoming = Incoming::new(inbox, calls.clone(), id, window);
        Some(Body::stream(incoming))
    }
}

impl FrameSink for Calls {
    fn write(&self, write: &mut dyn FnMut(&mut Queue)) {
        let mut state = self.lock();
        if !matches!(state.stage, Stage::Gone(_)) {
            write(&mut state.queue);
            wake_driver(state);
        }
    }

    fn poll_write(&self, cx: &mut Context<'_>, write: &mut dyn FnMut(&mut Queue)) -> Poll<()> {
        let mut state = self.lock();
        if matches!(state.stage, Stage::Gone(_)) {
            return Poll::Ready(());
        }
        if !self.has_room(&state) {
            state.waiting.push(cx.waker().clone());
            return Poll::Pending;
        }
        write(&mut state.queue);
        wake_driver(state);
        Poll::Ready(())
    }

    fn give_up(&self, id: u64) {
        let mut state = self.lock();
        // The peer sends nothing more for a cancelled call.
        let streams = state.streams.remove(&id);
        if !matches!(state.stage, Stage::Gone(_)) {
            write_bare(state.queue.tail(), kind::CANCEL, id, &[]);
        }
        wake_driver(state);
        drop(streams);
    }
}

/// Sends a request's stream beside its call; ends with the call.
pub(super) fn send_stream(
    calls: &Arc<Calls>,
    body: Body,
    credit: &Arc<Credit>,
    id: u64,
    limit: usize,
) -> AbortHandle {
    let (calls, credit) = (calls.clone(), credit.clone());
    tokio::spawn(async move {
        let end = pump(body.into_stream(), &*calls, &credit, id, limit).await;
        calls.write(&mut |queue| match &end {
            Ok(()) => frame::write_end(queue.tail(), id, None),
            Err(error) => frame::write_end(queue.tail(), id, Some(error)),
        });
    })
    .abort_handle()
}
