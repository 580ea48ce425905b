//! The default broker, in one process, over sockets.

use std::{sync::Arc, time::Duration};

use micro::{
    Broker, Code, Context, Error, Outcome, Plugins,
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
async fn a_subscription_is_a_node_of_its_topic_until_it_is_closed() {
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
async fn a_failure_says_who_and_how_many_had_it() {
    let (_registry, broker) = broker();
    let mut good = broker.subscribe("t", None).await.unwrap();
    let mut bad = broker.subscribe("t", Some("mails")).await.unwrap();
    let publishing = broker.publish("t", event("1"));
    let good = async { take(&mut good).await.ack() };
    let bad = async {
        while let Ok(delivery) = timeout(Duration::from_secs(1), take(&mut bad)).await {
            delivery.nack(Error::internal("no disk"));
        }
    };
    let (published, (), ()) = tokio::join!(publishing, good, bad);
    let error = published.unwrap_err();
    let text = error.to_string();
    for part in ["`t`", "1 of 2", "queue `mails`", "no disk"] {
        assert!(text.contains(part), "`{part}` in {text}");
    }
}

#[tokio::test]
async fn a_subscriber_without_a_queue_that_fails_is_not_asked_twice() {
    let (_registry, broker) = broker();
    let mut subscription = broker.subscribe("t", None).await.unwrap();
    let (published, ()) = tokio::join!(broker.publish("t", event("1")), async {
        take(&mut subscription).await.nack(Error::internal("no"));
        let again = timeout(Duration::from_millis(100), subscription.next()).await;
        assert!(again.is_err(), "it was asked twice");
    });
    assert!(published.is_err());
}

#[tokio::test]
async fn a_full_subscription_rejects_and_another_member_takes_it() {
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
    let error = broker
        .publish("t", event("2").with_context(cx))
        .await
        .unwrap_err();
    let harmless = matches!(error.outcome(), Outcome::Rejected | Outcome::NotSent);
    assert!(harmless, "nobody has begun: {error}");
    let mut free = broker.subscribe("t", Some("q")).await.unwrap();
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
async fn a_silent_member_costs_half_the_time_and_not_the_event() {
    let (_registry, broker) = broker();
    let mut members = Vec::new();
    for _ in 0..2 {
        members.push(broker.subscribe("t", Some("q")).await.unwrap());
    }
    let (mut other, mut silent) = (members.pop().unwrap(), members.pop().unwrap());
    let began = Instant::now();
    let cx = Context::new().with_timeout(Duration::from_secs(1));
    let mut publishing = Box::pin(broker.publish("t", event("1").with_context(cx)));
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
async fn the_publishers_deadline_reaches_the_subscriber() {
    let (_registry, broker) = broker();
    let mut subscription = broker.subscribe("t", None).await.unwrap();
    let cx = Context::new().with_timeout(Duration::from_millis(300));
    let (published, ()) = tokio::join!(broker.publish("t", event("1").with_context(cx)), async {
        let delivery = take(&mut subscription).await;
        let left = delivery.event().context().time_left().unwrap();
        assert!(left <= Duration::from_millis(300), "{left:?}");
        // Held until it is over.
        let _ = timeout(Duration::from_millis(400), subscription.next()).await;
        drop(delivery);
    });
    assert_eq!(published.unwrap_err().code(), Code::DeadlineExceeded);
}

#[tokio::test]
async fn a_subscription_can_be_made_anew_after_the_last_was_closed() {
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
