//! The broker in its suite.

use std::sync::Arc;

use micro_core::{
    Broker,
    balance::{Balance, Settings},
    broker::{BrokerParts, contract},
    registry::Registry,
    selector::{self, Cache, Rng},
    transport::Transport,
};

use micro_example::{Board, Fanout, First, Server, in_process};

#[tokio::test]
async fn fanout_passes_the_suite_of_brokers_at_most_once() {
    let server = Server::default();
    let transport: Arc<dyn Transport> = Arc::new(in_process(Default::default()));
    let make = async || {
        let registry: Arc<dyn Registry> = Arc::new(Board::registry(&server));
        let strategy = Arc::new(First);
        let opener = transport.clone();
        let cache = Cache::new(
            registry.clone(),
            strategy.clone(),
            selector::Options::default(),
            Box::new(move |node| opener.open(node)),
            Box::new(|peer| peer.close()),
        );
        let balance = Balance::new(
            cache,
            strategy,
            Settings::default(),
            Rng::new(),
            transport.clone(),
        );
        let parts = BrokerParts::new(registry, transport.clone(), balance);
        Arc::new(Fanout::of(parts)) as Arc<dyn Broker>
    };
    contract::at_most_once(make).await;
}
