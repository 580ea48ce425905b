//! A load of one stream, which the system under it carries.

use super::{Share, check};
use crate::message::Echo;
use anyhow::Result;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// What a stream is asked to carry.
pub(crate) struct Stream {
    /// Messages sent and not yet echoed, to be held at this number.
    pub(crate) outstanding: usize,
    pub(crate) message: Echo,
    received: AtomicU64,
    share: Share,
}

impl Stream {
    pub(crate) fn new(outstanding: usize, message: Echo, share: Share) -> Self {
        Stream {
            outstanding,
            message,
            received: 0.into(),
            share,
        }
    }

    /// Whether to go on.
    pub(crate) fn wants_more(&self) -> bool {
        let calls = self.share.calls.unwrap_or(u64::MAX);
        self.received.load(Relaxed) < calls && !self.share.stop.is_set()
    }

    /// Counts one echo. Streams are judged by CPU a message, so no latency is kept.
    pub(crate) fn received(&self, answer: &Echo) -> Result<()> {
        check(answer, &self.message)?;
        self.received.fetch_add(1, Relaxed);
        self.share.recorder.shard(self.share.shard).count();
        Ok(())
    }
}
