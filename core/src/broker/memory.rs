//! A broker for the services of one process: tests, simulations and monoliths.

mod topic;

use std::{
    collections::HashMap,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use async_trait::async_trait;
use futures_core::Stream;
use parking_lot::Mutex;
use tokio::{
    sync::Notify,
    time::{Instant, Sleep, sleep_until, timeout_at},
};

use super::{Broker, Delivery, Event, Subscription, in_flight::InFlight};
use crate::error::{Error, Result};
use topic::{Item, Next, Offer, Place, Topic};

/// Events that a subscriber has not acknowledged, beyond which publishers wait.
const CAPACITY: usize = 1024;
/// How long a publisher without a deadline waits for space.
const TIMEOUT: Duration = Duration::from_secs(5);

/// A broker in this process. Clones are handles to the same one.
///
/// Publishing ends when each receiver has the event in its queue, which holds 1,024 at most; beyond that it
/// waits for space. The publisher's deadline bounds that wait and is not passed on, nor are its
/// attempts, since handlers do not work for the publisher.
///
/// Members of a queue take turns. An event that is not acknowledged is delivered again after 10, 20,
/// 40 and 80 ms, to another member if there is one; after the fifth time it is dropped, which is
/// logged. Events that no member had taken when the last one leaves are dropped with the queue.
#[derive(Clone, Default)]
pub struct Memory(Arc<Shared>);

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    /// Notified when a subscriber has settled an event or left.
    room: Notify,
}

#[derive(Default)]
struct State {
    topics: HashMap<Arc<str>, Topic>,
    ids: u64,
}

impl Memory {
    /// Creates a broker without subscribers.
    pub fn new() -> Self {
        Memory::default()
    }
}

#[async_trait]
impl Broker for Memory {
    fn name(&self) -> &str {
        "memory"
    }

    async fn publish(&self, topic: &str, event: Event) -> Result<usize> {
        let left = event.context().time_left().unwrap_or(TIMEOUT);
        let until = Instant::now() + left;
        let event = event.detached();
        let mut waiting = self.0.groups(topic);
        let mut received = 0;
        loop {
            let room = self.0.room.notified();
            received += self.0.offer(topic, &event, &mut waiting);
            if waiting.is_empty() {
                return Ok(received);
            }
            if timeout_at(until, room).await.is_err() {
                return Err(Error::resource_exhausted(format!(
                    "topic `{topic}`: {received} received it, {} others had no room within {left:?}: \
                     their subscribers hold {CAPACITY} events each",
                    waiting.len()
                )));
            }
        }
    }

    async fn subscribe(&self, topic: &str, queue: Option<&str>) -> Result<Subscription> {
        let in_flight = InFlight::default();
        let place = self.0.join(topic, queue, in_flight.clone());
        let shared = self.0.clone();
        let feed = Feed {
            shared: shared.clone(),
            place: place.clone(),
            in_flight: in_flight.clone(),
            due: None,
        };
        Ok(Subscription::new(feed, async move {
            shared.leave(&place);
            in_flight.none().await;
        }))
    }
}

impl Shared {
    /// The groups that now receive an event of a topic.
    fn groups(&self, topic: &str) -> Vec<u64> {
        let state = self.state.lock();
        state.topics.get(topic).map_or_else(Vec::new, Topic::groups)
    }

    /// Delivers an event to those of `waiting` that have space, and removes those that have left; returns how
    /// many received it.
    fn offer(&self, topic: &str, event: &Event, waiting: &mut Vec<u64>) -> usize {
        let mut wakers = Vec::new();
        let mut taken = 0;
        let mut state = self.state.lock();
        waiting.retain(|group| {
            let Some(topic) = state.topics.get_mut(topic) else {
                return false;
            };
            match topic.offer(*group, event, CAPACITY) {
                Offer::Full => true,
                Offer::Gone => false,
                Offer::Accepted(waker) => {
                    taken += 1;
                    wakers.extend(waker);
                    false
                }
            }
        });
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
        taken
    }

    fn join(&self, topic: &str, queue: Option<&str>, in_flight: InFlight) -> Place {
        let mut state = self.state.lock();
        state.ids += 1;
        let id = state.ids;
        let topic: Arc<str> = topic.into();
        let group = state
            .topics
            .entry(topic.clone())
            .or_default()
            .join(queue, id, in_flight);
        Place {
            topic,
            group,
            member: id,
        }
    }

    /// Removes a member, if it has not left; events that it had not taken go to the others.
    fn leave(&self, place: &Place) {
        let mut state = self.state.lock();
        let Some(topic) = state.topics.get_mut(&place.topic) else {
            return;
        };
        let wakers = topic.leave(place);
        if topic.is_empty() {
            state.topics.remove(&place.topic);
        }
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
        self.room.notify_waiters();
    }

    fn next(&self, place: &Place, waker: &Waker) -> Next {
        let mut state = self.state.lock();
        match state.topics.get_mut(&place.topic) {
            Some(topic) => topic.next(place, waker),
            None => Next::Gone,
        }
    }

    fn settle(&self, place: &Place, item: Item, result: Result<()>) {
        let mut waker = None;
        if let Err(error) = result {
            let mut state = self.state.lock();
            match state.topics.get_mut(&place.topic) {
                Some(topic) => waker = topic.again(place, item, &error),
                None => topic::dropped(place, &item, &error),
            }
        }
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// The stream of one member.
struct Feed {
    shared: Arc<Shared>,
    place: Place,
    in_flight: InFlight,
    /// When the first event to redeliver is due.
    due: Option<Pin<Box<Sleep>>>,
}

impl Feed {
    fn delivery(&self, item: Item) -> Delivery {
        let held = self.in_flight.hold();
        let (shared, place) = (self.shared.clone(), self.place.clone());
        let (topic, event) = (self.place.topic.clone(), item.event.clone());
        Delivery::new(topic, event, move |result| {
            shared.settle(&place, item, result);
            drop(held);
            shared.room.notify_waiters();
        })
    }
}

impl Stream for Feed {
    type Item = Delivery;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Delivery>> {
        let this = &mut *self;
        loop {
            let due = match this.shared.next(&this.place, cx.waker()) {
                Next::Gone => return Poll::Ready(None),
                Next::Item(item) => return Poll::Ready(Some(this.delivery(item))),
                Next::Nothing => return Poll::Pending,
                Next::Due(due) => due,
            };
            let sleep = this.due.insert(Box::pin(sleep_until(due)));
            if sleep.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
        }
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.shared.leave(&self.place);
    }
}
