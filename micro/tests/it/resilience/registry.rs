//! The registry fails, and calls go on.

use std::time::Duration;

use micro::{Code, Outcome};
use tokio::time::sleep;

use super::town::{Town, call, echo};

#[tokio::test(start_paused = true)]
async fn calls_go_on_while_the_registry_is_out_of_reach() {
    let town = Town::new();
    let (_node, count) = town.echo("node").await;
    let client = town.client();
    call(&echo(&client)).await.unwrap();
    town.directory.set_down(true);
    for _ in 0..20 {
        sleep(Duration::from_secs(60)).await;
        call(&echo(&client)).await.unwrap();
    }
    assert_eq!(count.get(), 21);
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_starts_while_the_registry_is_down_is_told_so_and_recovers() {
    let town = Town::new();
    let (_node, _) = town.echo("node").await;
    town.directory.set_down(true);
    let client = town.client();
    let error = call(&echo(&client)).await.unwrap_err();
    assert_eq!(error.code(), Code::Unavailable, "{error}");
    assert_eq!(error.outcome(), Outcome::NotSent, "{error}");
    town.directory.set_down(false);
    sleep(Duration::from_secs(15)).await;
    call(&echo(&client)).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_empty_registry_is_doubted_for_thirty_seconds() {
    let town = Town::new();
    let service = town.service("node", "text");
    let service = service.handle("Text.Echo", async |_: micro::Context, text: String| {
        Ok(text)
    });
    // It does not come back by itself.
    let service = service.lifecycle(|life| life.register_interval = Duration::from_secs(3600));
    let _node = service.serve().await.unwrap();
    let client = town.client();
    call(&echo(&client)).await.unwrap();
    town.directory.forget();
    sleep(Duration::from_secs(29)).await;
    call(&echo(&client)).await.unwrap();
    sleep(Duration::from_secs(2)).await;
    let error = call(&echo(&client)).await.unwrap_err();
    assert_eq!(error.code(), Code::NotFound, "{error}");
    assert_eq!(error.outcome(), Outcome::NotSent, "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_registry_that_lost_its_memory_costs_no_call() {
    let town = Town::new();
    let (_node, count) = town.echo("node").await;
    let client = town.client();
    call(&echo(&client)).await.unwrap();
    town.directory.forget();
    for _ in 0..60 {
        sleep(Duration::from_secs(1)).await;
        call(&echo(&client)).await.unwrap();
    }
    assert_eq!(count.get(), 61);
}
