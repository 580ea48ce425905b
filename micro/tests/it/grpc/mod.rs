//! gRPC with others' clients and servers.

mod attack;
mod compression;
mod first;
mod greeter;
mod once;
mod operations;
mod our_client;
mod our_server;
mod suites;
mod their_server;

use std::time::Duration;

/// What must happen, within a time that only a hang exceeds.
async fn soon<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(10), work)
        .await
        .unwrap()
}
