//! The open loop: each call begins when it is due, in its own task.

use std::{sync::Arc, time::Duration};

use tokio::task::{JoinError, JoinSet};

use crate::{Pacer, Recorder, Target, target::timed};

/// Begins calls when they are due, until `goes_on` returns false for the number of calls begun, and
/// waits for the last. Dropping the future cancels the calls in flight.
///
/// All count in the shard `shard` of the recorder.
///
/// # Errors
/// If a call panicked, which cancels the others.
pub async fn open<T, K, A>(
    target: T,
    mut pacer: Pacer<A>,
    recorder: Arc<Recorder<T::Error, K>>,
    shard: usize,
    goes_on: impl Fn(u64) -> bool,
) -> Result<(), JoinError>
where
    T: Target,
    K: Ord + Send + 'static,
    A: Iterator<Item = Duration>,
{
    let mut calls = JoinSet::new();
    let mut begun = 0;
    while goes_on(begun) {
        let Some(due) = pacer.next().await else { break };
        let (target, recorder) = (target.clone(), recorder.clone());
        calls.spawn(async move { timed(&target, due, &recorder, recorder.shard(shard)).await });
        begun += 1;
        while let Some(ended) = calls.try_join_next() {
            ended?;
        }
    }
    while let Some(ended) = calls.join_next().await {
        ended?;
    }
    Ok(())
}

/// Begins calls as [`open()`] does, but neither waits for them nor cancels
/// them, and ignores panics. This costs less CPU time per call.
pub async fn open_detached<T, K, A>(
    target: T,
    mut pacer: Pacer<A>,
    recorder: Arc<Recorder<T::Error, K>>,
    shard: usize,
    goes_on: impl Fn(u64) -> bool,
) where
    T: Target,
    K: Ord + Send + 'static,
    A: Iterator<Item = Duration>,
{
    let mut begun = 0;
    while goes_on(begun) {
        let Some(due) = pacer.next().await else { break };
        let (target, recorder) = (target.clone(), recorder.clone());
        tokio::spawn(async move { timed(&target, due, &recorder, recorder.shard(shard)).await });
        begun += 1;
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;
    use crate::{ConstantRate, NOTIFY_INTERVAL, Precision};

    fn recorder() -> Arc<Recorder<&'static str>> {
        Arc::new(Recorder::new(1, Precision::High, |_| ()))
    }

    fn pacer(rate: f64) -> Pacer<ConstantRate> {
        Pacer::start(ConstantRate::new(rate), NOTIFY_INTERVAL).expect("a thread can be started")
    }

    #[tokio::test]
    async fn hanging_call_delays_no_other() {
        let recorder = recorder();
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
        let run = open(call, pacer(500.0), recorder.clone(), 0, |begun| begun < 100);
        run.await.expect("no call panics");
        let counts = recorder.take();
        assert_eq!(counts.calls(), 100);
        let (p90, longest) = (counts.percentile(90.0), counts.longest());
        assert!(longest >= Duration::from_millis(400), "{longest:?}");
        assert!(p90 < Duration::from_millis(200), "{p90:?}");
    }

    #[tokio::test]
    async fn latency_counts_from_the_due_time() {
        let recorder = recorder();
        // Each call holds up the thread, so that the next is begun late.
        let call = || async {
            let busy = Instant::now();
            while busy.elapsed() < Duration::from_millis(4) {
                std::hint::spin_loop();
            }
            Ok(())
        };
        let run = open(call, pacer(1000.0), recorder.clone(), 0, |begun| begun < 50);
        run.await.expect("no call panics");
        let counts = recorder.take();
        assert_eq!(counts.calls(), 50);
        let longest = counts.longest();
        assert!(longest >= Duration::from_millis(100), "{longest:?}");
    }

    #[tokio::test]
    async fn detached_calls_are_not_waited_for() {
        let recorder = recorder();
        let call = || async {
            std::future::pending::<()>().await;
            Ok(())
        };
        open_detached(call, pacer(1000.0), recorder.clone(), 0, |begun| begun < 3).await;
        assert_eq!(recorder.take().calls(), 0);
    }

    #[tokio::test]
    async fn end_of_arrivals_ends_the_loop() {
        let recorder = recorder();
        let arrivals = ConstantRate::new(1000.0).take(7);
        let pacer = Pacer::start(arrivals, Duration::ZERO).expect("a thread can be started");
        let run = open(|| async { Ok(()) }, pacer, recorder.clone(), 0, |_| true);
        run.await.expect("no call panics");
        assert_eq!(recorder.take().calls(), 7);
    }

    #[tokio::test]
    async fn panic_in_a_call_ends_the_loop() {
        async fn call() -> Result<(), &'static str> {
            panic!("on purpose")
        }
        let ended = open(call, pacer(1000.0), recorder(), 0, |_| true).await;
        assert!(ended.expect_err("each call panics").is_panic());
    }
}
