//! The registry in its suite.

use std::{sync::Arc, time::Duration};

use micro_core::{
    registry::{Registry, contract},
    url::Url,
};

use micro_example::{Board, REGISTRY, Server};

#[tokio::test(start_paused = true)]
async fn board_passes_the_suite_of_registries() {
    let server = Server::default();
    let make = async || Arc::new(Board::registry(&server)) as Arc<dyn Registry>;
    contract::all(make).await;
    contract::expiry(make, Duration::from_secs(30)).await;
}

#[test]
fn board_is_opened_by_its_name_alone() {
    let board = REGISTRY.open(&Url::parse("board")).unwrap();
    assert_eq!(board.name(), "board");
    assert!(REGISTRY.open(&Url::parse("board://host:1")).is_err());
}
