use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::{
    error::Error,
    selector::{Filter, Set, filter},
};

fn fill(node: &Arc<Node>) -> crate::Result<String> {
    match node.address.as_str() {
        "bad" => Err(Error::invalid_argument("no address `bad`")),
        address => Ok(address.to_owned()),
    }
}

fn set(nodes: Vec<Node>) -> Set<String> {
    Set::empty(&fleet(), START).next(nodes, START, &fill).set
}

fn ids(set: &Set<String>) -> Vec<&str> {
    let members = set.snapshot().members().iter();
    members.map(|member| &*member.node.id).collect()
}

#[test]
fn slots_stand_beside_their_nodes() {
    let set = set(vec![node("b"), node("c").with_version("1"), node("a")]);
    assert_eq!(ids(&set), ["c", "a", "b"], "by version, then id");
    assert_eq!(set.slots(), ["c:80", "a:80", "b:80"]);
}

#[test]
fn staying_node_keeps_its_load_and_a_leaving_one_is_retired() {
    let before = set(nodes(3));
    let mut moved = node("n01");
    moved.address = "elsewhere:80".into();
    let next = before.next(
        vec![node("n00").with_metadata("zone", "b"), moved, node("n07")],
        START,
        &fill,
    );
    assert_eq!(ids(&next.set), ["n00", "n01", "n07"]);
    let load = |set: &Set<String>, i| set.snapshot().get(i).load.id();
    assert_eq!(load(&before, 0), load(&next.set, 0));
    assert_eq!(next.set.snapshot().get(0).node.metadata["zone"], "b");
    assert_ne!(
        load(&before, 1),
        load(&next.set, 1),
        "at another address it is another"
    );
    let mut retired = next.retired;
    retired.sort();
    assert_eq!(retired, ["n01:80", "n02:80"]);
}

#[test]
fn node_without_a_value_is_left_out_and_a_double_id_counts_once() {
    let mut bad = node("bad");
    bad.address = "bad".into();
    let next = Set::empty(&fleet(), START).next(vec![bad, node("a"), node("a")], START, &fill);
    assert_eq!(ids(&next.set), ["a"]);
    assert_eq!(next.refused[0].0.id, "bad");
    assert!(next.retired.is_empty());
}

struct Counting(AtomicUsize);

impl Filter for Counting {
    fn key(&self) -> &str {
        "counting"
    }

    fn keep(&self, node: &Node) -> bool {
        self.0.fetch_add(1, Ordering::Relaxed);
        node.id != "n01"
    }
}

#[test]
fn filter_is_evaluated_once_a_set_and_keeps_the_loads() {
    let set = set(nodes(3));
    let counting = Counting(AtomicUsize::new(0));
    for _ in 0..10 {
        assert_eq!(ids(&set.filtered(&counting)), ["n00", "n02"]);
    }
    assert_eq!(counting.0.load(Ordering::Relaxed), 3);
    let filtered = set.filtered(&counting);
    assert!(Arc::ptr_eq(
        &filtered.snapshot().get(1).load,
        &set.snapshot().get(2).load
    ));
    assert_eq!(filtered.slot(1), "n02:80");
    for i in 0..64 {
        set.filtered(&*filter::version(i.to_string()));
    }
    set.filtered(&counting);
    assert_eq!(counting.0.load(Ordering::Relaxed), 6, "64 are kept");
}

#[test]
fn filters_keep_by_version_metadata_endpoint_and_all_of_them() {
    let hello = [crate::node::Endpoint::new("Greeter.Hello")];
    let set = set(vec![
        node("a").with_version("1").with_metadata("zone", "x"),
        node("b").with_version("1").with_endpoints(hello),
        node("c").with_version("2").with_metadata("zone", "x"),
    ]);
    let kept = |filter: Arc<dyn Filter>| ids(&set.filtered(&*filter)).concat();
    let zone = || filter::metadata("zone", "x");
    assert_eq!(kept(filter::version("1")), "ab");
    assert_eq!(kept(zone()), "ac");
    assert_eq!(kept(filter::endpoint("Greeter.Hello")), "b");
    assert_eq!(kept(filter::and(filter::version("2"), zone())), "c");
    assert_eq!(kept(filter::all([])), "abc");
}

#[test]
fn who_asks_for_a_version_gets_it_whatever_its_weight() {
    let set = set(vec![
        node("a").with_version("1"),
        node("b").with_version("2"),
    ]);
    let weights = VersionWeights::from([("1".into(), 100), ("2".into(), 0)]);
    let set = set.weighed(Arc::new(weights), START);
    assert_eq!(set.snapshot().get(1).weight, 0);
    let only = set.filtered(&*filter::version("2"));
    assert_eq!(only.snapshot().get(0).weight, 100);
}
