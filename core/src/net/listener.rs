//! What a transport listens with.

use async_trait::async_trait;

/// What a transport listens with.
#[async_trait]
pub trait Listener: Send + Sync {
    /// The address peers reach it by, with the port that was bound.
    fn address(&self) -> String;

    /// Tells every peer to send no more here, and takes no new connections after it.
    async fn go_away(&self);

    /// Waits until nothing is in flight.
    async fn drained(&self);

    /// Cancels what still runs and closes every connection.
    async fn close(&self);

    /// Reads its counters when asked: names, as of `Debug.Stats`, and values.
    #[doc(hidden)]
    fn counters(&self) -> Counters {
        Box::new(Vec::new)
    }
}

/// Reads counters by their names.
#[doc(hidden)]
pub type Counters = Box<dyn Fn() -> Vec<(&'static str, u64)> + Send + Sync>;
