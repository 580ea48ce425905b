//! The examples run, and give what they promise.

#[path = "../../examples/errors.rs"]
#[allow(dead_code, reason = "`main` is for the program")]
mod errors;
#[path = "../../examples/events.rs"]
#[allow(dead_code, reason = "`main` is for the program")]
mod events;
#[path = "../../examples/middleware.rs"]
#[allow(dead_code, reason = "`main` is for the program")]
mod middleware;
#[path = "../../examples/several.rs"]
#[allow(dead_code, reason = "`main` is for the program")]
mod several;
#[path = "../../examples/streams.rs"]
#[allow(dead_code, reason = "`main` is for the program")]
mod streams;
#[path = "../../examples/testing.rs"]
#[allow(dead_code, reason = "`main` is for the program")]
mod testing;
#[cfg(feature = "tls")]
#[path = "../../examples/tls.rs"]
#[allow(dead_code, reason = "`main` is for the program")]
mod tls;

#[tokio::test]
async fn errors_example_decides_by_code_and_outcome() {
    assert_eq!(
        errors::run().await.unwrap(),
        [
            "tea: done",
            "milk: come back tomorrow",
            "gold: no",
            "nobody: nothing happened, try again",
        ]
    );
}

#[tokio::test]
async fn events_example_shares_a_queue_and_audits_everything() {
    assert_eq!(events::run().await.unwrap(), (10, 10));
}

#[tokio::test]
async fn middleware_example_knows_the_user() {
    assert_eq!(middleware::run().await.unwrap(), "John");
}

#[tokio::test]
async fn several_services_call_each_other_in_one_process() {
    assert_eq!(several::run().await.unwrap(), 7);
}

#[tokio::test]
async fn streams_example_adds_up() {
    assert_eq!(streams::run().await.unwrap(), 55);
}

#[cfg(feature = "tls")]
#[tokio::test]
async fn tls_example_refuses_a_caller_without_a_certificate() {
    let directory = std::env::temp_dir().join(format!("micro-tls-example-{}", std::process::id()));
    let (greeting, stranger) = tls::run(&directory).await.unwrap();
    assert_eq!(greeting, "Hello John");
    let refusal = stranger.unwrap_err();
    assert_eq!(refusal.outcome(), micro::Outcome::NotSent);
    assert!(refusal.to_string().contains("certificate"), "{refusal}");
    std::fs::remove_dir_all(directory).unwrap();
}
