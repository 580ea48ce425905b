//! The closed loop: a fixed number of callers, each with one call in flight.

use std::{future::Future, sync::Arc, time::Duration};

use tokio::{task::JoinSet, time::Instant};

use super::{Recorder, join_all, timed};

/// Every call that is begun in time is waited for.
pub(super) async fn run<F, Fut>(
    callers: usize,
    duration: Duration,
    recorder: Arc<Recorder>,
    call: F,
) where
    F: Fn() -> Fut + Clone + Send + 'static,
    Fut: Future<Output = micro::Result<()>> + Send,
{
    let end = Instant::now() + duration;
    let mut all = JoinSet::new();
    for _ in 0..callers {
        let (call, recorder) = (call.clone(), recorder.clone());
        all.spawn(async move {
            loop {
                let now = Instant::now();
                if now >= end {
                    return;
                }
                timed(now, &recorder, call()).await;
            }
        });
    }
    join_all(all).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn each_caller_makes_one_call_at_a_time() {
        let recorder = Arc::new(Recorder::new());
        let call = || async {
            tokio::time::sleep(Duration::from_millis(10)).await;
            Ok(())
        };
        run(3, Duration::from_millis(100), recorder.clone(), call).await;
        assert_eq!(recorder.summary().calls, 30);
    }
}
