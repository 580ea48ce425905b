//! The body of a request that is handled while it still arrives.

use std::{
    collections::VecDeque,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use futures_core::Stream;
use parking_lot::Mutex;

use crate::{
    error::{Error, Result},
    http::Piece,
    net::buffered::ByteReservation,
};

/// Between the connection, which adds pieces, and the handler, which takes them.
pub(super) struct Inbox {
    state: Mutex<State>,
    /// Bytes held before the connection stops reading.
    window: usize,
    /// Counts the bytes.
    account: ByteReservation,
}

#[derive(Default)]
struct State {
    pieces: VecDeque<Result<Piece>>,
    held: usize,
    ended: bool,
    /// Whether the handler has started to read.
    wanted: bool,
    /// Whether the handler has dropped it.
    dropped: bool,
    handler: Option<Waker>,
    connection: Option<Waker>,
}

/// The cost of a piece: chunks of one byte are not free.
fn cost(piece: &Piece) -> usize {
    const PIECE_OVERHEAD: usize = 64;
    match piece {
        Piece::Data(data) => data.len() + PIECE_OVERHEAD,
        Piece::Trailers(_) => PIECE_OVERHEAD,
    }
}

impl Inbox {
    pub(super) fn new(window: usize, account: ByteReservation) -> Arc<Self> {
        Arc::new(Inbox {
            state: Mutex::default(),
            window,
            account,
        })
    }

    /// Adds a piece.
    pub(super) fn push(&self, piece: Piece) {
        self.change(|state| {
            if state.dropped {
                return;
            }
            state.held += cost(&piece);
            self.account.set(state.held);
            state.pieces.push_back(Ok(piece));
        });
    }

    /// Ends the body, in order or with an error.
    pub(super) fn end(&self, end: Result<()>) {
        self.change(|state| {
            if state.ended {
                return;
            }
            state.ended = true;
            if let Err(error) = end {
                state.pieces.push_back(Err(error));
            }
        });
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.state.lock();
        change(&mut state);
        let handler = state.handler.take();
        drop(state);
        if let Some(handler) = handler {
            handler.wake();
        }
    }

    /// Ready when there is space; otherwise `cx` is woken when there is.
    pub(super) fn poll_room(&self, cx: &Context<'_>) -> Poll<()> {
        let mut state = self.state.lock();
        let room = state.held < self.window && self.account.buffered().poll_room(cx).is_ready();
        if state.dropped || (state.wanted && room) {
            return Poll::Ready(());
        }
        state.connection = Some(cx.waker().clone());
        Poll::Pending
    }
}

/// The handler's end of an [`Inbox`].
pub(super) struct Incoming(pub(super) Arc<Inbox>);

impl Stream for Incoming {
    type Item = Result<Piece>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut state = self.0.state.lock();
        let began = !std::mem::replace(&mut state.wanted, true);
        let piece = state.pieces.pop_front();
        if let Some(Ok(piece)) = &piece {
            state.held -= cost(piece);
            self.0.account.set(state.held);
        }
        let polled = match piece {
            Some(piece) => Poll::Ready(Some(piece)),
            None if state.ended => Poll::Ready(None),
            None => {
                state.handler = Some(cx.waker().clone());
                Poll::Pending
            }
        };
        let connection = match began || polled.is_ready() {
            true => state.connection.take(),
            false => None,
        };
        drop(state);
        if let Some(connection) = connection {
            connection.wake();
        }
        polled
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        let mut state = self.0.state.lock();
        state.dropped = true;
        let pieces = std::mem::take(&mut state.pieces);
        self.0.account.set(0);
        let connection = state.connection.take();
        drop(state);
        drop(pieces);
        if let Some(connection) = connection {
            connection.wake();
        }
    }
}

/// Why the rest of a body will not arrive.
pub(super) fn lost() -> Error {
    Error::cancelled("the connection ended amid the request")
        .with_outcome(crate::error::Outcome::Unknown)
}
