//! Load on an endpoint for a while, and its figures.

mod summary;

use std::{collections::BTreeMap, future::Future, panic, sync::Arc, time::Duration};

use micro::{Code, Error};
use micro_load::{ConstantRate, NOTIFY_INTERVAL, Pacer, Precision, closed, open};
use tokio::{task::JoinError, time::Instant};

use crate::failure::{Failure, Result};

pub(crate) use micro_load::Counts;
pub(crate) use summary::{Summary, milliseconds};

/// How finely latencies are kept apart.
const PRECISION: Precision = Precision::High;

/// Counts calls, and keeps one error of each code, by the code's number.
pub(crate) type Recorder = micro_load::Recorder<Error, u8>;

/// The first error of each code, and how many there were.
pub(crate) type Errors = BTreeMap<u8, (Error, u64)>;

/// How calls follow each other.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum LoadMode {
    /// An open loop: so many calls a second, evenly spread.
    Rate(f64),
    /// A closed loop: so many callers, each with one call in flight.
    Callers(usize),
}

/// A recorder for [`run`]. Time begins.
pub(crate) fn recorder() -> Arc<Recorder> {
    Arc::new(Recorder::new(1, PRECISION, |error| error.code().number()))
}

/// No calls yet, to add those of a recorder to.
pub(crate) fn no_calls() -> Counts {
    Counts::new(PRECISION)
}

/// How many errors there were of each code, by its name.
pub(crate) fn by_code(errors: &Errors) -> BTreeMap<String, u64> {
    let name = |code: &u8| Code::from_number(*code).to_string();
    let counts = errors.iter().map(|(code, (_, count))| (name(code), *count));
    counts.collect()
}

/// Makes calls for a while and waits for the last of them. Dropping it gives up what is in flight.
///
/// # Errors
/// When the thread that minds the time of an open loop could not be started.
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

/// A panic in a call goes on here.
fn resume_panic(error: JoinError) -> Result {
    match error.try_into_panic() {
        Ok(panic) => panic::resume_unwind(panic),
        // Nobody cancels a call.
        Err(_cancelled) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_rate_makes_as_many_calls_as_its_time_has_room_for() {
        let recorder = recorder();
        let (mode, duration) = (LoadMode::Rate(1000.0), Duration::from_millis(25));
        let run = run(mode, duration, recorder.clone(), || async { Ok(()) });
        run.await.expect("a thread can be started");
        assert_eq!(recorder.take().calls(), 25);
    }

    #[tokio::test(start_paused = true)]
    async fn callers_call_for_as_long_as_they_are_told() {
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
