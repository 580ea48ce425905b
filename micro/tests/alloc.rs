//! A pick, and noting its call, allocate nothing. A binary of its own, since it counts allocations.

use micro::{
    registry::Node,
    selector::{Rng, Snapshot, TriedNodes, Verdict, strategy},
};

fn snapshot(nodes: usize, weights: &[&str]) -> Snapshot {
    Snapshot::of((0..nodes).map(|i| {
        Node::new("greeter", format!("n{i}"), "10.0.0.1:80")
            .with_metadata("weight", weights[i % weights.len()])
    }))
}

#[test]
fn pick_and_its_call_allocate_nothing() {
    for (nodes, weights) in [
        (3, &["100"][..]),
        (1_000, &["100"]),
        (1_000, &["1", "5", "0"]),
    ] {
        let snapshot = snapshot(nodes, weights);
        for name in strategy::NAMES {
            let strategy = strategy::named(name, Rng::seeded(1)).expect("it is built in");
            let mut picks = 0;
            let counted = allocation_counter::measure(|| {
                let mut now = snapshot.now();
                for call in 0..1_000 {
                    let mut tried = TriedNodes::new();
                    for attempt in 0..8 {
                        let Some(index) = strategy.pick(&snapshot, &tried) else {
                            break;
                        };
                        picks += 1;
                        let member = snapshot.get(index);
                        tried.add(member);
                        member.load.begin(now);
                        now += 50_000;
                        snapshot.touch(now);
                        let verdict = match (call + attempt) % 4 {
                            0 => Verdict::Failed,
                            _ => Verdict::Answered { server_load: 10 },
                        };
                        member.load.end(now, now - 50_000, verdict);
                    }
                }
            });
            assert_eq!(counted.count_total, 0, "{name} of {nodes} nodes");
            assert!(picks >= 1_000, "{name} of {nodes} nodes");
        }
    }
}

#[test]
fn counter_counts() {
    let counted = allocation_counter::measure(|| drop(std::hint::black_box(Box::new(1))));
    assert_eq!(counted.count_total, 1);
}
