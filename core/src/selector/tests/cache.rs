use std::{path::Path, time::Duration};

use parking_lot::Mutex;

use super::{registry::TestRegistry, *};
use crate::{
    Code, Outcome,
    selector::{Cache, Entry, Options, Snapshots, WEIGHTS, strategy},
    time::{self, NEVER},
};

/// A cache over a registry that the test feeds, and the slots that were given back.
struct Bench {
    registry: Arc<TestRegistry>,
    cache: Cache<String>,
    retired: Arc<Mutex<Vec<String>>>,
}

impl Bench {
    fn new(options: Options) -> Self {
        let registry = Arc::new(TestRegistry::default());
        let retired = Arc::<Mutex<Vec<String>>>::default();
        let retire = retired.clone();
        let cache = Cache::new(
            registry.clone(),
            strategy::named("p2c", Rng::seeded(1)).unwrap(),
            Options {
                seed: Some(1),
                ..options
            },
            Box::new(|node| Ok(node.address.clone())),
            Box::new(move |slot| retire.lock().push(slot)),
        );
        Bench {
            registry,
            cache,
            retired,
        }
    }

    fn with_disk(directory: &Path) -> Self {
        Self::new(Options {
            snapshots: Snapshots::In(directory.to_owned()),
            ..Options::default()
        })
    }
}

fn ids(entry: &Entry<String>) -> Vec<String> {
    let set = entry.load();
    let members = set.snapshot().members().iter();
    members.map(|member| member.node.id.clone()).collect()
}

/// Lets every task run until it waits; the clock is paused.
async fn settle() {
    tokio::time::sleep(Duration::from_millis(1)).await;
}

#[tokio::test(start_paused = true)]
async fn first_use_waits_for_the_first_set_and_later_ones_follow() {
    let bench = Bench::new(Options::default());
    bench.registry.say("greeter", nodes(2), true);
    let entry = bench.cache.service("greeter");
    entry.ready(NEVER).await.unwrap();
    assert_eq!(ids(&entry), ["n00", "n01"]);
    bench.registry.say("greeter", nodes(3), true);
    settle().await;
    assert_eq!(ids(&entry), ["n00", "n01", "n02"]);
    bench.registry.say("greeter", nodes(1), true);
    settle().await;
    assert_eq!(*bench.retired.lock(), ["n01:80", "n02:80"]);
    assert_eq!(entry.age(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn service_is_watched_once_and_no_longer_than_its_cache_lives() {
    let bench = Bench::new(Options::default());
    bench.registry.say("greeter", nodes(1), true);
    for _ in 0..5 {
        bench.cache.service("greeter").ready(NEVER).await.unwrap();
    }
    assert_eq!(bench.registry.watches("greeter"), 1);
    assert_eq!(bench.registry.watches(WEIGHTS), 1);
    drop(bench.cache);
    settle().await;
    assert_eq!(bench.registry.watches("greeter"), 0);
    assert_eq!(bench.registry.watches(WEIGHTS), 0);
    assert_eq!(*bench.retired.lock(), ["n00:80"]);
}

#[tokio::test(start_paused = true)]
async fn service_without_nodes_is_unavailable_at_once() {
    let bench = Bench::new(Options::default());
    let started = time::now();
    let error = bench
        .cache
        .service("greter")
        .ready(NEVER)
        .await
        .unwrap_err();
    assert_eq!(
        (error.code(), error.outcome()),
        (Code::Unavailable, Outcome::NotSent)
    );
    assert!(error.message().contains("`greter`"), "{error}");
    assert!(time::now() - started < 10 * MS);
}

#[tokio::test(start_paused = true)]
async fn registry_out_of_reach_is_unavailable_and_tried_again() {
    let bench = Bench::new(Options::default());
    bench.registry.set_down(true);
    bench.registry.say("greeter", nodes(1), true);
    let entry = bench.cache.service("greeter");
    let error = entry.ready(NEVER).await.unwrap_err();
    assert_eq!(
        (error.code(), error.outcome()),
        (Code::Unavailable, Outcome::NotSent)
    );
    assert!(error.to_string().contains("`fed`"), "{error}");
    bench.registry.set_down(false);
    tokio::time::sleep(Duration::from_secs(1)).await;
    entry.ready(NEVER).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn silent_registry_is_waited_for_until_the_deadline() {
    let bench = Bench::new(Options::default());
    bench.registry.set_silent();
    let entry = bench.cache.service("greeter");
    let deadline = time::now() + 3 * SECOND;
    let error = entry.ready(deadline).await.unwrap_err();
    assert_eq!(
        (error.code(), error.outcome()),
        (Code::Unavailable, Outcome::NotSent)
    );
    assert!(time::now() >= deadline && time::now() < deadline + SECOND);
}

#[tokio::test(start_paused = true)]
async fn last_good_set_outlives_an_outage() {
    let bench = Bench::new(Options::default());
    bench.registry.say("greeter", nodes(2), true);
    let entry = bench.cache.service("greeter");
    entry.ready(NEVER).await.unwrap();
    bench.registry.stale("greeter", Duration::from_secs(5));
    settle().await;
    assert_eq!(entry.age().as_secs(), 5);
    bench.registry.set_down(true);
    tokio::time::sleep(Duration::from_secs(3600)).await;
    assert_eq!(ids(&entry), ["n00", "n01"]);
    entry.ready(NEVER).await.unwrap();
    assert_eq!(entry.age().as_secs(), 3605);
    let begun = bench.registry.begun();
    assert!(
        (360..=3600).contains(&begun),
        "every 5 to 15 s, twice: {begun}"
    );

    bench.registry.set_down(false);
    tokio::time::sleep(Duration::from_secs(16)).await;
    assert_eq!(entry.age(), Duration::ZERO);
    assert!(bench.retired.lock().is_empty());
}

#[tokio::test(start_paused = true)]
async fn empty_set_counts_after_the_grace_or_at_once_if_authoritative() {
    let bench = Bench::new(Options::default());
    bench.registry.say("greeter", nodes(2), true);
    let entry = bench.cache.service("greeter");
    entry.ready(NEVER).await.unwrap();

    bench.registry.say("greeter", vec![], false);
    tokio::time::sleep(Duration::from_secs(29)).await;
    assert_eq!(ids(&entry).len(), 2);
    bench.registry.say("greeter", vec![], false);
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(
        ids(&entry).is_empty(),
        "repeating it does not prolong the grace"
    );
    assert!(entry.ready(NEVER).await.unwrap_err().has_no_nodes());

    bench.registry.say("greeter", nodes(2), true);
    settle().await;
    bench.registry.say("greeter", vec![], false);
    tokio::time::sleep(Duration::from_secs(20)).await;
    bench.registry.say("greeter", nodes(1), true);
    tokio::time::sleep(Duration::from_secs(20)).await;
    assert_eq!(ids(&entry), ["n00"], "nodes that come back end the doubt");

    bench.registry.say("greeter", vec![], true);
    settle().await;
    assert!(ids(&entry).is_empty());
}

#[tokio::test(start_paused = true)]
async fn weights_change_while_running_by_code_and_by_the_registry() {
    let bench = Bench::new(Options::default());
    let both = vec![node("a").with_version("v1"), node("b").with_version("v2")];
    bench.registry.say("greeter", both, true);
    let entry = bench.cache.service("greeter");
    entry.ready(NEVER).await.unwrap();
    let load = entry.load().snapshot().get(0).load.id();
    let shares = || {
        let set = entry.load();
        [0, 1].map(|i| set.snapshot().get(i).weight)
    };
    assert_eq!(shares(), [100, 100]);

    entry.set_weights(VersionWeights::from([("v1".into(), 90), ("v2".into(), 10)]));
    assert_eq!(shares()[0], 9 * shares()[1]);

    let record = Node::new(WEIGHTS, "micro.weights-greeter", "")
        .with_metadata("v1", "100")
        .with_metadata("v2", "0")
        .with_metadata("protocol", "mucp");
    bench.registry.say(WEIGHTS, vec![record], true);
    settle().await;
    assert_eq!(shares()[1], 0, "the operator's word wins");

    bench.registry.say(WEIGHTS, vec![], true);
    settle().await;
    assert_eq!(shares()[0], 9 * shares()[1]);
    entry.set_weights(VersionWeights::new());
    assert_eq!(shares(), [100, 100]);
    assert_eq!(entry.load().snapshot().get(0).load.id(), load);
}

#[tokio::test(start_paused = true)]
async fn weights_apply_to_later_services_and_later_sets() {
    let bench = Bench::new(Options::default());
    let record = Node::new(WEIGHTS, "micro.weights-greeter", "").with_metadata("v2", "0");
    bench.registry.say(WEIGHTS, vec![record], true);
    bench.cache.service("other").ready(NEVER).await.unwrap_err();
    settle().await;
    let v2 = |id| node(id).with_version("v2");
    bench
        .registry
        .say("greeter", vec![node("a"), v2("b")], true);
    let entry = bench.cache.service("greeter");
    entry.ready(NEVER).await.unwrap();
    assert_eq!(entry.load().snapshot().get(1).weight, 0);
    bench
        .registry
        .say("greeter", vec![node("a"), v2("b"), v2("c")], true);
    settle().await;
    assert_eq!(entry.load().snapshot().get(2).weight, 0);
}

#[tokio::test(start_paused = true)]
async fn services_beyond_the_limit_are_not_remembered() {
    let bench = Bench::new(Options {
        services: 2,
        ..Options::default()
    });
    bench.registry.say("greeter", nodes(1), true);
    bench.cache.service("greeter").ready(NEVER).await.unwrap();
    for i in 0..10 {
        let entry = bench.cache.service(&format!("none{i}"));
        entry.ready(NEVER).await.unwrap_err();
    }
    assert_eq!(bench.cache.entries().len(), 2);
    settle().await;
    assert_eq!(
        bench.registry.watches("none0"),
        0,
        "forgotten, so not watched"
    );
    assert_eq!(bench.registry.watches("none9"), 1);
    assert_eq!(bench.registry.watches("greeter"), 1);
}

/// Runs a cache until it has kept its nodes on disk.
async fn keep(directory: &Path, nodes: Vec<Node>) {
    let bench = Bench::with_disk(directory);
    bench.registry.say("greeter", nodes, true);
    bench.cache.service("greeter").ready(NEVER).await.unwrap();
    tokio::time::sleep(Duration::from_secs(2)).await;
}

#[tokio::test(start_paused = true)]
async fn cold_start_without_a_registry_uses_the_disk() {
    let directory = super::disk::Directory::new("cold");
    keep(&directory, nodes(3)).await;
    for silent in [false, true] {
        let bench = Bench::with_disk(&directory);
        match silent {
            true => bench.registry.set_silent(),
            false => bench.registry.set_down(true),
        }
        let entry = bench.cache.service("greeter");
        let started = time::now();
        entry.ready(NEVER).await.unwrap();
        assert_eq!(ids(&entry), ["n00", "n01", "n02"]);
        let waited = time::now() - started;
        assert_eq!(waited >= 100 * MS, silent, "{waited}");
        tokio::time::sleep(Duration::from_secs(7)).await;
        assert!(entry.age().as_secs() >= 7);
    }
}

#[tokio::test(start_paused = true)]
async fn who_must_reach_all_waits_past_the_disk_for_the_registry() {
    let directory = super::disk::Directory::new("settled");
    keep(&directory, nodes(3)).await;
    let kept = ["n00", "n01", "n02"];

    let down = Bench::with_disk(&directory);
    down.registry.set_down(true);
    let entry = down.cache.service("greeter");
    entry.settle(NEVER).await;
    assert_eq!(ids(&entry), kept);

    let silent = Bench::with_disk(&directory);
    silent.registry.set_silent();
    let entry = silent.cache.service("greeter");
    let until = time::now() + 1000 * MS;
    entry.settle(until).await;
    assert_eq!(ids(&entry), kept);
    assert!(time::now() >= until);

    let late = Bench::with_disk(&directory);
    late.registry.say("greeter", nodes(1), true);
    late.registry.set_late(Duration::from_millis(300));
    let entry = late.cache.service("greeter");
    entry.ready(NEVER).await.unwrap();
    assert_eq!(ids(&entry), kept);
    entry.settle(NEVER).await;
    assert_eq!(ids(&entry), ["n00"]);
}

#[tokio::test(start_paused = true)]
async fn what_the_registry_says_stands_before_the_disk() {
    let directory = super::disk::Directory::new("warm");
    keep(&directory, nodes(3)).await;
    let bench = Bench::with_disk(&directory);
    bench.registry.say("greeter", nodes(1), true);
    let entry = bench.cache.service("greeter");
    entry.ready(NEVER).await.unwrap();
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(ids(&entry), ["n00"]);
}

#[tokio::test(start_paused = true)]
async fn service_that_was_taken_down_leaves_no_file() {
    let directory = super::disk::Directory::new("down");
    let bench = Bench::with_disk(&directory);
    bench.registry.say("greeter", nodes(1), true);
    let entry = bench.cache.service("greeter");
    entry.ready(NEVER).await.unwrap();
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(directory.files(), ["greeter.json"]);
    bench.registry.say("greeter", vec![], true);
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(directory.files().is_empty());
}

#[tokio::test(start_paused = true)]
async fn first_set_waits_a_moment_for_the_weights_and_no_longer() {
    let bench = Bench::new(Options::default());
    bench.registry.say("greeter", nodes(1), true);
    bench.registry.hold(WEIGHTS);
    let started = time::now();
    bench.cache.service("greeter").ready(NEVER).await.unwrap();
    let waited = time::now() - started;
    assert!((100 * MS..110 * MS).contains(&waited), "{waited}");
}
