//! Events by topic: the [`Broker`] trait, what is published and what is delivered.
//!
//! [`Direct`] needs no server and is the default; [`Memory`] is for one process; `Http` is go-micro's.

#[doc(hidden)]
pub mod contract;
mod delivery;
pub mod direct;
mod door;
mod event;
#[cfg(feature = "http")]
pub mod http;
mod in_hand;
mod memory;
mod registrations;

use async_trait::async_trait;

pub(crate) use delivery::Deliveries;
pub use delivery::{Delivery, Subscription};
pub use direct::Direct;
pub use event::Event;
#[cfg(feature = "http")]
pub use http::Http;
pub use memory::Memory;

use crate::error::Result;

/// Where events are published and subscribed to.
///
/// Every implementation passes the same contract suite:
///
/// - An event goes to every subscription without a queue, and to one member of each queue.
/// - A member that does not acknowledge is followed by another: **at least once**, so a handler may see
///   an event twice. How often it is delivered again, and what then, is each implementation's to say.
/// - Nothing is promised about order, nor for subscribers that are not there when it is published.
///
/// ```
/// use micro::{ContentType, broker::{Broker, Event, Memory}};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> micro::Result<()> {
/// let broker = Memory::new();
/// let mut signups = broker.subscribe("user.created", None).await?;
/// let received = broker.publish("user.created", Event::new(ContentType::Json, "{}")).await?;
/// assert_eq!(received, 1);
/// let delivery = signups.next().await.expect("it was received");
/// assert_eq!(delivery.event().body(), "{}");
/// delivery.ack();
/// # Ok(())
/// # }
/// ```
#[async_trait]
pub trait Broker: Send + Sync + 'static {
    /// The name it is chosen by, such as `direct`.
    fn name(&self) -> &str;

    /// Publishes an event; gives how many received it, a queue counting as one. None is no error.
    ///
    /// It ends at the latest when the time of the event's context has run out, or after 5 s where it
    /// has no deadline.
    async fn publish(&self, topic: &str, event: Event) -> Result<usize>;

    /// Subscribes to a topic: with a queue to a share of its events, without one to all of them.
    async fn subscribe(&self, topic: &str, queue: Option<&str>) -> Result<Subscription>;
}
