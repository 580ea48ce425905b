//! Limits for reading a request's body at a server: the bytes held, and the slowest rate.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::time::Sleep;

use crate::{
    error::{Error, Outcome, Result},
    net::buffered::{ByteReservation, MIN_COUNTED_BYTES},
};

/// The bytes that must arrive within [`Limits::frame_timeout`](crate::net::Limits::frame_timeout), unless the body ends.
pub(crate) const MIN_BODY_PROGRESS: usize = 16 * 1024;

/// The bytes held of one request's body, until its call has ended.
#[derive(Debug)]
pub(crate) struct Intake {
    account: ByteReservation,
    /// How long a body may bring less than [`MIN_BODY_PROGRESS`].
    limit: Duration,
}

impl Intake {
    pub(crate) fn new(account: ByteReservation, limit: Duration) -> Self {
        Intake { account, limit }
    }

    /// Sets the number of bytes held. The stream of a running call may hold more than a new request.
    ///
    /// # Errors
    /// `ResourceExhausted` if this exceeds the limit; nothing is held then.
    pub(crate) fn hold(&self, bytes: usize, of_stream: bool) -> Result<()> {
        self.account.set(bytes);
        let buffered = self.account.buffered();
        let is_over = match of_stream {
            true => buffered.is_far_over(),
            false => buffered.is_over(),
        };
        if bytes <= MIN_COUNTED_BYTES || !is_over {
            return Ok(());
        }
        self.account.set(0);
        Err(buffered.refusal())
    }

    /// Sets the number of bytes held for a request that was admitted already.
    pub(crate) fn keep(&self, bytes: usize) {
        self.account.set(bytes);
    }

    /// Ready when the limit allows more; otherwise `cx` is woken when it does.
    pub(crate) fn poll_room(&self, cx: &Context<'_>) -> Poll<()> {
        self.account.buffered().poll_room(cx)
    }
}

/// The progress of a body: since when it has brought less than [`MIN_BODY_PROGRESS`].
#[derive(Debug, Default)]
pub(crate) struct BodyRate {
    sleep: Option<Pin<Box<Sleep>>>,
    brought: usize,
}

impl BodyRate {
    /// Records bytes that arrived.
    pub(crate) fn received(&mut self, bytes: usize) {
        self.brought += bytes;
        if self.brought >= MIN_BODY_PROGRESS {
            self.begin();
        }
    }

    /// Starts anew, as when a message is complete.
    pub(crate) fn begin(&mut self) {
        self.sleep = None;
        self.brought = 0;
    }

    /// Ready with an error when the body arrives too slowly; polled when nothing has arrived.
    pub(crate) fn poll_late(&mut self, intake: &Intake, cx: &mut Context<'_>) -> Poll<Error> {
        let sleep = self
            .sleep
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(intake.limit)));
        sleep.as_mut().poll(cx).map(|()| {
            Error::deadline_exceeded(format!(
                "the request's body brought less than {MIN_BODY_PROGRESS} bytes within the limit `frame_timeout` of {:?}",
                intake.limit
            ))
            .with_outcome(Outcome::Rejected)
        })
    }
}
