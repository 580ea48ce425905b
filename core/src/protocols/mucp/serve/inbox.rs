//! The incoming messages of a stream while its handler runs.

use std::{
    collections::VecDeque,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use futures_core::Stream;
use parking_lot::Mutex;

use crate::{error::Result, net::buffered::ByteReservation};

/// Between the connection, which adds messages, and the handler, which takes them.
pub(super) struct Inbox {
    state: Mutex<State>,
    /// Bytes held before the connection stops reading.
    window: usize,
    /// Counts the bytes.
    account: ByteReservation,
}

#[derive(Default)]
struct State {
    messages: VecDeque<Result<Bytes>>,
    held: usize,
    ended: bool,
    /// Whether the handler has dropped it.
    dropped: bool,
    handler: Option<Waker>,
    connection: Option<Waker>,
}

/// The cost of a message besides its bytes, so that empty ones are bounded, too.
const MESSAGE_OVERHEAD: usize = 64;

impl Inbox {
    pub(super) fn new(window: usize, account: ByteReservation) -> Arc<Self> {
        Arc::new(Inbox {
            state: Mutex::default(),
            window,
            account,
        })
    }

    /// Adds a message.
    pub(super) fn push(&self, message: Bytes) {
        self.change(|state| {
            if !state.dropped && !state.ended {
                state.held += message.len() + MESSAGE_OVERHEAD;
                self.account.set(state.held);
                state.messages.push_back(Ok(message));
            }
        });
    }

    /// Ends it, in order or with an error.
    pub(super) fn end(&self, end: Result<()>) {
        self.change(|state| {
            if !std::mem::replace(&mut state.ended, true)
                && let Err(error) = end
            {
                state.messages.push_back(Err(error));
            }
        });
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.state.lock();
        change(&mut state);
        let handler = state.handler.take();
        drop(state);
        handler.into_iter().for_each(Waker::wake);
    }

    /// Whether there is space; otherwise `cx` is woken when there is.
    pub(super) fn has_room(&self, cx: &Context<'_>) -> bool {
        let mut state = self.state.lock();
        let room = state.dropped
            || (state.held < self.window && self.account.buffered().poll_room(cx).is_ready());
        if !room {
            state.connection = Some(cx.waker().clone());
        }
        room
    }
}

/// The handler's end of an [`Inbox`].
pub(super) struct Incoming(pub(super) Arc<Inbox>);

impl Stream for Incoming {
    type Item = Result<Bytes>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut state = self.0.state.lock();
        let Some(message) = state.messages.pop_front() else {
            if state.ended {
                return Poll::Ready(None);
            }
            state.handler = Some(cx.waker().clone());
            return Poll::Pending;
        };
        if let Ok(message) = &message {
            state.held -= message.len() + MESSAGE_OVERHEAD;
            self.0.account.set(state.held);
        }
        let connection = state.connection.take();
        drop(state);
        connection.into_iter().for_each(Waker::wake);
        Poll::Ready(Some(message))
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        let mut state = self.0.state.lock();
        state.dropped = true;
        let messages = std::mem::take(&mut state.messages);
        self.0.account.set(0);
        let connection = state.connection.take();
        drop(state);
        drop(messages);
        connection.into_iter().for_each(Waker::wake);
    }
}
