//! The closed loop: a fixed number of callers, each with one call in flight.

use std::sync::Arc;

use tokio::{
    task::{JoinError, JoinSet},
    time::Instant,
};

use crate::{Recorder, Target};

/// Makes calls by `callers` callers; each ends when `goes_on` returns false for the number of calls that it has
/// made. Dropping the future cancels the calls in flight.
///
/// One in `TIMED` of each caller's calls is timed, beginning with the first; the others are only counted.
/// Caller 0 counts in the shard `shard` of the recorder, the next in the one after.
///
/// # Errors
/// If a call panicked, which cancels the others.
pub async fn closed<const TIMED: u64, T, K>(
    target: T,
    callers: usize,
    recorder: Arc<Recorder<T::Error, K>>,
    shard: usize,
    goes_on: impl Fn(u64) -> bool + Clone + Send + 'static,
) -> Result<(), JoinError>
where
    T: Target,
    K: Ord + Send + 'static,
{
    const { assert!(TIMED > 0, "one call in none cannot be timed") };
    let mut all = JoinSet::new();
    for caller in 0..callers {
        let (target, recorder, goes_on) = (target.clone(), recorder.clone(), goes_on.clone());
        all.spawn(async move {
            let shard = recorder.shard(shard + caller);
            let mut made = 0;
            // Begin of the last timed call. Untimed ones leave it alone, so they cost no store.
            let mut from = Instant::now();
            while goes_on(made) {
                if made % TIMED == 0 {
                    from = Instant::now();
                }
                let result = target.call().await.and_then(|answer| target.check(answer));
                if made % TIMED == 0 {
                    shard.record(from.elapsed());
                } else {
                    shard.count();
                }
                if let Err(error) = result {
                    recorder.fail(error);
                }
                made += 1;
            }
        });
    }
    while let Some(ended) = all.join_next().await {
        ended?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::Precision;

    fn recorder(shards: usize) -> Arc<Recorder<&'static str>> {
        Arc::new(Recorder::new(shards, Precision::High, |_| ()))
    }

    #[tokio::test(start_paused = true)]
    async fn each_caller_makes_one_call_at_a_time() {
        let recorder = recorder(1);
        let call = || async {
            tokio::time::sleep(Duration::from_millis(10)).await;
            Ok(())
        };
        let end = Instant::now() + Duration::from_millis(100);
        let run = closed::<1, _, _>(call, 3, recorder.clone(), 0, move |_| Instant::now() < end);
        run.await.expect("no call panics");
        assert_eq!(recorder.take().calls(), 30);
    }

    #[tokio::test(start_paused = true)]
    async fn untimed_calls_are_counted_without_a_latency() {
        let recorder = recorder(2);
        let number = Arc::new(std::sync::atomic::AtomicU64::new(0));
        let call = move || {
            let number = number.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            async move {
                // The calls 0, 4 and 8 of the one caller are timed.
                let millis = if number.is_multiple_of(4) { 1 } else { 700 };
                tokio::time::sleep(Duration::from_millis(millis)).await;
                if number == 6 { Err("six") } else { Ok(()) }
            }
        };
        let run = closed::<4, _, _>(call, 1, recorder.clone(), 1, |made| made < 10);
        run.await.expect("no call panics");
        let counts = recorder.take();
        assert_eq!((counts.calls(), counts.failed()), (10, 1));
        assert_eq!(counts.longest(), Duration::from_millis(1));
        assert_eq!(recorder.take_errors()[&()], ("six", 1));
    }

    #[tokio::test]
    async fn panic_in_a_call_ends_the_loop() {
        async fn call() -> Result<(), &'static str> {
            panic!("on purpose")
        }
        let ended = closed::<1, _, _>(call, 2, recorder(1), 0, |_| true).await;
        assert!(ended.expect_err("each call panics").is_panic());
    }
}
