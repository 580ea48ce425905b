//! Subscribers as handlers of a service.

use std::time::Duration;

use micro::{
    Client, Context, Error, Plugins, Request, Result, Running, Service, broker,
    middleware::{Next, from_fn},
    registry::{Memory, Registry},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::{
    sync::mpsc,
    time::{Instant, timeout},
};

use super::quick;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, micro::Message)]
struct Created {
    name: String,
}

fn created(name: &str) -> Created {
    Created { name: name.into() }
}

/// What handlers tell, each with its name.
type Told = mpsc::Receiver<(&'static str, Created)>;
type Tell = mpsc::Sender<(&'static str, Created)>;
/// How a handler ends.
type End = fn() -> Result<()>;

/// A handler that tells what it receives, and then ends so.
fn tells(
    tell: &Tell,
    who: &'static str,
    end: End,
) -> impl Fn(Context, Created) -> std::pin::Pin<Box<dyn Future<Output = Result<()>> + Send>>
+ Clone
+ Send
+ Sync
+ use<> {
    let tell = tell.clone();
    move |_, event| {
        let tell = tell.clone();
        Box::pin(async move {
            tell.send((who, event))
                .await
                .map_err(|_| Error::internal("nobody listens"))?;
            end()
        })
    }
}

async fn next(told: &mut Told) -> (&'static str, Created) {
    timeout(Duration::from_secs(10), told.recv())
        .await
        .unwrap()
        .unwrap()
}

fn plugins(registry: &Memory) -> Plugins {
    quick(Plugins::new().registry(registry.clone()))
}

async fn serve(service: Service) -> Running {
    let service = service.lifecycle(|life| life.deregister_delay = Duration::from_millis(20));
    service.serve().await.unwrap()
}

async fn publish(client: &Client, name: &str) -> Result<usize> {
    client
        .publish(&Context::new(), "user.created", &created(name))
        .await
}

#[tokio::test]
async fn every_instance_hears_and_one_of_a_queue() {
    let registry = Memory::new();
    let (tell, mut told) = mpsc::channel(64);
    let ok = || Ok(());
    let mut running = Vec::new();
    for _ in 0..2 {
        let service = Service::new("mailer")
            .plugins(plugins(&registry))
            .subscribe("user.created", tells(&tell, "each", ok))
            .subscribe_queue("user.created", "mails", tells(&tell, "one", ok));
        running.push(serve(service).await);
    }
    let client = plugins(&registry).client().unwrap();
    assert_eq!(publish(&client, "John").await.unwrap(), 3);
    let mut heard = Vec::new();
    for _ in 0..3 {
        let (who, event) = next(&mut told).await;
        assert_eq!(event, created("John"));
        heard.push(who);
    }
    heard.sort();
    assert_eq!(heard, ["each", "each", "one"]);
    for running in running {
        running.stop().await;
    }
    assert!(registry.get("topic:user.created").await.unwrap().is_empty());
}

#[tokio::test]
async fn record_and_the_stats_name_the_subscriber() {
    let registry = Memory::new();
    let (tell, mut told) = mpsc::channel(64);
    let service = Service::new("mailer")
        .plugins(plugins(&registry))
        .subscribe_queue("user.created", "mails", tells(&tell, "one", || Ok(())));
    let running = serve(service).await;
    let endpoint = running.node().endpoint("topic:user.created/mails").unwrap();
    assert_eq!(endpoint.metadata["subscriber"], "true");
    assert_eq!(endpoint.metadata["topic"], "user.created");
    assert_eq!(endpoint.metadata["queue"], "mails");
    assert_eq!(endpoint.request.as_ref().unwrap().values[0].name, "name");
    assert_eq!(endpoint.response, None);
    assert_eq!(running.node().metadata["broker"], "direct");

    let client = running.client();
    assert_eq!(publish(&client, "John").await.unwrap(), 1);
    next(&mut told).await;
    let stats = client.method::<(), Value>("mailer", "Debug.Stats");
    let stats = stats.call(&Context::new(), ()).await.unwrap();
    assert_eq!(stats["endpoints"][0]["executed"], 1, "{stats}");
    running.stop().await;
}

#[tokio::test]
async fn handler_that_fails_or_panics_is_followed_by_another() {
    let registry = Memory::new();
    let (tell, mut told) = mpsc::channel(64);
    let ends: [(&str, End); 3] = [
        ("fails", || Err(Error::internal("no"))),
        ("panics", || panic!("no")),
        ("works", || Ok(())),
    ];
    let mut running = Vec::new();
    for (who, end) in ends {
        let service = Service::new(who)
            .plugins(plugins(&registry))
            .subscribe_queue("user.created", "mails", tells(&tell, who, end));
        running.push(serve(service).await);
    }
    let client = plugins(&registry).client().unwrap();
    for _ in 0..10 {
        assert_eq!(publish(&client, "John").await.unwrap(), 1);
        while next(&mut told).await.0 != "works" {}
    }
}

#[tokio::test]
async fn stopping_finishes_what_is_being_handled() {
    let registry = Memory::new();
    let (began, mut beginning) = mpsc::channel(1);
    let handler = move |_: Context, _: Created| {
        let began = began.clone();
        async move {
            began
                .send(())
                .await
                .map_err(|_| Error::internal("nobody listens"))?;
            tokio::time::sleep(Duration::from_millis(200)).await;
            Ok::<_, micro::Error>(())
        }
    };
    let service = Service::new("mailer")
        .plugins(plugins(&registry))
        .subscribe_queue("user.created", "mails", handler);
    let running = serve(service).await;
    let client = plugins(&registry).client().unwrap();
    let (published, ()) = tokio::join!(publish(&client, "John"), async {
        beginning.recv().await.unwrap();
        let began = Instant::now();
        running.stop().await;
        let took = began.elapsed();
        assert!(
            took < Duration::from_secs(1),
            "it waited {took:?} for nothing"
        );
    });
    assert_eq!(published.unwrap(), 1);
    assert_eq!(publish(&client, "Jane").await.unwrap(), 0, "nobody is left");
}

#[tokio::test]
async fn service_subscribes_to_the_broker_it_is_given() {
    let broker = broker::Memory::new();
    let (tell, mut told) = mpsc::channel(64);
    let plugins = Plugins::new()
        .registry(Memory::new())
        .broker(broker.clone());
    let service = Service::new("mailer")
        .plugins(plugins.clone())
        .subscribe("user.created", tells(&tell, "each", || Ok(())));
    let running = serve(service).await;
    assert_eq!(running.node().metadata["broker"], "memory");
    let client = plugins.client().unwrap();
    assert_eq!(publish(&client, "John").await.unwrap(), 1);
    assert_eq!(next(&mut told).await, ("each", created("John")));
    running.stop().await;
    assert_eq!(publish(&client, "John").await.unwrap(), 0);
}

#[tokio::test]
async fn subscribing_twice_alike_is_told_at_the_start() {
    let handler = |_: Context, _: Created| async { Ok::<_, micro::Error>(()) };
    let service = Service::new("mailer")
        .plugins(plugins(&Memory::new()))
        .subscribe("user.created", handler)
        .subscribe("user.created", handler);
    let error = service.serve().await.err().unwrap();
    assert!(error.message().contains("`topic:user.created`"), "{error}");
}

#[tokio::test]
async fn events_pass_the_services_layers() {
    let registry = Memory::new();
    let (tell, mut told) = mpsc::channel(64);
    let guard = from_fn(|request: Request, next: Next| async move {
        match request.context().metadata().get("tenant") {
            Some(_) => next.run(request).await,
            None => Err(Error::permission_denied("no `tenant` in the metadata")),
        }
    });
    let service = Service::new("mailer")
        .plugins(plugins(&registry))
        .layer(guard)
        .subscribe("user.created", tells(&tell, "each", || Ok(())));
    let running = serve(service).await;
    let client = running.client();
    let cx = Context::new().with("tenant", "acme");
    let published = client.publish(&cx, "user.created", &created("John")).await;
    assert_eq!(published.unwrap(), 1);
    assert_eq!(next(&mut told).await.1, created("John"));
    assert_eq!(publish(&client, "Jane").await.unwrap(), 1);
    assert!(told.try_recv().is_err(), "the layer refused it");
    drop(running);
}

#[tokio::test]
async fn events_come_to_the_port_and_address_of_the_service() {
    let registry = Memory::new();
    let (tell, mut told) = mpsc::channel(64);
    let (port, advertised) = {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        (port, format!("localhost:{port}"))
    };
    let service = Service::new("mailer")
        .address(format!("127.0.0.1:{port}"))
        .advertise(&advertised)
        .plugins(plugins(&registry))
        .subscribe("user.created", tells(&tell, "each", || Ok(())))
        .subscribe_queue("user.created", "mails", tells(&tell, "one", || Ok(())));
    let running = serve(service).await;
    let nodes = registry.get("topic:user.created").await.unwrap();
    let addresses: Vec<_> = nodes.iter().map(|node| &*node.address).collect();
    assert_eq!(addresses, [&*advertised; 2]);
    let client = plugins(&registry).client().unwrap();
    assert_eq!(publish(&client, "John").await.unwrap(), 2);
    next(&mut told).await;
    next(&mut told).await;
    running.stop().await;
    assert_eq!(publish(&client, "John").await.unwrap(), 0);
}

#[tokio::test]
async fn default_broker_works_over_the_transport_in_memory() {
    let (tell, mut told) = mpsc::channel(64);
    let plugins = Plugins::new()
        .registry(Memory::new())
        .transport(micro::transport::Memory::new());
    let service = Service::new("mailer")
        .plugins(plugins.clone())
        .subscribe("user.created", tells(&tell, "each", || Ok(())));
    let running = serve(service).await;
    let client = plugins.client().unwrap();
    assert_eq!(publish(&client, "John").await.unwrap(), 1);
    assert_eq!(next(&mut told).await, ("each", created("John")));
    let mut alone = client.subscribe("user.left", None).await.unwrap();
    let (cx, event) = (Context::new(), created("John"));
    let (published, ()) = tokio::join!(client.publish(&cx, "user.left", &event), async {
        alone.next().await.unwrap().ack()
    },);
    assert_eq!(published.unwrap(), 1);
    running.stop().await;
}

#[tokio::test]
async fn service_that_stops_waits_for_the_events_it_published() {
    let registry = Memory::new();
    let mut subscription = plugins(&registry)
        .client()
        .unwrap()
        .subscribe("user.created", None)
        .await
        .unwrap();
    let running = serve(Service::new("shop").plugins(plugins(&registry))).await;
    let client = running.client();
    let cx = Context::new().with_timeout(Duration::from_millis(100));
    let event = created("John");
    let (published, delivery) = tokio::join!(client.publish(&cx, "user.created", &event), async {
        subscription.next().await.unwrap()
    },);
    assert_eq!(published.unwrap(), 1);
    let mut stopping = Box::pin(running.stop());
    let early = timeout(Duration::from_millis(200), &mut stopping).await;
    assert!(early.is_err(), "an event is not acknowledged");
    delivery.ack();
    timeout(Duration::from_secs(5), stopping).await.unwrap();
}
