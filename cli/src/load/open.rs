//! The open loop: calls that wait for nobody.

use std::{future::Future, sync::Arc, time::Duration};

use tokio::{task::JoinSet, time::Instant};

use super::{Recorder, checked, join_all, pacer::Pacer, timed};
use crate::failure::Result;

/// The least time between two wake-ups; calls due within it are begun together, the earlier ones late.
const GRAIN: Duration = Duration::from_micros(200);

/// Each call is a task of its own. Calls in flight are as many as fit into their timeout.
pub(super) async fn run<F, Fut>(
    rate: f64,
    duration: Duration,
    recorder: Arc<Recorder>,
    call: F,
) -> Result
where
    F: Fn() -> Fut + Clone + Send + 'static,
    Fut: Future<Output = micro::Result<()>> + Send,
{
    let gap = Duration::from_secs_f64(1.0 / rate);
    let pacer = Pacer::start(gap.max(GRAIN))?;
    let total = (rate * duration.as_secs_f64()).round() as u64;
    let mut calls = JoinSet::new();
    let begin = Instant::now();
    let mut begun = 0;
    while begun < total {
        let now = Instant::now();
        while begun < total {
            // From the beginning, so that no rounding adds up.
            let due = begin + Duration::from_secs_f64(begun as f64 / rate);
            if due > now {
                break;
            }
            let (call, recorder) = (call.clone(), recorder.clone());
            calls.spawn(async move { timed(due, &recorder, call()).await });
            begun += 1;
        }
        while let Some(ended) = calls.try_join_next() {
            checked(ended);
        }
        pacer.tick().await;
    }
    join_all(calls).await;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_call_that_hangs_delays_no_other() {
        let recorder = Arc::new(Recorder::new());
        let first = Arc::new(std::sync::atomic::AtomicBool::new(true));
        let call = move || {
            let hangs = first.swap(false, std::sync::atomic::Ordering::Relaxed);
            async move {
                if hangs {
                    tokio::time::sleep(Duration::from_millis(400)).await;
                }
                Ok(())
            }
        };
        let run = run(500.0, Duration::from_millis(200), recorder.clone(), call);
        run.await.expect("a thread could be started");
        let summary = recorder.summary();
        assert_eq!(summary.calls, 100);
        assert!(summary.max_us >= 400_000, "{summary:?}");
        assert!(summary.p90_us < 200_000, "{summary:?}");
    }

    #[tokio::test]
    async fn latency_counts_from_when_a_call_was_due() {
        let recorder = Arc::new(Recorder::new());
        // Each call holds up the thread, so that the next is begun late.
        let call = || async {
            let busy = Instant::now();
            while busy.elapsed() < Duration::from_millis(4) {
                std::hint::spin_loop();
            }
            Ok(())
        };
        let run = run(1000.0, Duration::from_millis(50), recorder.clone(), call);
        run.await.expect("a thread could be started");
        let summary = recorder.summary();
        assert_eq!(summary.calls, 50);
        assert!(summary.max_us >= 100_000, "{summary:?}");
    }
}
