//! What reading a request's body keeps to at a server: how many bytes may be held, and how slowly they may come.

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

/// Bytes that a body must bring, or end, within [`Limits::frame_timeout`](crate::net::Limits::frame_timeout).
pub(crate) const MIN_BODY_PROGRESS: usize = 16 * 1024;

/// The bytes that are held of one request's body while it comes, and until its call has ended.
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

    /// Notes that so many bytes are held now. The stream of a call that is at work may hold more than a request that comes.
    ///
    /// # Errors
    /// `ResourceExhausted` where that is more than there is room for; nothing is held then.
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

    /// The same for a request that was admitted already.
    pub(crate) fn keep(&self, bytes: usize) {
        self.account.set(bytes);
    }

    /// Ready when there is room for more; otherwise `cx` is woken when there is.
    pub(crate) fn poll_room(&self, cx: &Context<'_>) -> Poll<()> {
        self.account.buffered().poll_room(cx)
    }
}

/// How a body comes: since when it has brought less than [`MIN_BODY_PROGRESS`].
#[derive(Debug, Default)]
pub(crate) struct BodyRate {
    sleep: Option<Pin<Box<Sleep>>>,
    brought: usize,
}

impl BodyRate {
    /// Notes bytes that came.
    pub(crate) fn received(&mut self, bytes: usize) {
        self.brought += bytes;
        if self.brought >= MIN_BODY_PROGRESS {
            self.begin();
        }
    }

    /// Begins anew, as when a message has come whole.
    pub(crate) fn begin(&mut self) {
        self.sleep = None;
        self.brought = 0;
    }

    /// Ready with an error once it comes too slowly; to be asked when nothing has come.
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
