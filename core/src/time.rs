//! Time as one `u64` of nanoseconds, read from tokio's clock so that tests can pause it.

mod timer;

use std::{sync::LazyLock, time::Duration};

pub(crate) use timer::Timer;

/// Nanoseconds since an instant before the process started. Monotonic; never sent to another process.
pub type Nanos = u64;

/// No deadline.
pub(crate) const NEVER: Nanos = u64::MAX;

/// An hour before the first reading, so that a paused clock that started earlier stays above zero.
static EPOCH: LazyLock<tokio::time::Instant> = LazyLock::new(|| {
    #[allow(
        clippy::disallowed_methods,
        reason = "the one place where the real clock anchors ours"
    )]
    let now = std::time::Instant::now();
    tokio::time::Instant::from_std(now.checked_sub(Duration::from_secs(3600)).unwrap_or(now))
});

/// Returns the time; about 22 ns, so read it once a call or once a batch.
pub fn now() -> Nanos {
    nanos(tokio::time::Instant::now().saturating_duration_since(*EPOCH))
}

/// A duration in nanoseconds, at most 584 years.
pub fn nanos(duration: Duration) -> Nanos {
    u64::try_from(duration.as_nanos()).unwrap_or(NEVER)
}

/// The instant of a time, for timers. [`NEVER`] is thirty years away.
pub(crate) fn instant(at: Nanos) -> tokio::time::Instant {
    const FAR: u64 = 30 * 365 * 86_400 * 1_000_000_000;
    *EPOCH + Duration::from_nanos(at.min(FAR))
}

/// The time of an instant.
pub(crate) fn reading(at: tokio::time::Instant) -> Nanos {
    nanos(at.saturating_duration_since(*EPOCH))
}

/// Waits for a future until `at`, then drops it.
pub(crate) async fn until<F: Future>(at: Nanos, future: F) -> Option<F::Output> {
    if at == NEVER {
        return Some(future.await);
    }
    tokio::time::timeout_at(instant(at), future).await.ok()
}
