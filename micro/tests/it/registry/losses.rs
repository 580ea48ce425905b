//! What a watch says while its server is lost, and once it is back.
#![allow(
    dead_code,
    reason = "only the features of registries that need a server use it"
)]

use std::{future::poll_fn, time::Duration};

use micro::registry::{Update, Updates};
use tokio::time::timeout;

use super::ids;

/// Longer than any server takes to come back.
const LONG: Duration = Duration::from_secs(30);

/// Why the server is lost, once the watch says so.
pub(super) async fn stale(updates: &mut Updates) -> String {
    let waited = timeout(LONG, async {
        loop {
            let update = poll_fn(|cx| updates.as_mut().poll_next(cx)).await;
            if let Update::Stale { error, .. } = update.expect("the watch goes on") {
                return error.to_string();
            }
        }
    });
    waited.await.expect("the loss is noticed")
}

/// Waits for a set of exactly these ids, whatever is said before; whether it is authoritative.
pub(super) async fn comes(updates: &mut Updates, expected: &[&str]) -> bool {
    comes_within(updates, expected, LONG).await
}

/// The same, and not later.
pub(super) async fn comes_within(
    updates: &mut Updates,
    expected: &[&str],
    limit: Duration,
) -> bool {
    let mut last = String::from("nothing");
    let waited = timeout(limit, async {
        loop {
            let update = poll_fn(|cx| updates.as_mut().poll_next(cx)).await;
            match update.expect("the watch goes on") {
                Update::Set {
                    nodes,
                    authoritative,
                    ..
                } if ids(&nodes) == expected => return authoritative,
                other => last = format!("{other:?}"),
            }
        }
    });
    let waited = waited.await;
    waited.unwrap_or_else(|_| panic!("{expected:?} did not come in {limit:?}, but {last}"))
}
