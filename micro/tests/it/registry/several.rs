//! Several registries as one.

use std::{fs, sync::Arc, time::Duration};

use micro::{
    Code,
    registry::{Memory, Node, Registry, Several, Static, contract},
    settings::Url,
};

use super::{ids, local::Place, next_set, until};

const TTL: Option<Duration> = Some(Duration::from_secs(60));

fn node(id: &str) -> Node {
    Node::new("greeter", id, "127.0.0.1:1")
}

fn several<const N: usize>(registries: [&dyn Erase; N]) -> Several {
    Several::new(registries.map(|registry| registry.erase()))
}

/// A handle on a registry, of whatever type.
trait Erase {
    fn erase(&self) -> Arc<dyn Registry>;
}

impl<R: Registry + Clone> Erase for R {
    fn erase(&self) -> Arc<dyn Registry> {
        Arc::new(self.clone())
    }
}

#[tokio::test(start_paused = true)]
async fn two_keep_the_contract_as_one_does() {
    let (old, new) = (Memory::new(), Memory::new());
    let make = async || Arc::new(several([&old, &new])) as Arc<dyn Registry>;
    contract::all(make).await;
    contract::expiry(make, Duration::from_secs(30)).await;
}

#[test]
fn several_are_only_read_if_each_is() {
    let list = Static::open(&Url::parse("static:greeter=h:1")).unwrap();
    assert!(several([&list, &list]).is_read_only());
    assert!(!several([&list, &Memory::new()]).is_read_only());
}

#[tokio::test]
async fn directory_beside_a_registry_in_memory_keeps_the_contract() {
    let place = Place::new();
    let memory = Memory::new();
    contract::all(async || Arc::new(several([&place.registry(), &memory])) as Arc<dyn Registry>)
        .await;
    assert!(place.files().is_empty());
}

#[tokio::test(start_paused = true)]
async fn who_is_in_either_is_found_and_who_leaves_leaves_both() {
    let (old, new) = (Memory::new(), Memory::new());
    let both = several([&old, &new]);
    old.register(&node("1"), TTL).await.unwrap();
    new.register(&node("2"), TTL).await.unwrap();
    both.register(&node("3"), TTL).await.unwrap();
    assert_eq!(ids(&both.get("greeter").await.unwrap()), ["1", "2", "3"]);
    assert_eq!(ids(&old.get("greeter").await.unwrap()), ["1", "3"]);
    new.register(&Node::new("other", "4", "h:1"), TTL)
        .await
        .unwrap();
    assert_eq!(both.list().await.unwrap(), ["greeter", "other"]);
    let mut updates = both.watch(Some("greeter")).await.unwrap();
    until(&mut updates, &["1", "2", "3"]).await;
    for id in ["1", "2", "3"] {
        both.deregister(&node(id)).await.unwrap();
    }
    assert!(until(&mut updates, &[]).await, "each says that they went");
    assert!(old.list().await.unwrap().is_empty());
}

#[tokio::test]
async fn one_that_fails_keeps_no_other_from_it_and_is_made_good() {
    let (place, memory) = (Place::new(), Memory::new());
    fs::write(place.path(), b"in the way").unwrap();
    let both = several([&place.registry(), &memory]);
    let error = both.register(&node("1"), TTL).await.unwrap_err();
    assert_eq!(error.code(), Code::FailedPrecondition);
    assert!(
        error.message().contains(&*place.path().to_string_lossy()),
        "{error}"
    );
    assert_eq!(ids(&memory.get("greeter").await.unwrap()), ["1"]);
    assert_eq!(ids(&both.get("greeter").await.unwrap()), ["1"]);
    // Where it went well it is not written again so soon.
    memory.deregister(&node("1")).await.unwrap();
    both.register(&node("1"), TTL).await.unwrap_err();
    assert!(memory.get("greeter").await.unwrap().is_empty());
    memory.register(&node("1"), TTL).await.unwrap();
    let mut updates = both.watch(Some("greeter")).await.unwrap();
    assert_eq!(ids(&next_set(&mut updates).await.0), ["1"]);
    fs::remove_file(place.path()).unwrap();
    both.register(&node("1"), TTL).await.unwrap();
    assert_eq!(ids(&place.registry().get("greeter").await.unwrap()), ["1"]);
    place.registry().register(&node("2"), None).await.unwrap();
    until(&mut updates, &["1", "2"]).await;
}

#[tokio::test]
async fn all_that_fail_are_named() {
    let (one, other) = (Place::new(), Place::new());
    for place in [&one, &other] {
        fs::write(place.path(), b"in the way").unwrap();
    }
    let both = several([&one.registry(), &other.registry()]);
    let error = both.get("greeter").await.unwrap_err().to_string();
    for place in [&one, &other] {
        assert!(error.contains(&*place.path().to_string_lossy()), "{error}");
        fs::remove_file(place.path()).unwrap();
    }
}
