//! The contract suite of brokers, which each implementation runs in its tests. Needs the feature `test-util`.
//!
//! ```no_run
//! use std::sync::Arc;
//! use micro::broker::{Broker, Memory, contract};
//!
//! # #[tokio::main]
//! # async fn main() {
//! let broker = Memory::new();
//! contract::all(async || Arc::new(broker.clone()) as Arc<dyn Broker>).await;
//! # }
//! ```
//!
//! `make` returns a new handle to the same broker each time, as another process would have.
//! Panics with the broken rule. Topics are the suite's own, so that a broker in use can be tested, too.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use tokio::{sync::mpsc, task::JoinSet, time::timeout};

use super::{Broker, Delivery, Event, Subscription};
use crate::{
    context::{Context, Criticality},
    error::Error,
    message::ContentType,
};

/// How long a change may take to appear.
const EVENT_TIMEOUT: Duration = Duration::from_secs(10);

/// Checks every rule.
pub async fn all(make: impl AsyncFn() -> Arc<dyn Broker>) {
    let make = &make;
    at_most_once(make).await;
    what_one_member_fails_another_gets(make().await, make().await).await;
    what_one_member_drops_another_gets(make().await, make().await).await;
    what_a_leaving_member_has_not_taken_another_gets(make().await, make().await).await;
    what_the_only_subscriber_fails_it_gets_again(make().await, None).await;
    what_the_only_subscriber_fails_it_gets_again(make().await, Some("q")).await;
}

/// Checks every rule except those on redelivery, for brokers that deliver at most once.
pub async fn at_most_once(make: impl AsyncFn() -> Arc<dyn Broker>) {
    let make = &make;
    an_event_for_nobody_is_received_by_none(make().await).await;
    every_subscriber_receives_the_event_whole(make().await, make().await).await;
    topics_are_kept_apart(make().await).await;
    a_queue_shares_its_events(make().await, make().await).await;
    who_has_left_receives_nothing(make().await, make().await).await;
    closing_waits_for_what_was_taken(make().await).await;
    who_has_just_subscribed_hears_its_own_process(make().await).await;
}

async fn an_event_for_nobody_is_received_by_none(broker: Arc<dyn Broker>) {
    let topic = unique("nobody");
    let published = timeout(Duration::from_secs(2), broker.publish(&topic, event("1")));
    let received = published
        .await
        .expect("at once, without waiting for anybody");
    assert_eq!(received.expect("no error"), 0);
}

async fn every_subscriber_receives_the_event_whole(one: Arc<dyn Broker>, other: Arc<dyn Broker>) {
    let topic = unique("whole");
    let mut group = Group::new();
    group.join(&*one, &topic, None, "a").await;
    group.join(&*one, &topic, None, "b").await;
    group.join(&*other, &topic, None, "c").await;
    let context = Context::new()
        .with("Tenant", "acme")
        .with_criticality(Criticality::Critical);
    let event = Event::new(ContentType::Json, r#"{"a":1}"#).with_context(context);
    assert_eq!(publish(&*other, &topic, event).await, 3);
    let mut members = Vec::new();
    for _ in 0..3 {
        let (member, seen) = group.next().await;
        members.push(member);
        assert_eq!(seen.topic, topic);
        let (context, content_type, body) = seen.event.into_parts();
        assert_eq!(context.metadata().get("tenant"), Some("acme"), "metadata");
        assert_eq!(context.criticality(), Criticality::Critical, "criticality");
        assert_eq!(content_type, ContentType::Json, "content type");
        assert_eq!(body, r#"{"a":1}"#, "body");
    }
    members.sort();
    assert_eq!(members, ["a", "b", "c"], "each of them once");
}

async fn topics_are_kept_apart(broker: Arc<dyn Broker>) {
    let topic = unique("apart");
    let nearby = [
        format!("{topic}.a"),
        format!("{topic}/a"),
        format!("{topic} a"),
    ];
    let mut group = Group::new();
    for topic in &nearby {
        group.join(&*broker, topic, None, "one").await;
    }
    for topic in &nearby {
        assert_eq!(publish(&*broker, topic, event(topic)).await, 1, "{topic}");
        assert_eq!(group.next().await.1.body(), *topic);
    }
    assert_eq!(publish(&*broker, &topic, event("none")).await, 0);
}

async fn a_queue_shares_its_events(one: Arc<dyn Broker>, other: Arc<dyn Broker>) {
    let topic = unique("shares");
    let mut group = Group::new();
    group.join(&*one, &topic, Some("mails"), "m1").await;
    group.join(&*other, &topic, Some("mails"), "m2").await;
    group.join(&*other, &topic, Some("mails"), "m3").await;
    group.join(&*other, &topic, Some("stock"), "s").await;
    group.join(&*one, &topic, None, "all").await;
    let mut publishing = JoinSet::new();
    for number in 0..60 {
        let (broker, topic) = (one.clone(), topic.clone());
        publishing.spawn(async move {
            let event = event(&number.to_string());
            let received = publish(&*broker, &topic, event).await;
            assert_eq!(received, 3, "two queues and one");
        });
    }
    let mut counts = BTreeMap::new();
    for _ in 0..180 {
        *counts.entry(group.next().await.0).or_insert(0) += 1;
    }
    while let Some(published) = publishing.join_next().await {
        published.expect("published");
    }
    assert_eq!((counts["all"], counts["s"]), (60, 60));
    for member in ["m1", "m2", "m3"] {
        let share = counts.get(member).copied().unwrap_or(0);
        assert!(share >= 6, "{member} got {share} of 60, shared by three");
    }
    assert_eq!(counts["m1"] + counts["m2"] + counts["m3"], 60);
}

async fn what_one_member_fails_another_gets(one: Arc<dyn Broker>, other: Arc<dyn Broker>) {
    let fail = |delivery: Delivery| delivery.nack(Error::internal("not today"));
    another_gets("fails", one, other, fail).await;
}

async fn what_one_member_drops_another_gets(one: Arc<dyn Broker>, other: Arc<dyn Broker>) {
    another_gets("drops", one, other, drop).await;
}

async fn another_gets(rule: &str, one: Arc<dyn Broker>, other: Arc<dyn Broker>, end: fn(Delivery)) {
    let topic = unique(rule);
    let mut group = Group::new();
    group.join_and(&*one, &topic, Some("q"), "bad", end).await;
    group.join(&*other, &topic, Some("q"), "good").await;
    for number in 0..20 {
        let body = number.to_string();
        assert_eq!(publish(&*other, &topic, event(&body)).await, 1);
        loop {
            let (member, seen) = group.next().await;
            assert_eq!(seen.body(), body, "nothing else is under way");
            if member == "good" {
                break;
            }
        }
    }
}

async fn what_a_leaving_member_has_not_taken_another_gets(
    one: Arc<dyn Broker>,
    other: Arc<dyn Broker>,
) {
    let topic = unique("leaving");
    let leaves = subscribe(&*one, &topic, Some("q")).await;
    let mut group = Group::new();
    group.join(&*other, &topic, Some("q"), "stays").await;
    let mut publishing = JoinSet::new();
    for number in 0..10 {
        let (broker, topic) = (other.clone(), topic.clone());
        publishing.spawn(async move {
            let event = event(&number.to_string());
            assert_eq!(publish(&*broker, &topic, event).await, 1);
        });
    }
    // The member that does not read has some of them.
    let mut seen = vec![group.next().await.1.body()];
    drop(leaves);
    while seen.len() < 10 {
        seen.push(group.next().await.1.body());
    }
    seen.sort();
    assert_eq!(seen, (0..10).map(|n| n.to_string()).collect::<Vec<_>>());
    while let Some(published) = publishing.join_next().await {
        published.expect("published");
    }
}

/// A failing subscriber is no error of the publisher, and the event is delivered again.
async fn what_the_only_subscriber_fails_it_gets_again(
    broker: Arc<dyn Broker>,
    queue: Option<&str>,
) {
    let topic = unique("again");
    let mut subscription = subscribe(&*broker, &topic, queue).await;
    let publishing = publish(&*broker, &topic, event("1"));
    let taking = async {
        take(&mut subscription)
            .await
            .nack(Error::internal("not today"));
        drop(take(&mut subscription).await);
        let delivery = take(&mut subscription).await;
        assert_eq!(delivery.event().body(), "1");
        delivery.ack();
    };
    let (received, ()) = tokio::join!(publishing, taking);
    assert_eq!(received, 1);
    let flushed = timeout(EVENT_TIMEOUT, broker.flush()).await;
    flushed.expect("nothing waits after the acknowledgement");
}

async fn who_has_left_receives_nothing(one: Arc<dyn Broker>, other: Arc<dyn Broker>) {
    let topic = unique("left");
    let closed = subscribe(&*one, &topic, None).await;
    let dropped = subscribe(&*one, &topic, Some("q")).await;
    let mut group = Group::new();
    group.join(&*one, &topic, None, "stays").await;
    timeout(EVENT_TIMEOUT, closed.close())
        .await
        .expect("closing ends");
    drop(dropped);
    let left = async {
        while publish(&*other, &topic, event("1")).await != 1 {
            group.next().await;
        }
    };
    timeout(EVENT_TIMEOUT, left)
        .await
        .expect("one of three is left");
    assert_eq!(group.next().await.0, "stays");
}

async fn closing_waits_for_what_was_taken(broker: Arc<dyn Broker>) {
    let topic = unique("closing");
    let mut subscription = subscribe(&*broker, &topic, Some("q")).await;
    let publishing = publish(&*broker, &topic, event("1"));
    let taking = async {
        let delivery = take(&mut subscription).await;
        let mut closing = Box::pin(subscription.close());
        let early = timeout(Duration::from_millis(20), &mut closing).await;
        assert!(early.is_err(), "an event is still in hand");
        delivery.ack();
        timeout(EVENT_TIMEOUT, closing).await.expect("closing ends");
    };
    let (received, ()) = tokio::join!(publishing, taking);
    assert_eq!(received, 1, "its acknowledgement counts");
}

async fn who_has_just_subscribed_hears_its_own_process(broker: Arc<dyn Broker>) {
    let topic = unique("own");
    let mut group = Group::new();
    for count in 0..5 {
        assert_eq!(publish(&*broker, &topic, event("1")).await, count);
        group.join(&*broker, &topic, None, "one").await;
    }
}

/// Members that record what they receive.
struct Group {
    tasks: JoinSet<()>,
    sender: mpsc::Sender<(&'static str, Seen)>,
    receiver: mpsc::Receiver<(&'static str, Seen)>,
}

struct Seen {
    topic: String,
    event: Event,
}

impl Seen {
    fn body(&self) -> String {
        String::from_utf8_lossy(self.event.body()).into_owned()
    }
}

impl Group {
    fn new() -> Self {
        let (sender, receiver) = mpsc::channel(1024);
        Group {
            tasks: JoinSet::new(),
            sender,
            receiver,
        }
    }

    async fn join(
        &mut self,
        broker: &dyn Broker,
        topic: &str,
        queue: Option<&str>,
        name: &'static str,
    ) {
        self.join_and(broker, topic, queue, name, Delivery::ack)
            .await;
    }

    async fn join_and(
        &mut self,
        broker: &dyn Broker,
        topic: &str,
        queue: Option<&str>,
        name: &'static str,
        end: fn(Delivery),
    ) {
        let mut subscription = subscribe(broker, topic, queue).await;
        let sender = self.sender.clone();
        self.tasks.spawn(async move {
            while let Some(delivery) = subscription.next().await {
                let seen = Seen {
                    topic: delivery.topic().to_owned(),
                    event: delivery.event().clone(),
                };
                sender.send((name, seen)).await.expect("the test listens");
                end(delivery);
            }
        });
    }

    async fn next(&mut self) -> (&'static str, Seen) {
        let next = timeout(EVENT_TIMEOUT, self.receiver.recv()).await;
        next.expect("an event comes").expect("it holds a sender")
    }
}

async fn take(subscription: &mut Subscription) -> Delivery {
    let next = timeout(EVENT_TIMEOUT, subscription.next()).await;
    next.expect("an event comes").expect("it goes on")
}

async fn subscribe(broker: &dyn Broker, topic: &str, queue: Option<&str>) -> Subscription {
    let subscribed = broker.subscribe(topic, queue).await;
    subscribed.expect("subscribing")
}

async fn publish(broker: &dyn Broker, topic: &str, event: Event) -> usize {
    broker.publish(topic, event).await.expect("publishing")
}

fn event(body: &str) -> Event {
    Event::new(ContentType::Bytes, Bytes::copy_from_slice(body.as_bytes()))
}

/// A topic of this run alone.
fn unique(rule: &str) -> String {
    static RUNS: AtomicU64 = AtomicU64::new(0);
    let run = RUNS.fetch_add(1, Ordering::Relaxed);
    format!("contract.{rule}.{}.{run}", std::process::id())
}
