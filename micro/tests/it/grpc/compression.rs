//! Messages of one call that are compressed and plain, as either side chooses and sees them.

use micro::{
    Compression, Context, Plugins, Reply, Result, Router, Running, Service, Streaming,
    protocols::Grpc, registry::Memory,
};

use super::{
    greeter::{Greeting, Hello, from_fn, greeting, hello},
    soon,
};

/// Whether messages came compressed, as text; what is to be, as the first letter of a name: `c` or `p`.
fn seen(cx: &Context) -> String {
    match cx.compression() {
        Some(compression) if compression.came_compressed() => "compressed".into(),
        Some(_) => "plain".into(),
        None => "not shown".into(),
    }
}

fn choose(compression: &Compression, name: &str) {
    compression.compress(name.starts_with('c'));
}

async fn one(cx: Context, hello: Hello) -> Result<Greeting> {
    if let Some(compression) = cx.compression() {
        choose(compression, &hello.name);
    }
    Ok(greeting(seen(&cx)))
}

async fn echo(cx: Context, mut names: Streaming<Hello>) -> Result<Reply<Streaming<Greeting>>> {
    let compression = cx.compression().cloned().unwrap_or_default();
    compression.compress(true);
    let mut all = Vec::new();
    while let Some(hello) = names.next().await.transpose()? {
        all.push((hello.name, seen(&cx)));
    }
    let mut all = all.into_iter();
    let answers = Streaming::new(from_fn(move || {
        let (name, seen) = all.next()?;
        choose(&compression, &name);
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
        let compression = Compression::new();
        if let Some(compress) = request {
            compression.compress(compress);
        }
        let cx = Context::new();
        let call = one.call(&cx, hello(name)).compression(&compression);
        let call = call.address(&running.node().address);
        let answer = soon(call.into_future()).await.unwrap();
        assert_eq!(answer, greeting(answered), "{request:?}, {name}");
        assert_eq!(
            compression.came_compressed(),
            name == "compressed",
            "{request:?}"
        );
    }
    running.stop().await;
}

#[tokio::test]
async fn each_message_of_a_stream_is_compressed_or_not_by_itself() {
    let (running, client) = (serve().await, client());
    let echo = client.method::<Streaming<Hello>, Streaming<Greeting>>("greeter", "Greeter.Echo");
    let compression = Compression::new();
    compression.compress(false);
    let mut names = ["compressed", "plain", "compressed", "plain"].into_iter();
    let chooses = compression.clone();
    let sent = Streaming::new(from_fn(move || {
        let name = names.next()?;
        choose(&chooses, name);
        Some(Ok(hello(name)))
    }));
    let cx = Context::new();
    let call = echo.call(&cx, sent).compression(&compression);
    let call = call.address(&running.node().address);
    let mut answers = soon(call.into_future()).await.unwrap();
    for name in ["compressed", "plain", "compressed", "plain"] {
        let answer = soon(answers.next()).await.unwrap().unwrap();
        assert_eq!(answer, greeting(name));
        assert_eq!(compression.came_compressed(), name == "compressed");
    }
    assert!(soon(answers.next()).await.is_none());
    running.stop().await;
}

#[tokio::test]
async fn call_within_a_call_is_not_seen_on_the_wire_of_the_first() {
    let (running, client) = (serve().await, client());
    let one = client.method::<Hello, Greeting>("greeter", "Greeter.One");
    let compression = Compression::new();
    compression.compress(true);
    let cx = Context::new();
    let at = &running.node().address;
    let first = one
        .call(&cx, hello("compressed"))
        .compression(&compression)
        .address(at);
    assert_eq!(first.await.unwrap(), greeting("compressed"));
    let second = one.call(&cx, hello("plain")).address(at);
    assert_eq!(second.await.unwrap(), greeting("not shown"));
    running.stop().await;
}
