//! Load on an endpoint, and its figures.

mod summary;

use std::{collections::BTreeMap, future::Future, panic, sync::Arc, time::Duration};

use micro::{Code, Error};
use micro_load::{ConstantRate, NOTIFY_INTERVAL, Pacer, Precision, closed, open};
use tokio::{task::JoinError, time::Instant};

use crate::failure::{Failure, Result};

pub(crate) use micro_load::Counts;
pub(crate) use summary::{Summary, milliseconds};

const PRECISION: Precision = Precision::High;

/// Counts calls, and stores the first error of each code.
pub(crate) type Recorder = micro_load::Recorder<Error, u8>;

/// By the number of the code: its first error, and the count.
pub(crate) type Errors = BTreeMap<u8, (Error, u64)>;

/// When calls start.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum LoadMode {
    /// An open loop: calls per second, at even intervals.
    Rate(f64),
    /// A closed loop: callers with one call in flight each.
    Callers(usize),
}

/// A recorder for [`run`], which starts its clock.
pub(crate) fn recorder() -> Arc<Recorder> {
    Arc::new(Recorder::new(1, PRECISION, |error| error.code().number()))
}

/// Counts without calls, to which those of a recorder can be added.
pub(crate) fn no_calls() -> Counts {
    Counts::new(PRECISION)
}

/// The number of errors by the code's name.
pub(crate) fn by_code(errors: &Errors) -> BTreeMap<String, u64> {
    let name = |code: &u8| Code::from_number(*code).to_string();
    let counts = errors.iter().map(|(code, (_, count))| (name(code), *count));
    counts.collect()
}

/// Makes calls for `duration` and waits for the last. Dropping the future cancels calls in flight.
///
/// # Errors
/// If the timer thread of an open loop could not be started.
pub(crate) async fn run<F, Fut>(
    mode: LoadMode,
    duration: Duration,
    recorder: Arc<Recorder>,
    call: F,
) -> Result
where
    F: Fn() -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = micro::Result<()>> + Send,
{
    let ended = match mode {
        LoadMode::Rate(rate) => {
            let total = (rate * duration.as_secs_f64()).round() as u64;
            let pacer = Pacer::start(ConstantRate::new(rate), NOTIFY_INTERVAL)
                .map_err(Failure::because("no thread could be started"))?;
            open(call, pacer, recorder, 0, move |begun| begun < total).await
        }
        LoadMode::Callers(callers) => {
            let end = Instant::now() + duration;
            let goes_on = move |_| Instant::now() < end;
            closed::<1, _, _>(call, callers, recorder, 0, goes_on).await
        }
    };
    ended.or_else(resume_panic)
}

/// Resumes a panic of a call.
fn resume_panic(error: JoinError) -> Result {
    match error.try_into_panic() {
        Ok(panic) => panic::resume_unwind(panic),
        // No call is cancelled.
        Err(_cancelled) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn open_loop_makes_the_calls_of_its_rate() {
        let recorder = recorder();
        let (mode, duration) = (LoadMode::Rate(1000.0), Duration::from_millis(25));
        let run = run(mode, duration, recorder.clone(), || async { Ok(()) });
        run.await.expect("a thread can be started");
        assert_eq!(recorder.take().calls(), 25);
    }

    #[tokio::test(start_paused = true)]
    async fn closed_loop_ends_after_its_duration() {
        let recorder = recorder();
        let (mode, duration) = (LoadMode::Callers(3), Duration::from_millis(100));
        let call = || async {
            tokio::time::sleep(Duration::from_millis(10)).await;
            Err(Error::unavailable("no node"))
        };
        run(mode, duration, recorder.clone(), call)
            .await
            .expect("no thread is needed");
        let counts = recorder.take();
        assert_eq!((counts.calls(), counts.failed()), (30, 30));
        let errors = by_code(&recorder.take_errors());
        assert_eq!(errors, BTreeMap::from([("unavailable".to_owned(), 30)]));
    }
}
