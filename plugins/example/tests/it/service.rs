//! All of them in one service.

use std::sync::Arc;

use micro::{Context, Plugins, Service, Settings, Socket};

use micro_example::{Board, Fanout, First, Lines, Pretty, Server, Zone, stamp};

/// A service over sockets with every plugin but the transport, chosen by name where they have one.
#[tokio::test]
async fn service_is_made_of_all_of_them() {
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
            Ok::<_, micro::Error>(format!("Hello {name}, stamped: {stamped}"))
        })
        .subscribe("greeted", move |_: Context, name: String| {
            let heard = heard.clone();
            async move {
                heard.send(name).await.unwrap();
                Ok::<_, micro::Error>(())
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
