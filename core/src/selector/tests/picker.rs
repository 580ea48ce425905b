use super::{registry::TestRegistry, *};
use crate::{
    Code, Error, Outcome,
    selector::{Options, Picker, Select, Selector, filter, strategy},
};

fn picker(registry: Arc<TestRegistry>) -> Picker {
    let strategy = strategy::named("round-robin", Rng::seeded(1)).unwrap();
    Picker::new(registry, strategy, Options::default())
}

async fn all(picker: &Picker, select: Select) -> Vec<String> {
    let mut next = picker.select("greeter", select).await.unwrap();
    let mut ids = Vec::from_iter(std::iter::from_fn(|| Some(next.node().ok()?.id.clone())));
    ids.sort();
    ids
}

#[tokio::test(start_paused = true)]
async fn select_gives_each_node_once_and_then_an_error() {
    let registry = Arc::new(TestRegistry::default());
    registry.say(
        "greeter",
        vec![node("a"), node("b").with_version("2")],
        true,
    );
    let picker = picker(registry);
    assert_eq!(all(&picker, Select::default()).await, ["a", "b"]);
    let of_version = Select {
        filter: Some(filter::version("2")),
        ..Select::default()
    };
    let mut next = picker.select("greeter", of_version).await.unwrap();
    assert_eq!(next.node().unwrap().id, "b");
    let error = next.node().unwrap_err();
    assert_eq!(
        (error.code(), error.outcome()),
        (Code::Unavailable, Outcome::NotSent)
    );
    assert!(picker.select("none", Select::default()).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn failed_node_is_skipped_until_its_penalty_ends_or_a_reset() {
    let registry = Arc::new(TestRegistry::default());
    registry.say("greeter", nodes(3), true);
    let picker = picker(registry);
    all(&picker, Select::default()).await;
    let broken = Error::unavailable("refused").with_outcome(Outcome::NotSent);
    let fail = || {
        for _ in 0..5 {
            picker.mark(&node("n01"), Some(&broken));
        }
    };
    fail();
    assert_eq!(all(&picker, Select::default()).await, ["n00", "n02"]);
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    assert_eq!(all(&picker, Select::default()).await, ["n00", "n01", "n02"]);
    fail();
    assert_eq!(all(&picker, Select::default()).await, ["n00", "n02"]);
    picker.reset("greeter");
    assert_eq!(all(&picker, Select::default()).await, ["n00", "n01", "n02"]);
}

#[test]
fn errors_say_of_the_node_what_they_say_of_the_work() {
    let of = |error: Error, outcome| Verdict::of(Some(&error.with_outcome(outcome)));
    assert_eq!(Verdict::of(None), WELL);
    assert_eq!(of(Error::not_found("x"), Outcome::Answered), WELL);
    assert_eq!(of(Error::not_found("x"), Outcome::Rejected), WELL);
    assert_eq!(of(Error::deadline_exceeded("x"), Outcome::Rejected), WELL);
    assert_eq!(
        of(Error::unavailable("x"), Outcome::Answered),
        Verdict::Failed
    );
    assert_eq!(
        of(Error::unavailable("x"), Outcome::NotSent),
        Verdict::Failed
    );
    assert_eq!(
        of(Error::deadline_exceeded("x"), Outcome::Unknown),
        Verdict::Failed
    );
    assert_eq!(
        of(Error::cancelled("x"), Outcome::Unknown),
        Verdict::Cancelled
    );
    let wait = std::time::Duration::from_millis(30);
    let refused = Error::resource_exhausted("x").with_retry_after(wait);
    let overloaded = Verdict::Overloaded {
        retry_after: Some(30 * MS),
    };
    assert_eq!(of(refused, Outcome::Rejected), overloaded);
}
