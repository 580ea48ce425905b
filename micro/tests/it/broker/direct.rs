//! The default broker, in one process, over sockets.

use std::{sync::Arc, time::Duration};

use micro::{
    Broker, Context, Error, Plugins,
    registry::{Memory, Registry},
};
use tokio::time::{Instant, timeout};

use super::{Directory, direct, event, quick, take};

#[tokio::test]
async fn direct_keeps_the_contract_with_a_registry_in_memory() {
    let registry = Memory::new();
    let make = async || direct(Plugins::new().registry(registry.clone()));
    micro::broker::contract::all(make).await;
}

#[cfg(unix)]
#[tokio::test]
async fn direct_keeps_the_contract_with_a_registry_of_files() {
    let directory = Directory::new();
    let make =
        async || direct(Plugins::new().registry(micro::registry::Local::at(directory.path())));
    micro::broker::contract::all(make).await;
}

fn broker() -> (Memory, Arc<dyn Broker>) {
    let registry = Memory::new();
    let broker = direct(Plugins::new().registry(registry.clone()));
    (registry, broker)
}

#[tokio::test]
async fn subscription_is_a_node_of_its_topic_until_it_is_closed() {
    let (registry, broker) = broker();
    let plain = broker.subscribe("user.created", None).await.unwrap();
    let member = broker
        .subscribe("user.created", Some("mails"))
        .await
        .unwrap();
    let nodes = registry.get("topic:user.created").await.unwrap();
    let mut queues: Vec<_> = nodes
        .iter()
        .map(|node| node.metadata.get("queue"))
        .collect();
    queues.sort();
    assert_eq!(queues, [None, Some(&"mails".to_owned())]);
    assert_eq!(nodes[0].metadata["topic"], "user.created");
    assert_eq!(nodes[0].address, nodes[1].address, "one port a process");
    plain.close().await;
    assert_eq!(registry.get("topic:user.created").await.unwrap().len(), 1);
    member.close().await;
    assert!(registry.get("topic:user.created").await.unwrap().is_empty());
}

#[tokio::test]
async fn publishing_ends_when_everyone_has_acknowledged() {
    let (_registry, broker) = broker();
    let mut one = broker.subscribe("t", None).await.unwrap();
    let mut other = broker.subscribe("t", None).await.unwrap();
    let mut publishing = Box::pin(broker.publish("t", event("1")));
    let (first, second) = tokio::select! {
        _ = &mut publishing => panic!("nobody has acknowledged"),
        both = async { (take(&mut one).await, take(&mut other).await) } => both,
    };
    first.ack();
    let early = timeout(Duration::from_millis(20), &mut publishing).await;
    assert!(early.is_err(), "one of two has not acknowledged");
    second.ack();
    assert_eq!(publishing.await.unwrap(), 2);
}

#[tokio::test]
async fn failing_subscriber_does_not_fail_its_publisher() {
    let (_registry, broker) = broker();
    let mut good = broker.subscribe("t", None).await.unwrap();
    let mut bad = broker.subscribe("t", Some("mails")).await.unwrap();
    let publishing = broker.publish("t", event("1"));
    let (published, (), ()) =
        tokio::join!(publishing, async { take(&mut good).await.ack() }, async {
            take(&mut bad).await.nack(Error::internal("no disk"))
        },);
    assert_eq!(published.unwrap(), 2);
    take(&mut bad).await.ack();
    timeout(Duration::from_secs(5), broker.flush())
        .await
        .unwrap();
    let twice = timeout(Duration::from_millis(300), good.next()).await;
    assert!(twice.is_err(), "who acknowledged is not asked again");
}

#[tokio::test]
async fn event_that_is_never_acknowledged_is_dropped_in_the_end() {
    let plugins = Plugins::new().registry(Memory::new());
    let plugins = plugins.direct(|direct| direct.redeliver_for = Duration::from_millis(250));
    let broker = direct(plugins);
    let mut subscription = broker.subscribe("t", None).await.unwrap();
    let (published, ()) = tokio::join!(broker.publish("t", event("1")), async {
        take(&mut subscription).await.nack(Error::internal("no"));
    });
    assert_eq!(published.unwrap(), 1);
    let failing = async {
        loop {
            take(&mut subscription).await.nack(Error::internal("no"));
        }
    };
    tokio::select! {
        () = failing => unreachable!("it has no end"),
        () = broker.flush() => {}
    }
}

#[tokio::test]
async fn full_subscription_rejects_and_another_member_takes_it() {
    let registry = Memory::new();
    let plugins = quick(Plugins::new().registry(registry.clone()));
    let narrow = plugins.clone().direct(|settings| settings.concurrency = 1);
    let (narrow, broker) = (direct(narrow), direct(plugins));
    let mut full = narrow.subscribe("t", Some("q")).await.unwrap();
    let mut first = Box::pin(broker.publish("t", event("1")));
    let held = tokio::select! {
        _ = &mut first => panic!("it is not acknowledged"),
        held = take(&mut full) => held,
    };
    let cx = Context::new().with_timeout(Duration::from_millis(200));
    let second = event("2").with_context(cx);
    assert_eq!(broker.publish("t", second).await.unwrap(), 1);
    let mut free = broker.subscribe("t", Some("q")).await.unwrap();
    let delivery = take(&mut free).await;
    assert_eq!(delivery.event().body(), "2", "it waited for room");
    delivery.ack();
    for _ in 0..5 {
        let (published, ()) = tokio::join!(broker.publish("t", event("3")), async {
            take(&mut free).await.ack();
        });
        assert_eq!(published.unwrap(), 1);
    }
    held.ack();
    assert_eq!(first.await.unwrap(), 1);
}

#[tokio::test]
async fn silent_member_costs_half_its_time_and_not_the_event() {
    let plugins = Plugins::new().registry(Memory::new());
    let broker = direct(plugins.direct(|direct| direct.ack_wait = Duration::from_secs(1)));
    let mut members = Vec::new();
    for _ in 0..2 {
        members.push(broker.subscribe("t", Some("q")).await.unwrap());
    }
    let (mut other, mut silent) = (members.pop().unwrap(), members.pop().unwrap());
    let began = Instant::now();
    let mut publishing = Box::pin(broker.publish("t", event("1")));
    let mut held = None;
    let published = loop {
        tokio::select! {
            published = &mut publishing => break published,
            delivery = take(&mut silent), if held.is_none() => held = Some(delivery),
            delivery = take(&mut other) => match held {
                // Whoever is first is the silent one.
                None => held = Some(delivery),
                Some(_) => delivery.ack(),
            },
        }
    };
    assert_eq!(published.unwrap(), 1);
    let took = began.elapsed().as_millis();
    assert!(
        (450..900).contains(&took),
        "half of the second, not {took} ms"
    );
}

#[tokio::test]
async fn slow_subscriber_outlives_its_publishers_deadline() {
    let (_registry, broker) = broker();
    let mut subscription = broker.subscribe("t", Some("q")).await.unwrap();
    let cx = Context::new().with_timeout(Duration::from_millis(100));
    let (published, delivery) = tokio::join!(
        broker.publish("t", event("1").with_context(cx.clone())),
        take(&mut subscription),
    );
    assert_eq!(published.unwrap(), 1, "it goes on by itself");
    assert!(cx.time_left().unwrap() > Duration::ZERO, "in half the time");
    let left = delivery.event().context().time_left().unwrap();
    assert!(left > Duration::from_secs(20), "{left:?}");
    let again = timeout(Duration::from_millis(300), subscription.next()).await;
    assert!(again.is_err(), "it is at work, and not delivered again");
    delivery.ack();
    timeout(Duration::from_secs(5), broker.flush())
        .await
        .unwrap();
}

#[tokio::test]
async fn subscription_can_be_made_anew_after_the_last_was_closed() {
    let (_registry, broker) = broker();
    for _ in 0..3 {
        let mut subscription = broker.subscribe("t", None).await.unwrap();
        let (published, ()) = tokio::join!(broker.publish("t", event("1")), async {
            take(&mut subscription).await.ack();
        });
        assert_eq!(published.unwrap(), 1);
        subscription.close().await;
    }
}
