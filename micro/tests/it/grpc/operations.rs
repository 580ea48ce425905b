//! gRPC's health and reflection services: their limits, and how they are switched off.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use micro::{
    Client, Code, Context, Error, Ops, Plugins, Request, Result, Running, Service, Streaming,
    middleware::{Next, from_fn},
    protocols::Grpc,
    registry::Memory,
};
use tokio::time::timeout;

const LONG: Duration = Duration::from_secs(20);

/// A question of reflection: which services there are.
#[derive(Clone, PartialEq, prost::Message, micro::Message)]
struct Question {
    #[prost(string, optional, tag = "7")]
    services: Option<String>,
}

/// What reflection answers, as far as it is of interest.
#[derive(Clone, PartialEq, prost::Message, micro::Message)]
struct Found {
    #[prost(bytes = "vec", tag = "6")]
    services: Vec<u8>,
}

#[derive(Clone, PartialEq, prost::Message, micro::Message)]
struct Check {
    #[prost(string, tag = "1")]
    service: String,
}

#[derive(Clone, PartialEq, prost::Message, micro::Message)]
struct Health {
    #[prost(int32, tag = "1")]
    status: i32,
}

const SERVING: Health = Health { status: 1 };
const NOT_SERVING: Health = Health { status: 2 };

async fn serve(change: impl FnOnce(&mut Ops)) -> (Running, Client) {
    serve_within(100, change).await
}

/// A server that takes so many requests at one time, and whose layer refuses all of them.
async fn serve_within(limit: usize, change: impl FnOnce(&mut Ops)) -> (Running, Client) {
    let refuse = from_fn(async |_: Request, _: Next| {
        Err::<micro::Response, _>(Error::permission_denied("nobody may call"))
    });
    let service = Service::new("greeter")
        .plugins(Plugins::new().registry(Memory::new()))
        .layer(refuse)
        .lifecycle(|life| {
            life.deregister_delay = Duration::ZERO;
            life.concurrency = limit;
        })
        .ops(change);
    let plugins = Plugins::new()
        .registry(Memory::new())
        .transport(Grpc::new());
    (service.serve().await.unwrap(), plugins.client().unwrap())
}

async fn check(client: &Client, address: &str) -> Result<Health> {
    let check = client.method::<Check, Health>("grpc.health.v1", "Health.Check");
    let call = check.call(&Context::new(), Check::default());
    timeout(LONG, call.address(address).into_future())
        .await
        .unwrap()
}

async fn watch(client: &Client, address: &str) -> Result<Streaming<Health>> {
    let watch = client.method::<Check, Streaming<Health>>("grpc.health.v1", "Health.Watch");
    let call = watch.call(&Context::new(), Check::default());
    let mut answers = timeout(LONG, call.address(address).into_future())
        .await
        .unwrap()?;
    let first = timeout(LONG, answers.next()).await.unwrap();
    assert_eq!(first.unwrap()?, SERVING);
    Ok(answers)
}

/// Asks by reflection; the stream lasts for as long as what this gives.
async fn reflect(client: &Client, address: &str) -> Result<impl Sized> {
    let (questions, asked) = Streaming::channel(1);
    let question = Question {
        services: Some("*".into()),
    };
    questions.send(question).await?;
    let reflection = client.method::<Streaming<Question>, Streaming<Found>>(
        "grpc.reflection.v1",
        "ServerReflection.ServerReflectionInfo",
    );
    let call = reflection.call(&Context::new(), asked);
    let mut answers = timeout(LONG, call.address(address).into_future())
        .await
        .unwrap()?;
    let first = timeout(LONG, answers.next()).await.unwrap();
    assert!(!first.unwrap()?.services.is_empty());
    Ok((questions, answers))
}

#[tokio::test]
async fn health_and_reflection_answer_whatever_layers_and_limits_do() {
    let (running, client) = serve_within(0, |_| {}).await;
    let address = &running.node().address;
    assert_eq!(check(&client, address).await.unwrap(), SERVING);
    reflect(&client, address).await.unwrap();
    running.stop().await;
}

#[tokio::test]
async fn health_and_reflection_are_switched_off() {
    let (running, client) = serve(|ops| ops.only("metrics").unwrap()).await;
    let address = &running.node().address;
    let error = check(&client, address).await.unwrap_err();
    assert_eq!(error.code(), Code::Unimplemented);
    let error = reflect(&client, address).await.map(drop).unwrap_err();
    assert_eq!(error.code(), Code::Unimplemented);
    running.stop().await;
}

#[tokio::test]
async fn health_and_reflection_are_served_at_an_address_of_their_own() {
    let (running, client) = serve(|ops| ops.address = Some("127.0.0.1:0".into())).await;
    let address = &running.node().address;
    let error = check(&client, address).await.unwrap_err();
    assert_eq!(error.code(), Code::Unimplemented);
    let ops = &running.ops_address().unwrap();
    assert_eq!(check(&client, ops).await.unwrap(), SERVING);
    reflect(&client, ops).await.unwrap();
    running.stop().await;
}

#[tokio::test]
async fn failed_health_check_is_not_serving() {
    let works = Arc::new(AtomicBool::new(false));
    let state = works.clone();
    let service = Service::new("greeter")
        .plugins(Plugins::new().registry(Memory::new()))
        .lifecycle(|life| life.deregister_delay = Duration::ZERO)
        .health_check("database", move || {
            let works = state.load(Relaxed);
            async move {
                match works {
                    true => Ok(()),
                    false => Err(Error::unavailable("gone")),
                }
            }
        });
    let running = service.serve().await.unwrap();
    let plugins = Plugins::new().registry(Memory::new());
    let client = plugins.transport(Grpc::new()).client().unwrap();
    let address = &running.node().address;
    assert_eq!(check(&client, address).await.unwrap(), NOT_SERVING);
    let watch = client.method::<Check, Streaming<Health>>("grpc.health.v1", "Health.Watch");
    let call = watch.call(&Context::new(), Check::default());
    let mut statuses = call.address(address).await.unwrap();
    assert_eq!(statuses.next().await.unwrap().unwrap(), NOT_SERVING);
    works.store(true, Relaxed);
    let next = timeout(LONG, statuses.next()).await.unwrap();
    assert_eq!(next.unwrap().unwrap(), SERVING);
    assert_eq!(check(&client, address).await.unwrap(), SERVING);
    running.stop().await;
}

#[tokio::test]
async fn watchers_of_health_leave_probes_their_slots() {
    let (running, client) = serve(|ops| {
        ops.concurrency = 1;
        ops.watches = 2;
    })
    .await;
    let address = &running.node().address;
    let first = watch(&client, address).await.unwrap();
    let second = watch(&client, address).await.unwrap();
    let error = watch(&client, address).await.map(drop).unwrap_err();
    assert_eq!(error.code(), Code::ResourceExhausted);
    assert_eq!(check(&client, address).await.unwrap(), SERVING);
    drop((first, second));
    running.stop().await;
}

#[tokio::test]
async fn streams_of_reflection_are_bounded() {
    let (running, client) = serve(|ops| ops.concurrency = 1).await;
    let address = &running.node().address;
    let held = reflect(&client, address).await.unwrap();
    let error = reflect(&client, address).await.map(drop).unwrap_err();
    assert_eq!(error.code(), Code::ResourceExhausted);
    assert_eq!(check(&client, address).await.unwrap(), SERVING);
    drop(held);
    // Its end is on its way.
    let again = async {
        while reflect(&client, address).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    timeout(LONG, again).await.unwrap();
    running.stop().await;
}
