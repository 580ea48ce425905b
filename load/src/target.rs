//! The target of a load.

use std::future::Future;

use tokio::time::Instant;

use crate::{Recorder, Shard};

/// Something that can be called again and again, by many callers at once.
///
/// A function without arguments that returns a future is a target. A type of its own can lend its
/// fields to the call, where a function would have to clone them each time, and check the answers.
///
/// ```
/// use std::sync::Arc;
/// use micro_load::{Precision, Recorder, Target, closed};
///
/// #[derive(Clone)]
/// struct Sum(Arc<[u64]>);
///
/// impl Target for Sum {
///     type Answer = u64;
///     type Error = &'static str;
///
///     async fn call(&self) -> Result<u64, Self::Error> {
///         Ok(self.0.iter().sum())
///     }
///
///     fn check(&self, sum: u64) -> Result<(), Self::Error> {
///         if sum == 6 { Ok(()) } else { Err("wrong sum") }
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let recorder = Arc::new(Recorder::new(1, Precision::High, |_| ()));
/// let sum = Sum([1, 2, 3].into());
/// let run = closed::<1, _, _>(sum, 4, recorder.clone(), 0, |made| made < 25);
/// run.await.expect("no caller panics");
/// let counts = recorder.take();
/// assert_eq!((counts.calls(), counts.failed()), (100, 0));
/// # }
/// ```
pub trait Target: Clone + Send + Sync + 'static {
    /// The result of a call.
    type Answer: Send;
    /// The error of a call.
    type Error: Send + 'static;

    /// Makes one call.
    fn call(&self) -> impl Future<Output = Result<Self::Answer, Self::Error>> + Send;

    /// Checks the answer of a call; an error makes the call a failed one. This is not part of `call`
    /// because an async function around another costs some instructions at each poll.
    ///
    /// # Errors
    /// The reason why the answer is wrong. By default every answer is right.
    fn check(&self, answer: Self::Answer) -> Result<(), Self::Error> {
        drop(answer);
        Ok(())
    }
}

impl<F, Fut, A, E> Target for F
where
    F: Fn() -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Result<A, E>> + Send,
    A: Send,
    E: Send + 'static,
{
    type Answer = A;
    type Error = E;

    fn call(&self) -> impl Future<Output = Result<A, E>> + Send {
        self()
    }
}

/// Makes one call, and records its result and its latency from `due`.
pub(crate) async fn timed<T: Target, K: Ord>(
    target: &T,
    due: Instant,
    recorder: &Recorder<T::Error, K>,
    shard: &Shard,
) {
    let result = target.call().await.and_then(|answer| target.check(answer));
    shard.record(due.elapsed());
    if let Err(error) = result {
        recorder.fail(error);
    }
}
