//! A value that is created once for all concurrent callers.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::{sync::watch, task::JoinHandle, time::Instant};

use super::failure::Failure;

/// A task that is aborted when dropped.
pub(super) struct Task(JoinHandle<()>);

impl Task {
    /// Spawns the task on the runtime of the caller.
    pub(super) fn spawn(work: impl Future<Output = ()> + Send + 'static) -> Self {
        Task(tokio::spawn(work))
    }

    /// Whether the task ended, perhaps with its runtime.
    pub(super) fn is_finished(&self) -> bool {
        self.0.is_finished()
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A value that is created on first use, and again when it is no longer valid.
///
/// A task creates the value, so that the work continues if the first caller gives up.
pub(super) struct SingleFlight<T>(Mutex<Option<InFlight<T>>>);

struct InFlight<T> {
    made: watch::Receiver<Option<Result<T, Failure>>>,
    since: Instant,
    task: Task,
}

/// Time after which the runtime of the task counts as stopped; longer than any creation takes.
const MAX_FLIGHT_TIME: Duration = Duration::from_secs(6);

impl<T: Clone + Send + Sync + 'static> SingleFlight<T> {
    pub(super) fn new() -> Self {
        SingleFlight(Mutex::new(None))
    }

    /// The value, if there is one.
    pub(super) fn now(&self) -> Option<T> {
        let making = self.0.lock();
        let made = making.as_ref()?.made.borrow();
        made.as_ref()?.as_ref().ok().cloned()
    }

    /// The value if `is_good`; otherwise waits for the creation in progress, or starts `make`. `make` must not call
    /// this method.
    pub(super) async fn get<F>(
        &self,
        is_good: impl Fn(&T) -> bool,
        make: impl Fn() -> F,
    ) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, Failure>> + Send + 'static,
    {
        loop {
            let mut made = match self.begun(&is_good, &make) {
                Ok(value) => return Ok(value),
                Err(made) => made,
            };
            // An error means that the runtime ended: the next round starts again.
            if let Ok(value) = made.wait_for(Option::is_some).await
                && let Some(value) = value.clone()
            {
                return value;
            }
        }
    }

    fn begun<F>(
        &self,
        is_good: impl Fn(&T) -> bool,
        make: impl Fn() -> F,
    ) -> Result<T, watch::Receiver<Option<Result<T, Failure>>>>
    where
        F: Future<Output = Result<T, Failure>> + Send + 'static,
    {
        let mut making = self.0.lock();
        if let Some(InFlight { made, since, task }) = &*making {
            match &*made.borrow() {
                Some(Ok(value)) if is_good(value) => return Ok(value.clone()),
                Some(_) => {}
                None if task.is_finished() || since.elapsed() > MAX_FLIGHT_TIME => {}
                None => return Err(made.clone()),
            }
        }
        let (tell, made) = watch::channel(None);
        let work = make();
        let task = Task::spawn(async move {
            let value = work.await;
            tell.send_replace(Some(value));
        });
        let since = Instant::now();
        let others = made.clone();
        *making = Some(InFlight { made, since, task });
        Err(others)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may end in a panic")]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    };

    use super::*;

    #[tokio::test]
    async fn concurrent_callers_share_one_result() {
        let shared = SingleFlight::new();
        let count = Arc::new(AtomicU32::new(0));
        let make = || {
            let count = count.clone();
            async move {
                tokio::task::yield_now().await;
                Ok(count.fetch_add(1, Ordering::Relaxed))
            }
        };
        let (a, b) = tokio::join!(shared.get(|_| true, make), shared.get(|_| true, make));
        assert_eq!((a.unwrap(), b.unwrap()), (0, 0));
        assert_eq!(shared.get(|value| *value > 0, make).await.unwrap(), 1);
        assert_eq!(shared.now(), Some(1));
    }

    #[test]
    fn work_restarts_after_its_runtime_ended() {
        let runtime = || {
            tokio::runtime::Builder::new_current_thread()
                .enable_time()
                .build()
                .unwrap()
        };
        let shared = SingleFlight::<u32>::new();
        runtime().block_on(async {
            let never = || std::future::pending();
            let asked = shared.get(|_| true, never);
            let waited = tokio::time::timeout(Duration::from_millis(1), asked).await;
            assert!(waited.is_err());
        });
        let made = runtime().block_on(shared.get(|_| true, || async { Ok(7) }));
        assert_eq!(made.unwrap(), 7);
    }
}
