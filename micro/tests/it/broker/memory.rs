//! The broker of one process.

use std::{sync::Arc, time::Duration};

use micro::{Broker, Code, Context, Error, broker::Memory};
use tokio::time::{Instant, timeout};

use super::{event, take};

#[tokio::test]
async fn memory_keeps_the_contract() {
    let broker = Memory::new();
    micro::broker::contract::all(async || Arc::new(broker.clone()) as Arc<dyn Broker>).await;
}

#[tokio::test(start_paused = true)]
async fn members_of_a_queue_take_exact_turns() {
    let broker = Memory::new();
    let mut members = Vec::new();
    for _ in 0..3 {
        members.push(broker.subscribe("t", Some("q")).await.unwrap());
    }
    for _ in 0..9 {
        assert_eq!(broker.publish("t", event("1")).await.unwrap(), 1);
    }
    for member in &mut members {
        for _ in 0..3 {
            take(member).await.ack();
        }
        let more = timeout(Duration::from_secs(1), member.next()).await;
        assert!(more.is_err(), "a third of nine is three");
    }
}

#[tokio::test(start_paused = true)]
async fn event_is_delivered_five_times_and_then_dropped() {
    let broker = Memory::new();
    let mut subscription = broker.subscribe("t", None).await.unwrap();
    let began = Instant::now();
    assert_eq!(broker.publish("t", event("1")).await.unwrap(), 1);
    for rest in [0, 10, 30, 70, 150] {
        let delivery = take(&mut subscription).await;
        assert_eq!(began.elapsed().as_millis(), rest);
        delivery.nack(Error::internal("never"));
    }
    let more = timeout(Duration::from_secs(60), subscription.next()).await;
    assert!(more.is_err(), "a sixth time");
}

#[tokio::test(start_paused = true)]
async fn publisher_waits_for_room_until_its_deadline() {
    let broker = Memory::new();
    let mut slow = broker.subscribe("t", None).await.unwrap();
    for _ in 0..1024 {
        assert_eq!(broker.publish("t", event("1")).await.unwrap(), 1);
    }
    let hurried = event("1").with_context(Context::new().with_timeout(Duration::from_millis(50)));
    let error = broker.publish("t", hurried).await.unwrap_err();
    assert_eq!(error.code(), Code::ResourceExhausted);
    assert!(error.message().contains("`t`"), "{error}");

    let began = Instant::now();
    let (published, ()) = tokio::join!(broker.publish("t", event("1")), async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        take(&mut slow).await.ack();
    });
    assert_eq!(published.unwrap(), 1);
    assert_eq!(
        began.elapsed(),
        Duration::from_millis(300),
        "as soon as there is room"
    );
}

#[tokio::test]
async fn publishers_deadline_ends_with_the_publishing() {
    let broker = Memory::new();
    let mut subscription = broker.subscribe("t", None).await.unwrap();
    let cx = Context::new()
        .with_timeout(Duration::from_secs(1))
        .with("tenant", "acme");
    broker
        .publish("t", event("1").with_context(cx))
        .await
        .unwrap();
    let delivery = take(&mut subscription).await;
    assert_eq!(delivery.event().context().time_left(), None);
    assert_eq!(
        delivery.event().context().metadata().get("tenant"),
        Some("acme")
    );
    delivery.ack();
}
