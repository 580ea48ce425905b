//! The registry in its suite.

use std::{sync::Arc, time::Duration};

use micro_core::registry::{Registry, contract};
use micro_example::{Board, Server};

#[tokio::test(start_paused = true)]
async fn board_passes_the_suite_of_registries() {
    let server = Server::default();
    let make = async || Arc::new(Board::registry(&server)) as Arc<dyn Registry>;
    contract::all(make).await;
    contract::expiry(make, Duration::from_secs(30)).await;
}
