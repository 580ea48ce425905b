//! Events by topic: the [`Broker`] trait, events and deliveries.
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

/// Publishes events, and subscribes to them.
///
/// Every implementation passes the suite `broker::contract` of the feature `test-util`:
///
/// - An event goes to every subscription without a queue, and to one member of each queue.
/// - An event that is not acknowledged is delivered again, to another member of its queue if there is one:
///   **at least once** while publisher and subscribers live, so a handler may see an event twice. Each implementation
///   documents for how long, and what happens then.
/// - Events are not ordered. A subscriber that is not there when an event is published does not receive it.
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
    /// The name that settings choose the broker by, such as `direct`.
    fn name(&self) -> &str;

    /// Publishes an event; returns how many receivers it has, a queue counting as one. None is no error.
    ///
    /// The future ends once the event is accepted, at the latest at the deadline of the event's context, or after
    /// 5 s if there is none. A failing subscriber is no error of the publisher.
    async fn publish(&self, topic: &str, event: Event) -> Result<usize>;

    /// Subscribes to a topic: with a queue to a share of its events, without one to all of them.
    async fn subscribe(&self, topic: &str, queue: Option<&str>) -> Result<Subscription>;

    /// Waits until nothing that was published here waits in this process to be delivered.
    async fn flush(&self) {}

    /// Uses the port of a service, at the address that it registers, for the events of its subscribers: returns what
    /// answers the requests for services whose names begin with `topic:`. `None`, the default, for a broker whose
    /// events arrive in another way.
    fn attach(&self, _address: &str) -> Option<Arc<dyn Call>> {
        None
    }
}
