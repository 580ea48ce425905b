//! Load on an endpoint, by an open loop or a closed one, and what came of it.
//!
//! In an open loop a call is due at its time whether or not the last came back, and its latency
//! counts from when it was due: who waits behind a slow call is not forgotten.

mod closed;
mod open;
mod pacer;
mod recorder;
mod summary;

use std::{future::Future, sync::Arc, time::Duration};

use tokio::{
    task::{JoinError, JoinSet},
    time::Instant,
};

use crate::failure::Result;

pub(crate) use recorder::Recorder;
pub(crate) use summary::{Summary, milliseconds};

/// How calls follow each other.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Pace {
    /// An open loop: so many calls a second, evenly spread.
    Rate(f64),
    /// A closed loop: so many callers, each with one call in flight.
    Callers(usize),
}

/// Makes calls for a while and waits for the last of them. Dropping it gives up what is in flight.
///
/// # Errors
/// When the thread that minds the time of an open loop could not be started.
pub(crate) async fn run<F, Fut>(
    pace: Pace,
    duration: Duration,
    recorder: Arc<Recorder>,
    call: F,
) -> Result
where
    F: Fn() -> Fut + Clone + Send + 'static,
    Fut: Future<Output = micro::Result<()>> + Send,
{
    match pace {
        Pace::Rate(rate) => open::run(rate, duration, recorder, call).await,
        Pace::Callers(callers) => {
            closed::run(callers, duration, recorder, call).await;
            Ok(())
        }
    }
}

/// Makes one call and notes how it ended and how long after `due`.
async fn timed<Fut>(due: Instant, recorder: &Recorder, call: Fut)
where
    Fut: Future<Output = micro::Result<()>>,
{
    let result = call.await;
    recorder.record(due.elapsed(), result.err());
}

/// Takes in the calls that have ended; a panic in one goes on here.
async fn join_all(mut calls: JoinSet<()>) {
    while let Some(ended) = calls.join_next().await {
        checked(ended);
    }
}

fn checked(ended: Result<(), JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        std::panic::resume_unwind(error.into_panic());
    }
}
