//! Messages of one call that are compressed and plain, as either side chooses and sees them.

use micro::{
    Context, Plugins, Reply, Result, Router, Running, Service, Streaming, Wire, protocols::Grpc,
    registry::Memory,
};

use super::{
    greeter::{Greeting, Hello, from_fn, greeting, hello},
    soon,
};

/// Whether messages came compressed, as text; what is to be, as the first letter of a name: `c` or `p`.
fn seen(cx: &Context) -> String {
    match cx.wire() {
        Some(wire) if wire.came_compressed() => "compressed".into(),
        Some(_) => "plain".into(),
        None => "not shown".into(),
    }
}

fn choose(wire: &Wire, name: &str) {
    wire.compress(name.starts_with('c'));
}

async fn one(cx: Context, hello: Hello) -> Result<Greeting> {
    if let Some(wire) = cx.wire() {
        choose(wire, &hello.name);
    }
    Ok(greeting(seen(&cx)))
}

async fn echo(cx: Context, mut names: Streaming<Hello>) -> Result<Reply<Streaming<Greeting>>> {
    let wire = cx.wire().cloned().unwrap_or_default();
    wire.compress(true);
    let mut all = Vec::new();
    while let Some(hello) = names.next().await.transpose()? {
        all.push((hello.name, seen(&cx)));
    }
    let mut all = all.into_iter();
    let answers = Streaming::new(from_fn(move || {
        let (name, seen) = all.next()?;
        choose(&wire, &name);
        Some(Ok(greeting(seen)))
    }));
    Ok(Reply::new(answers))
}

async fn serve() -> Running {
    let router = Router::new()
        .handle("Greeter.One", one)
        .handle("Greeter.Echo", echo);
    Service::new("greeter")
        .plugins(Plugins::new().registry(Memory::new()))
        .routes(router)
        .serve()
        .await
        .unwrap()
}

fn client() -> micro::Client {
    let plugins = Plugins::new()
        .registry(Memory::new())
        .transport(Grpc::new());
    plugins.client().unwrap()
}

#[tokio::test]
async fn each_side_chooses_and_sees_whether_a_message_is_compressed() {
    let (running, client) = (serve().await, client());
    let one = client.method::<Hello, Greeting>("greeter", "Greeter.One");
    for (request, name, answered) in [
        (None, "plain", "plain"),
        (None, "compressed", "plain"),
        (Some(true), "plain", "compressed"),
        (Some(true), "compressed", "compressed"),
        (Some(false), "compressed", "plain"),
    ] {
        let wire = Wire::new();
        if let Some(compress) = request {
            wire.compress(compress);
        }
        let cx = Context::new();
        let call = one.call(&cx, hello(name)).wire(&wire);
        let call = call.address(&running.node().address);
        let answer = soon(call.into_future()).await.unwrap();
        assert_eq!(answer, greeting(answered), "{request:?}, {name}");
        assert_eq!(wire.came_compressed(), name == "compressed", "{request:?}");
    }
    running.stop().await;
}

#[tokio::test]
async fn each_message_of_a_stream_is_compressed_or_not_by_itself() {
    let (running, client) = (serve().await, client());
    let echo = client.method::<Streaming<Hello>, Streaming<Greeting>>("greeter", "Greeter.Echo");
    let wire = Wire::new();
    wire.compress(false);
    let mut names = ["compressed", "plain", "compressed", "plain"].into_iter();
    let chooses = wire.clone();
    let sent = Streaming::new(from_fn(move || {
        let name = names.next()?;
        choose(&chooses, name);
        Some(Ok(hello(name)))
    }));
    let cx = Context::new();
    let call = echo.call(&cx, sent).wire(&wire);
    let call = call.address(&running.node().address);
    let mut answers = soon(call.into_future()).await.unwrap();
    for name in ["compressed", "plain", "compressed", "plain"] {
        let answer = soon(answers.next()).await.unwrap().unwrap();
        assert_eq!(answer, greeting(name));
        assert_eq!(wire.came_compressed(), name == "compressed");
    }
    assert!(soon(answers.next()).await.is_none());
    running.stop().await;
}

#[tokio::test]
async fn a_call_within_a_call_is_not_seen_on_the_wire_of_the_first() {
    let (running, client) = (serve().await, client());
    let one = client.method::<Hello, Greeting>("greeter", "Greeter.One");
    let wire = Wire::new();
    wire.compress(true);
    let cx = Context::new();
    let at = &running.node().address;
    let first = one.call(&cx, hello("compressed")).wire(&wire).address(at);
    assert_eq!(first.await.unwrap(), greeting("compressed"));
    let second = one.call(&cx, hello("plain")).address(at);
    assert_eq!(second.await.unwrap(), greeting("not shown"));
    running.stop().await;
}
