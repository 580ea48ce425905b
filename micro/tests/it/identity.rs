//! Another server at a node's address: refused before anything runs, by every protocol, and passed by.

#[cfg(unix)]
mod processes;

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use micro::{
    Client, Code, Context, Error, Outcome, Plugins, Result, Running, Service, Socket, Streaming,
    registry::{Memory, Node, Registry, Static},
    transport,
};

/// How often handlers of the stranger ran.
type Runs = Arc<AtomicUsize>;

/// A service that answers with its own name.
fn service(name: &'static str, registry: &Memory, runs: &Runs) -> Service {
    let (unary, sum) = (runs.clone(), runs.clone());
    Service::new(name)
        .handle("Who.Am", move |_: Context, (): ()| {
            unary.fetch_add(1, Relaxed);
            async move { Ok::<_, micro::Error>(name.to_owned()) }
        })
        .handle("Who.Sum", move |_: Context, mut all: Streaming<u64>| {
            sum.fetch_add(1, Relaxed);
            async move {
                let mut sum = 0;
                while let Some(one) = all.next().await {
                    sum += one?;
                }
                Ok::<_, micro::Error>(format!("{name} {sum}"))
            }
        })
        .lifecycle(|life| life.deregister_delay = Duration::ZERO)
        .plugins(Plugins::new().registry(registry.clone()))
}

/// A registry that shows a node of `greeter` whose address `counter` has.
struct Reused {
    registry: Memory,
    record: Node,
    stranger: Running,
    runs: Runs,
}

impl Reused {
    async fn new() -> Self {
        let (registry, runs) = (Memory::new(), Runs::default());
        let greeter = service("greeter", &registry, &Runs::default())
            .serve()
            .await;
        let greeter = greeter.unwrap();
        let record = greeter.node().clone();
        greeter.stop().await;
        let stranger = service("counter", &registry, &runs).address(&record.address);
        let stranger = stranger.serve().await.unwrap();
        // As it stays where a process was killed.
        registry.register(&record, None).await.unwrap();
        Reused {
            registry,
            record,
            stranger,
            runs,
        }
    }

    fn client(&self, protocol: &str) -> Client {
        let socket = Socket::new().client_protocol(protocol).unwrap();
        let plugins = Plugins::new()
            .registry(self.registry.clone())
            .socket(socket);
        plugins.client().unwrap()
    }
}

async fn ask(client: &Client, service: &str, timeout: Duration) -> Result<String> {
    let method = client.method::<(), String>(service, "Who.Am");
    method.call(&Context::new(), ()).timeout(timeout).await
}

/// Without another node the call ends with the refusal; with one it goes there.
async fn refuses(protocol: &str) {
    let reused = Reused::new().await;
    let client = reused.client(protocol);
    let error = ask(&client, "greeter", Duration::from_secs(1))
        .await
        .unwrap_err();
    assert_eq!(
        error.reason().as_deref(),
        Some("WRONG_SERVER"),
        "{protocol}: {error}"
    );
    assert_eq!(error.code(), Code::Unavailable, "{protocol}: {error}");
    assert_eq!(error.outcome(), Outcome::Rejected, "{protocol}: {error}");
    let (own, meant) = (&reused.stranger.node().id, &reused.record.id);
    assert!(error.message().contains(own), "{protocol}: {error}");
    assert!(error.message().contains(meant), "{protocol}: {error}");
    let greeter = service("greeter", &reused.registry, &Runs::default());
    let _greeter = greeter.serve().await.unwrap();
    for _ in 0..20 {
        let answer = ask(&client, "greeter", Duration::from_secs(5)).await;
        assert_eq!(answer.unwrap(), "greeter", "{protocol}");
    }
    assert_eq!(reused.runs.load(Relaxed), 0, "{protocol}");
    let stats = client.stats("greeter");
    assert!(stats.ejections >= 1, "{protocol}: {stats:?}");
}

macro_rules! refused_by {
    ($($(#[$of:meta])* $name:ident $protocol:literal)*) => {$(
        $(#[$of])*
        #[tokio::test]
        async fn $name() {
            refuses($protocol).await;
        }
    )*};
}

refused_by! {
    native_request_for_another_service_is_refused "native"
    #[cfg(feature = "grpc")]
    grpc_request_for_another_service_is_refused "grpc"
    #[cfg(feature = "grpc")]
    grpc_web_request_for_another_service_is_refused "grpc-web"
    #[cfg(feature = "grpc")]
    grpc_web_h2_request_for_another_service_is_refused "grpc-web-h2"
    #[cfg(feature = "http")]
    connect_request_for_another_service_is_refused "connect"
    #[cfg(feature = "grpc")]
    connect_h2_request_for_another_service_is_refused "connect-h2"
    #[cfg(feature = "http")]
    plain_request_for_another_service_is_refused "http"
    #[cfg(feature = "http")]
    mucp_request_for_another_service_is_refused "mucp"
}

#[tokio::test]
async fn another_node_of_the_same_service_is_refused() {
    let (registry, runs) = (Memory::new(), Runs::default());
    let second = service("greeter", &registry, &runs)
        .id("2")
        .serve()
        .await
        .unwrap();
    let record = second.node().clone();
    registry.deregister(&record).await.unwrap();
    let mut old = record.clone();
    old.id = "greeter-1".into();
    registry.register(&old, None).await.unwrap();
    let client = Plugins::new().registry(registry.clone()).client().unwrap();
    let error = ask(&client, "greeter", Duration::from_millis(100))
        .await
        .unwrap_err();
    assert_eq!(error.reason().as_deref(), Some("WRONG_SERVER"), "{error}");
    assert_eq!(runs.load(Relaxed), 0);
    registry.register(&record, None).await.unwrap();
    assert_eq!(
        ask(&client, "greeter", Duration::from_secs(5))
            .await
            .unwrap(),
        "greeter"
    );
}

#[tokio::test]
async fn stream_for_another_service_goes_to_the_right_one() {
    let reused = Reused::new().await;
    let greeter = service("greeter", &reused.registry, &Runs::default());
    let _greeter = greeter.serve().await.unwrap();
    // Each client meets the two nodes anew.
    for _ in 0..8 {
        let client = reused.client("native");
        let method = client.method::<Streaming<u64>, String>("greeter", "Who.Sum");
        let (sender, numbers) = Streaming::channel(4);
        let sending = async move {
            for number in [1, 2, 3] {
                sender.send(number).await.unwrap();
            }
        };
        let context = Context::new();
        let (answer, ()) = tokio::join!(async { method.call(&context, numbers).await }, sending);
        assert_eq!(answer.unwrap(), "greeter 6");
    }
    assert_eq!(reused.runs.load(Relaxed), 0);
}

#[tokio::test]
async fn many_calls_at_once_all_pass_the_wrong_server_by() {
    let reused = Reused::new().await;
    let greeter = service("greeter", &reused.registry, &Runs::default());
    let _greeter = greeter.serve().await.unwrap();
    let client = reused.client("native");
    let method = client.method::<(), String>("greeter", "Who.Am");
    let mut calls = tokio::task::JoinSet::new();
    // More than the retry budget has at once.
    for _ in 0..500 {
        let method = method.clone();
        calls.spawn(async move { method.call(&Context::new(), ()).await });
    }
    for answer in calls.join_all().await {
        assert_eq!(answer.unwrap(), "greeter");
    }
    assert_eq!(reused.runs.load(Relaxed), 0);
}

#[tokio::test]
async fn wrong_server_in_this_process_is_refused() {
    let (registry, memory, runs) = (Memory::new(), transport::Memory::new(), Runs::default());
    let plugins = Plugins::new().registry(registry.clone()).transport(memory);
    let serve = async |name, runs: &Runs, address: &str| {
        let service = service(name, &registry, runs).plugins(plugins.clone());
        service.address(address).serve().await.unwrap()
    };
    let greeter = serve("greeter", &Runs::default(), "memory:one").await;
    let record = greeter.node().clone();
    greeter.stop().await;
    let _stranger = serve("counter", &runs, "memory:one").await;
    registry.register(&record, None).await.unwrap();
    let client = plugins.client().unwrap();
    let error = ask(&client, "greeter", Duration::from_millis(100))
        .await
        .unwrap_err();
    assert_eq!(error.reason().as_deref(), Some("WRONG_SERVER"), "{error}");
    let _greeter = serve("greeter", &Runs::default(), "memory:two").await;
    assert_eq!(
        ask(&client, "greeter", Duration::from_secs(5))
            .await
            .unwrap(),
        "greeter"
    );
    assert_eq!(runs.load(Relaxed), 0);
}

#[tokio::test]
async fn event_passes_a_server_that_has_a_subscribers_address_by() {
    let registry = Memory::new();
    let plugins = |registry: &Memory| Plugins::new().registry(registry.clone());
    let handled = Runs::default();
    let subscriber = |handled: &Runs| {
        let handled = handled.clone();
        Service::new("mailer")
            .subscribe_queue("done", "mail", move |_: Context, _: String| {
                handled.fetch_add(1, Relaxed);
                async { Ok::<_, micro::Error>(()) }
            })
            .lifecycle(|life| life.deregister_delay = Duration::ZERO)
            .plugins(plugins(&registry).direct(|direct| direct.deregister_delay = Duration::ZERO))
    };
    let first = subscriber(&Runs::default()).serve().await.unwrap();
    let record = registry.get("topic:done").await.unwrap().remove(0);
    first.stop().await;
    let stranger = service("counter", &registry, &Runs::default()).address(&record.address);
    let _stranger = stranger.serve().await.unwrap();
    registry.register(&record, None).await.unwrap();
    let _second = subscriber(&handled).serve().await.unwrap();
    let client = plugins(&registry).client().unwrap();
    for published in 1..=10 {
        let told = client
            .publish(&Context::new(), "done", &"x".to_owned())
            .await;
        assert_eq!(told.unwrap(), 1);
        assert_eq!(handled.load(Relaxed), published);
    }
}

#[tokio::test]
async fn node_that_comes_back_to_its_address_is_called_again() {
    let reused = Reused::new().await;
    let client = reused.client("native");
    let first = ask(&client, "greeter", Duration::from_millis(100)).await;
    assert!(first.is_err());
    let Reused {
        registry,
        record,
        stranger,
        runs,
    } = reused;
    stranger.stop().await;
    let id = record.id.strip_prefix("greeter-").unwrap();
    let back = service("greeter", &registry, &Runs::default()).id(id);
    let _back = back.address(&record.address).serve().await.unwrap();
    assert_eq!(
        ask(&client, "greeter", Duration::from_secs(5))
            .await
            .unwrap(),
        "greeter"
    );
    assert_eq!(runs.load(Relaxed), 0);
}

/// Names of which no server has heard are nobody's to compare.
#[tokio::test]
async fn names_of_a_list_and_addresses_are_served_as_they_come() {
    let (registry, runs) = (Memory::new(), Runs::default());
    let counter = service("counter", &registry, &runs).serve().await.unwrap();
    let address = counter.node().address.clone();
    let list = Static::new([Node::new("alias", "alias-1", &*address)]).unwrap();
    for protocol in Socket::CLIENT_PROTOCOLS {
        let socket = Socket::new().client_protocol(protocol);
        let Ok(socket) = socket else { continue };
        let plugins = Plugins::new().registry(list.clone()).socket(socket);
        let client = plugins.client().unwrap();
        let answer = ask(&client, "alias", Duration::from_secs(5)).await;
        assert_eq!(answer.unwrap(), "counter", "{protocol}");
        let method = client.method::<(), String>("anything", "Who.Am");
        let answer = method.call(&Context::new(), ()).address(&address).await;
        assert_eq!(answer.unwrap(), "counter", "{protocol}");
    }
}

#[tokio::test]
async fn node_behind_a_given_address_is_known_by_its_service() {
    let (registry, runs) = (Memory::new(), Runs::default());
    let counter = service("counter", &registry, &runs).serve().await.unwrap();
    let address = counter.node().address.clone();
    registry.deregister(counter.node()).await.unwrap();
    let behind = service("counter", &registry, &Runs::default()).advertise(&address);
    let behind = behind.serve().await.unwrap();
    let client = Plugins::new().registry(registry.clone()).client().unwrap();
    assert_eq!(
        ask(&client, "counter", Duration::from_secs(5))
            .await
            .unwrap(),
        "counter"
    );
    let mut other = behind.node().clone();
    other.service = "greeter".into();
    registry.register(&other, None).await.unwrap();
    let error: Error = ask(&client, "greeter", Duration::from_millis(100))
        .await
        .unwrap_err();
    assert_eq!(error.reason().as_deref(), Some("WRONG_SERVER"), "{error}");
}

/// The names of the caller's intent are no metadata, and go no further.
#[cfg(feature = "http")]
#[tokio::test]
async fn addressing_is_no_metadata() {
    let registry = Memory::new();
    let seen = Service::new("seen")
        .handle("Who.Seen", |cx: Context, (): ()| async move {
            let names = cx.metadata().iter().map(|(name, _)| name.to_lowercase());
            let names: Vec<_> = names.filter(|name| name.starts_with("micro-")).collect();
            Ok::<_, micro::Error>(names.join(" "))
        })
        .plugins(Plugins::new().registry(registry.clone()));
    let _seen = seen.serve().await.unwrap();
    for protocol in Socket::CLIENT_PROTOCOLS {
        let Ok(socket) = Socket::new().client_protocol(protocol) else {
            continue;
        };
        let plugins = Plugins::new().registry(registry.clone()).socket(socket);
        let client = plugins.client().unwrap();
        let method = client.method::<(), String>("seen", "Who.Seen");
        let context = Context::new().with("Micro-To-Service", "other");
        let answer = method.call(&context, ()).await.unwrap();
        let of_mucp = [
            "micro-service",
            "micro-method",
            "micro-endpoint",
            "micro-id",
        ];
        let others = answer
            .split_whitespace()
            .filter(|name| !of_mucp.contains(name));
        let others: Vec<_> = others.collect();
        assert!(others.is_empty(), "{protocol}: {others:?}");
    }
}
