//! Each plugin in its contract suite, and all of them in one service.
#![allow(clippy::unwrap_used, reason = "a test may end in a panic")]

use std::{sync::Arc, time::Duration};

use micro::{Context, Plugins, Service, Settings, Socket};
use micro_core::{
    Broker,
    balance::{Balance, Settings as Terms},
    broker::{self, BrokerParts},
    codec, protocols,
    registry::{self, Registry},
    selector::{self, Cache, Rng},
    transport::{self, Transport},
};
use micro_example::{Board, Fanout, First, Lines, Pretty, Server, Zone, in_process, stamp};

#[tokio::test(start_paused = true)]
async fn board_passes_the_suite_of_registries() {
    let server = Server::default();
    let make = async || Arc::new(Board::registry(&server)) as Arc<dyn Registry>;
    registry::contract::all(make).await;
    registry::contract::expiry(make, Duration::from_secs(30)).await;
}

#[tokio::test]
async fn in_process_passes_the_suite_of_transports() {
    transport::contract::all(async |limits| {
        let transport = Arc::new(in_process(limits)) as Arc<dyn Transport>;
        (transport, "in-process".to_owned())
    })
    .await;
}

#[tokio::test]
async fn lines_passes_the_suite_of_protocols() {
    protocols::contract::all(
        || Lines,
        async |address, endpoint, body| Lines::call(&address, &endpoint, body).await,
    )
    .await;
}

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
            Terms::default(),
            Rng::new(),
            transport.clone(),
        );
        let parts = BrokerParts::new(registry, transport.clone(), balance);
        Arc::new(Fanout::of(parts)) as Arc<dyn Broker>
    };
    broker::contract::at_most_once(make).await;
}

#[test]
fn first_passes_the_suite_of_strategies() {
    selector::contract::all(|| First);
}

#[test]
fn pretty_passes_the_suite_of_codecs() {
    codec::contract::all(Pretty);
}

/// A service over sockets with every plugin but the transport, chosen by name where they have one.
#[tokio::test]
async fn a_service_is_made_of_all_of_them() {
    let server = Server::default();
    let settings = Settings::new()
        .with_registry("board", move |_| Ok(Board::registry(&server)))
        .with_strategy("first", |_| Ok(First))
        .args(["--registry=board", "--selector=first"].map(String::from))
        .unwrap();
    let plugins = Plugins::new()
        .socket(Socket::new().protocol(Lines))
        .broker_from("fanout", Fanout::of)
        .codec(Pretty)
        .layer(stamp("stamped", "yes"));
    let (heard, mut events) = tokio::sync::mpsc::channel(1);
    let running = Service::new("greeter")
        .plugins(plugins.clone())
        .settings(settings.clone())
        .metadata("zone", "west")
        .handle("Greeter.Hello", async |context: Context, name: String| {
            let stamped = context.metadata().get("stamped").unwrap_or("no").to_owned();
            Ok(format!("Hello {name}, stamped: {stamped}"))
        })
        .subscribe("greeted", move |_: Context, name: String| {
            let heard = heard.clone();
            async move {
                heard.send(name).await.unwrap();
                Ok(())
            }
        })
        .serve()
        .await
        .unwrap();
    let client = settings.apply(plugins).unwrap().client().unwrap();
    let hello = client.method::<String, String>("greeter", "Greeter.Hello");
    let call = hello.call(&Context::new(), "John".to_owned());
    let (answer, record) = call.filter(Arc::new(Zone::new("west"))).explain().await;
    assert_eq!(answer.unwrap(), "Hello John, stamped: yes");
    assert_eq!(record.attempts[0].why, "first");
    let call = hello.call(&Context::new(), "John".to_owned());
    let elsewhere = call.filter(Arc::new(Zone::new("east"))).await;
    assert!(elsewhere.is_err(), "no node is there: {elsewhere:?}");
    let line = Lines::call(&running.node().address, "Greeter.Hello", "\"Ann\"".into()).await;
    assert_eq!(line.unwrap(), "\"Hello Ann, stamped: no\"");
    let received = client
        .publish(&Context::new(), "greeted", &"John".to_owned())
        .await;
    assert_eq!(received.unwrap(), 1);
    assert_eq!(events.recv().await.unwrap(), "John");
    running.stop().await;
}
