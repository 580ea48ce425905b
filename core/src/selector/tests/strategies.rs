use super::*;
use crate::selector::{Strategy, TriedNodes, strategy};

/// How often each node is picked in so many picks that begin and end at once.
fn shares(strategy: &dyn Strategy, snapshot: &Snapshot, picks: usize) -> Vec<usize> {
    let mut counts = vec![0; snapshot.len()];
    for _ in 0..picks {
        counts[strategy.pick(snapshot, &TriedNodes::new()).unwrap()] += 1;
    }
    counts
}

fn built_in() -> Vec<Arc<dyn Strategy>> {
    let names = strategy::NAMES.iter();
    names
        .map(|name| strategy::named(name, Rng::seeded(1)).unwrap())
        .collect()
}

fn near(count: usize, expected: usize) -> bool {
    count.abs_diff(expected) <= expected / 10
}

#[test]
fn strategy_is_found_by_name_and_an_unknown_name_lists_them() {
    for (strategy, name) in built_in().iter().zip(strategy::NAMES) {
        assert_eq!(strategy.name(), name);
    }
    let error = strategy::named("best", Rng::new()).err().unwrap();
    assert!(error.to_string().contains("`least-loaded`"), "{error}");
}

#[test]
fn idle_equal_nodes_share_evenly() {
    let snapshot = snapshot(nodes(5), &[]);
    for strategy in built_in() {
        let counts = shares(&*strategy, &snapshot, 10_000);
        assert!(
            counts.iter().all(|n| near(*n, 2_000)),
            "{} {counts:?}",
            strategy.name()
        );
    }
}

#[test]
fn no_strategy_picks_a_node_twice_for_one_call() {
    let snapshot = snapshot(nodes(20), &[]);
    for strategy in built_in() {
        let mut tried = TriedNodes::new();
        let mut picked: Vec<usize> = (0..20)
            .map(|_| {
                let index = strategy.pick(&snapshot, &tried).unwrap();
                tried.add(snapshot.get(index));
                index
            })
            .collect();
        picked.sort_unstable();
        assert_eq!(picked, Vec::from_iter(0..20), "{}", strategy.name());
        assert_eq!(strategy.pick(&snapshot, &tried), None);
    }
}

#[test]
fn no_strategy_picks_an_ejected_node() {
    let snapshot = snapshot(nodes(4), &[]);
    eject(&snapshot.get(1).load, START);
    eject(&snapshot.get(3).load, START);
    for strategy in built_in() {
        let counts = shares(&*strategy, &snapshot, 1_000);
        assert_eq!((counts[1], counts[3]), (0, 0), "{}", strategy.name());
        assert!(
            counts[0] > 300 && counts[2] > 300,
            "{} {counts:?}",
            strategy.name()
        );
    }
}

#[test]
fn empty_snapshot_gives_none() {
    let empty = snapshot([], &[]);
    let drained = snapshot([node("a").with_metadata("weight", "0")], &[]);
    for strategy in built_in() {
        assert_eq!(strategy.pick(&empty, &TriedNodes::new()), None);
        assert_eq!(strategy.pick(&drained, &TriedNodes::new()), None);
    }
}

#[test]
fn seeded_strategies_repeat_themselves() {
    let snapshot = snapshot(nodes(10), &[]);
    let run = |seed| {
        let strategy = strategy::named("p2c", Rng::seeded(seed)).unwrap();
        Vec::from_iter((0..50).map(|_| strategy.pick(&snapshot, &TriedNodes::new())))
    };
    assert_eq!(run(3), run(3));
    assert_ne!(run(3), run(4));
}

#[test]
fn round_robin_takes_turns() {
    let snapshot = snapshot(nodes(3), &[]);
    let strategy = strategy::named("round-robin", Rng::seeded(1)).unwrap();
    let picks =
        Vec::from_iter((0..6).map(|_| strategy.pick(&snapshot, &TriedNodes::new()).unwrap()));
    assert_eq!(picks[..3], picks[3..]);
    assert_eq!(picks[1], (picks[0] + 1) % 3);
}

#[test]
fn least_loaded_takes_the_idle_node() {
    let snapshot = snapshot(nodes(10), &[]);
    for member in snapshot.members() {
        if member.node.id != "n06" {
            member.load.begin(START);
        }
    }
    let strategy = strategy::named("least-loaded", Rng::seeded(1)).unwrap();
    assert_eq!(shares(&*strategy, &snapshot, 100)[6], 100);
}

#[test]
fn p2c_avoids_the_slow_and_the_hung_node() {
    let snapshot = snapshot(nodes(3), &[]);
    for (index, took) in [(0, MS), (1, MS), (2, 50 * MS)] {
        call(&snapshot.get(index).load, START, took, WELL);
    }
    let p2c = strategy::named("p2c", Rng::seeded(1)).unwrap();
    assert_eq!(shares(&*p2c, &snapshot, 1_000)[2], 0, "slow");

    snapshot.get(0).load.begin(START);
    snapshot.touch(START + 100 * MS);
    assert_eq!(shares(&*p2c, &snapshot, 1_000)[0], 0, "hung");
}

#[test]
fn p2c_takes_a_node_without_history_to_be_as_fast_as_the_others() {
    let snapshot = snapshot(nodes(2), &[]);
    call(&snapshot.get(0).load, START, 50 * MS, WELL);
    let p2c = strategy::named("p2c", Rng::seeded(1)).unwrap();
    assert!(near(shares(&*p2c, &snapshot, 10_000)[1], 5_000));
    snapshot.get(1).load.begin(START);
    assert_eq!(shares(&*p2c, &snapshot, 1_000)[1], 0, "as fast, and busy");
}

#[test]
fn weights_are_shares() {
    let weighted = |id: &str, weight: &str| node(id).with_metadata("weight", weight);
    let snapshot = snapshot(
        [
            weighted("a", "300"),
            weighted("b", "100"),
            weighted("c", "0"),
        ],
        &[],
    );
    for name in ["weighted", "p2c"] {
        let strategy = strategy::named(name, Rng::seeded(1)).unwrap();
        let counts = shares(&*strategy, &snapshot, 10_000);
        assert!(
            near(counts[0], 7_500) && near(counts[1], 2_500),
            "{name} {counts:?}"
        );
    }
}

/// Nine nodes of `v1`, one of `v2`.
fn canary() -> Vec<Node> {
    let versions = (0..10).map(|i| if i < 9 { "v1" } else { "v2" });
    let nodes = nodes(10).into_iter().zip(versions);
    nodes
        .map(|(node, version)| node.with_version(version))
        .collect()
}

fn share_of_v2(strategy: &dyn Strategy, snapshot: &Snapshot) -> usize {
    let counts = shares(strategy, snapshot, 10_000);
    let members = snapshot.members().iter().zip(counts);
    members
        .filter(|(member, _)| member.node.version == "v2")
        .map(|(_, count)| count)
        .sum()
}

#[test]
fn version_weights_are_shares_whatever_the_number_of_nodes() {
    for (weights, v2) in [
        ([("v1", 50), ("v2", 50)], 5_000),
        ([("v1", 80), ("v2", 20)], 2_000),
    ] {
        let snapshot = snapshot(canary(), &weights);
        for strategy in built_in() {
            let count = share_of_v2(&*strategy, &snapshot);
            assert!(near(count, v2), "{} {count} for {v2}", strategy.name());
        }
    }
}

#[test]
fn version_without_weight_gets_calls_only_if_alone() {
    let share = |weights: &[(&str, u32)]| {
        let p2c = strategy::named("p2c", Rng::seeded(1)).unwrap();
        share_of_v2(&*p2c, &snapshot(canary(), weights))
    };
    assert_eq!(share(&[("v1", 100), ("v2", 0)]), 0);
    assert_eq!(share(&[("v1", 100)]), 0, "not named");
    assert_eq!(share(&[("v1", 0)]), 10_000, "the named one is drained");
    assert!(
        near(share(&[("v3", 100)]), 1_000),
        "none that is named is there"
    );
}

#[test]
fn when_a_canary_fails_the_other_version_takes_its_share() {
    let snapshot = snapshot(canary(), &[("v1", 50), ("v2", 50)]);
    let mut tried = TriedNodes::new();
    tried.add(snapshot.get(9));
    for strategy in built_in() {
        for _ in 0..100 {
            let index = strategy.pick(&snapshot, &tried).unwrap();
            assert_eq!(snapshot.get(index).node.version, "v1");
        }
    }
}
