//! Members of a queue as processes of their own, killed while they work.

use std::{
    collections::BTreeSet,
    ffi::OsStr,
    fs::{self, OpenOptions},
    io::Write,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use micro::{
    Broker, ContentType, Context, Plugins,
    broker::{Delivery, Event},
    registry::Local,
};
use tokio::{sync::Semaphore, task::JoinSet};

use super::{Directory, direct};
use crate::process::{Process, say, when_unwanted};

const TOPIC: &str = "orders";
const DIRECTORY: &str = "MICRO_TEST_DIRECTORY";
const HANGS: &str = "MICRO_TEST_HANGS";

/// Not a test of its own: what the processes do that the tests below start.
#[tokio::test]
#[ignore = "a member's process, started by the tests beside it"]
async fn member() {
    let Ok(directory) = std::env::var(DIRECTORY) else {
        return;
    };
    let hangs = std::env::var_os(HANGS).is_some();
    let directory = Path::new(&directory);
    when_unwanted(|| std::process::exit(0));
    let broker = broker(directory);
    let mut subscription = broker.subscribe(TOPIC, Some("q")).await.unwrap();
    say("subscribed");
    let mut work = JoinSet::new();
    while let Some(delivery) = subscription.next().await {
        if hangs {
            say("taken");
            work.spawn(async move {
                std::future::pending::<()>().await;
                drop(delivery);
            });
        } else {
            work.spawn(done(delivery, directory.join("done")));
        }
    }
}

async fn done(delivery: Delivery, log: std::path::PathBuf) {
    tokio::time::sleep(Duration::from_millis(2)).await;
    let line = format!("{}\n", String::from_utf8_lossy(delivery.event().body()));
    let mut log = OpenOptions::new()
        .create(true)
        .append(true)
        .open(log)
        .unwrap();
    log.write_all(line.as_bytes()).unwrap();
    delivery.ack();
}

fn broker(directory: &Path) -> Arc<dyn Broker> {
    direct(Plugins::new().registry(Local::at(directory.join("registry"))))
}

/// A member's process, once it has subscribed.
fn start(directory: &Path, hangs: bool) -> Process {
    let mut variables = vec![(DIRECTORY, directory.as_os_str())];
    if hangs {
        variables.push((HANGS, OsStr::new("1")));
    }
    let mut member = Process::start("broker::processes::member", &variables);
    member.until("subscribed");
    member
}

fn event(body: String) -> Event {
    Event::new(ContentType::Bytes, body)
}

fn logged(directory: &Path) -> BTreeSet<String> {
    let log = fs::read_to_string(directory.join("done")).unwrap_or_default();
    log.lines().map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_killed_member_was_handling_another_handles() {
    let place = Directory::new();
    fs::create_dir_all(place.path()).unwrap();
    let mut hangs = start(place.path(), true);
    let broker = broker(place.path());
    let publishing = tokio::spawn({
        let broker = broker.clone();
        // Time enough that the silence of the first is not what has the second asked.
        let cx = Context::new().with_timeout(Duration::from_secs(120));
        async move {
            broker
                .publish(TOPIC, event("7".into()).with_context(cx))
                .await
        }
    });
    let mut hangs = tokio::task::spawn_blocking(move || {
        hangs.until("taken");
        hangs
    })
    .await
    .unwrap();
    let _works = start(place.path(), false);
    // It is seen when another event has come to it, at the latest from the one that hangs.
    let probed = async {
        loop {
            let cx = Context::new().with_timeout(Duration::from_secs(1));
            let probe = event("probe".into()).with_context(cx);
            broker.publish(TOPIC, probe).await.unwrap();
            if logged(place.path()).contains("probe") {
                return;
            }
        }
    };
    let probed = tokio::time::timeout(Duration::from_secs(30), probed).await;
    probed.expect("a probe is handled");
    hangs.kill();
    assert_eq!(publishing.await.unwrap().unwrap(), 1);
    let flushed = tokio::time::timeout(Duration::from_secs(30), broker.flush()).await;
    flushed.expect("what the killed one held is handled");
    assert!(logged(place.path()).contains("7"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_thousand_events_none_is_lost_while_members_are_killed() {
    const EVENTS: usize = 1000;
    let place = Directory::new();
    fs::create_dir_all(place.path()).unwrap();
    let mut members: Vec<_> = (0..3).map(|_| start(place.path(), false)).collect();
    let broker = broker(place.path());
    let acknowledged = Arc::new(AtomicUsize::new(0));
    let at_once = Arc::new(Semaphore::new(16));
    let mut publishing = JoinSet::new();
    for number in 0..EVENTS {
        let (broker, acknowledged) = (broker.clone(), acknowledged.clone());
        let at_once = at_once.clone();
        publishing.spawn(async move {
            let _turn = at_once.acquire_owned().await.unwrap();
            let received = broker.publish(TOPIC, event(number.to_string())).await;
            assert_eq!(received.unwrap(), 1, "event {number}");
            acknowledged.fetch_add(1, Ordering::Relaxed);
        });
    }
    let mut kills = 0;
    while let Some(published) = publishing.join_next().await {
        published.unwrap();
        if acknowledged.load(Ordering::Relaxed) > (kills + 1) * EVENTS / 8 {
            let directory = place.path().to_owned();
            let mut victim = members.remove(0);
            victim.kill();
            // Two serve until the third is back.
            let again = move || start(&directory, false);
            members.push(tokio::task::spawn_blocking(again).await.unwrap());
            kills += 1;
        }
    }
    assert!(kills >= 5, "{kills} kills");
    let expected: BTreeSet<_> = (0..EVENTS).map(|number| number.to_string()).collect();
    assert_eq!(logged(place.path()), expected, "handled at least once");
}
