//! Events by topic: the [`Broker`] trait, what is published and what is delivered.
//!
//! [`Direct`] needs no server and is the default; [`Memory`] is for one process; `Http` is go-micro's.

#[cfg(feature = "test-util")]
pub mod contract;
mod delivery;
pub mod direct;
mod endpoint;
mod event;
#[cfg(feature = "mucp")]
pub mod http;
mod in_flight;
mod inbox;
mod memory;
mod parts;
mod registrations;

use std::sync::Arc;

use async_trait::async_trait;

pub(crate) use delivery::Deliveries;
pub use delivery::{Delivery, Subscription};
pub use direct::Direct;
pub use event::Event;
#[cfg(feature = "mucp")]
pub use http::Http;
pub use memory::Memory;
pub use parts::BrokerParts;

use crate::{call::Call, error::Result};

/// Where events are published and subscribed to.
///
/// Every implementation passes the same suite, `broker::contract` of the feature `test-util`:
///
/// - An event goes to every subscription without a queue, and to one member of each queue.
/// - An event that is not acknowledged is delivered again, to another member of its queue if there is one:
///   **at least once** while publisher and subscribers live, so a handler may see an event twice. For how long, and
///   what then, is each implementation's to say.
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

    /// Publishes an event; gives how many receivers it is for, a queue counting as one. None is no error.
    ///
    /// It ends once the event is accepted, at the latest when the time of the event's context has run out, or after
    /// 5 s where it has no deadline. That a subscriber fails is no error of its publisher.
    async fn publish(&self, topic: &str, event: Event) -> Result<usize>;

    /// Subscribes to a topic: with a queue to a share of its events, without one to all of them.
    async fn subscribe(&self, topic: &str, queue: Option<&str>) -> Result<Subscription>;

    /// Waits until nothing that was published here waits in this process to be delivered.
    async fn flush(&self) {}

    /// Takes the port of a service, at the address that it registers, for the events of its subscribers: gives what
    /// answers the requests for services whose names begin with `topic:`. `None`, the default, for a broker whose
    /// events come another way.
    fn attach(&self, _address: &str) -> Option<Arc<dyn Call>> {
        None
    }
}
