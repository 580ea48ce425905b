//! Layers of one endpoint, of a group of routes and of a service; typed values and errors of handlers.

use micro::{
    Code, Context, Error, Handler, Plugins, Request, Result, Router, Service,
    middleware::{Layer, Next, from_fn},
    registry, transport,
};

/// The names of the layers that a request has passed, in order.
#[derive(Clone, Default)]
struct Passed(Vec<&'static str>);

/// Adds its name to what the handler finds in its context.
fn mark(name: &'static str) -> impl Layer {
    from_fn(move |mut request: Request, next: Next| async move {
        let cx = request.context_mut();
        let mut passed = cx.get::<Passed>().cloned().unwrap_or_default();
        passed.0.push(name);
        cx.insert(passed);
        next.run(request).await
    })
}

async fn passed(cx: Context, _: ()) -> Result<String> {
    let passed = cx.get::<Passed>().cloned().unwrap_or_default();
    Ok(passed.0.join(" "))
}

fn router() -> Router {
    let group = Router::new()
        .handle(
            "Group.Both",
            passed.layer(mark("own-1")).layer(mark("own-2")),
        )
        .handle("Group.Plain", passed.idempotent())
        .layer(mark("group-1"))
        .layer(mark("group-2"))
        .handle("Group.Late", passed);
    Router::new().handle("Outer.Plain", passed).merge(group)
}

async fn call(router: &Router, endpoint: &str) -> String {
    let cx = Context::new();
    router.call::<(), String>(&cx, endpoint, ()).await.unwrap()
}

#[tokio::test]
async fn layers_run_from_the_service_to_the_endpoint() {
    let plugins = Plugins::new()
        .registry(registry::Memory::new())
        .transport(transport::Memory::new());
    let service = Service::new("layers")
        .plugins(plugins)
        .layer(mark("service-1"))
        .layer(mark("service-2"))
        .routes(router());
    let running = service.serve().await.unwrap();
    let client = running.client();
    for (endpoint, expected) in [
        (
            "Group.Both",
            "service-1 service-2 group-1 group-2 own-1 own-2",
        ),
        ("Group.Plain", "service-1 service-2 group-1 group-2"),
        ("Outer.Plain", "service-1 service-2"),
    ] {
        let method = client.method::<(), String>("layers", endpoint);
        let answer = method.call(&Context::new(), ()).await.unwrap();
        assert_eq!(answer, expected, "{endpoint}");
    }
    running.stop().await;
}

#[tokio::test]
async fn layers_of_a_router_cover_the_endpoints_it_has_so_far() {
    assert_eq!(call(&router(), "Group.Late").await, "");
    let outer = router().layer(mark("outer"));
    assert_eq!(call(&outer, "Group.Late").await, "outer");
    assert_eq!(
        call(&outer, "Group.Both").await,
        "outer group-1 group-2 own-1 own-2"
    );
}

#[tokio::test]
async fn idempotent_handler_keeps_its_layers() {
    let handler = passed.layer(mark("own")).idempotent().read_only();
    let router = Router::new().handle("A.B", handler);
    assert_eq!(call(&router, "A.B").await, "own");
}

/// A value that must stay in the process.
struct Secret;

async fn has_secret(cx: Context, _: ()) -> Result<bool> {
    Ok(cx.get::<Secret>().is_some())
}

#[tokio::test]
async fn typed_values_of_a_caller_reach_no_other_service() {
    for transport in ["memory", "native", "http", "grpc"] {
        let plugins = Plugins::new().registry(registry::Memory::new());
        let plugins = match transport {
            "memory" => plugins.transport(transport::Memory::new()),
            other => plugins.socket(micro::Socket::new().client_protocol(other).unwrap()),
        };
        // A layer of the client attaches one as well.
        let plugins = plugins.layer(from_fn(async |mut request: Request, next: Next| {
            request.context_mut().insert(Secret);
            next.run(request).await
        }));
        let service = Service::new("values").plugins(plugins);
        let running = service.handle("Values.Has", has_secret).serve().await;
        let running = running.unwrap();
        let mut cx = Context::new();
        cx.insert(Secret);
        let client = running.client();
        let has = client.method::<(), bool>("values", "Values.Has");
        assert!(!has.call(&cx, ()).await.unwrap(), "{transport}");
        running.stop().await;
    }
}

#[derive(Debug)]
struct OutOfStock(u32);

impl From<OutOfStock> for Error {
    fn from(OutOfStock(id): OutOfStock) -> Self {
        Error::failed_precondition(format!("article {id} is out of stock"))
    }
}

#[tokio::test]
async fn handler_returns_any_error_that_converts() {
    async fn order(_: Context, id: u32) -> Result<(), OutOfStock> {
        Err(OutOfStock(id))
    }
    let router = Router::new().handle("Shop.Order", order);
    let cx = Context::new();
    let answer = router.call::<u32, ()>(&cx, "Shop.Order", 7).await;
    let error = answer.unwrap_err();
    assert_eq!(error.code(), Code::FailedPrecondition);
    assert_eq!(error.message(), "article 7 is out of stock");
}

#[tokio::test]
async fn call_of_a_router_names_an_unknown_endpoint() {
    let (router, cx) = (router(), Context::new());
    let answer = router.call::<(), ()>(&cx, "Group.Bath", ()).await;
    let error = answer.unwrap_err();
    assert_eq!(error.code(), Code::NotFound);
    assert!(error.message().contains("`Group.Both`"), "{error}");
}
