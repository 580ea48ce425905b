//! Layers around calls, on both sides.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use micro::{
    Answer, Body, Call, Client, Code, ContentType, Context, Error, Outcome, Plugins, Request,
    Response, Result, Service, Target,
    middleware::{Layers, Next, from_fn},
    registry,
    transport::Memory,
};
use tokio::sync::{Notify, oneshot};
use tower::{
    layer::util::Identity, limit::ConcurrencyLimitLayer, load_shed::LoadShedLayer,
    timeout::TimeoutLayer,
};

/// Answers with the request's metadata `steps`.
struct Steps;

impl Call for Steps {
    fn call(&self, request: Request) -> Answer {
        let steps = request.context().metadata().get("steps").unwrap_or("");
        let body = Body::from(steps.as_bytes().to_vec());
        Box::pin(async { Ok(Response::new(ContentType::Bytes, body)) })
    }
}

/// Answers when it is told to, and says when it was asked.
#[derive(Default)]
struct Waits {
    asked: Arc<Notify>,
    go_on: Arc<Notify>,
}

impl Call for Waits {
    fn call(&self, _: Request) -> Answer {
        let (asked, go_on) = (self.asked.clone(), self.go_on.clone());
        Box::pin(async move {
            asked.notify_one();
            go_on.notified().await;
            Ok(Response::new(ContentType::Bytes, Body::empty()))
        })
    }
}

fn request() -> Request {
    Request::new(Target::new("a", "A.B"), ContentType::Bytes, Body::empty())
}

/// A layer that adds a step to the metadata.
fn step(name: &'static str) -> impl micro::middleware::Layer {
    from_fn(move |mut request: Request, next: Next| async move {
        let metadata = request.context_mut().metadata_mut();
        let steps = metadata.get("steps").unwrap_or("").to_owned();
        metadata.insert("steps", &format!("{steps}{name}"));
        next.run(request).await
    })
}

async fn text(answer: Answer) -> String {
    let body = answer.await.unwrap().into_parts().1.into_bytes().unwrap();
    String::from_utf8(body.to_vec()).unwrap()
}

#[tokio::test]
async fn layers_run_in_the_order_they_were_added() {
    let layers = Layers::new().with(step("a")).with(step("b"));
    let stack = layers.with(Identity::new()).with(step("c"));
    assert_eq!(
        text(stack.stack(Arc::new(Steps)).call(request())).await,
        "abc"
    );
}

#[tokio::test]
async fn without_layers_the_stack_is_the_call_itself() {
    let call: Arc<dyn Call> = Arc::new(Steps);
    assert!(Arc::ptr_eq(&Layers::new().stack(call.clone()), &call));
}

#[tokio::test]
async fn layer_may_answer_itself_and_its_error_passes_unchanged() {
    let guard = from_fn(async |_: Request, _: Next| {
        let error = Error::unauthenticated("who are you");
        Err::<Response, _>(error.with_outcome(Outcome::Rejected))
    });
    // Through tower's layers too, which box their errors.
    let layers = Layers::new().with(TimeoutLayer::new(Duration::from_secs(9)));
    let layers = layers.with(LoadShedLayer::new()).with(guard);
    let error = layers.stack(Arc::new(Waits::default())).call(request());
    let error = error.await.unwrap_err();
    assert_eq!(error.code(), Code::Unauthenticated);
    assert_eq!(error.outcome(), Outcome::Rejected);
    assert_eq!(error.message(), "who are you");
}

#[tokio::test(start_paused = true)]
async fn towers_timeout_ends_the_call() {
    let layers = Layers::new().with(TimeoutLayer::new(Duration::from_secs(1)));
    let stack = layers.stack(Arc::new(Waits::default()));
    let began = tokio::time::Instant::now();
    let error = stack.call(request()).await.unwrap_err();
    assert_eq!(began.elapsed().as_secs(), 1);
    assert_eq!(error.code(), Code::DeadlineExceeded);
    assert_eq!(error.outcome(), Outcome::Unknown);
}

#[tokio::test]
async fn towers_concurrency_limit_lets_one_wait_for_the_other() {
    let waits = Waits::default();
    let (asked, go_on) = (waits.asked.clone(), waits.go_on.clone());
    let layers = Layers::new().with(ConcurrencyLimitLayer::new(1));
    let stack = layers.stack(Arc::new(waits));
    let first = tokio::spawn(stack.call(request()));
    asked.notified().await;
    let mut second = tokio::spawn(stack.call(request()));
    let early = tokio::time::timeout(Duration::from_millis(50), &mut second).await;
    assert!(early.is_err(), "the second waits for the first");
    go_on.notify_one();
    first.await.unwrap().unwrap();
    asked.notified().await;
    go_on.notify_one();
    second.await.unwrap().unwrap();
}

#[tokio::test]
async fn towers_load_shed_refuses_what_would_wait() {
    let waits = Waits::default();
    let (asked, go_on) = (waits.asked.clone(), waits.go_on.clone());
    let layers = Layers::new().with(LoadShedLayer::new());
    let stack = layers
        .with(step("between"))
        .with(ConcurrencyLimitLayer::new(1))
        .stack(Arc::new(waits));
    let first = tokio::spawn(stack.call(request()));
    asked.notified().await;
    let error = stack.call(request()).await.unwrap_err();
    assert_eq!(error.code(), Code::ResourceExhausted);
    assert_eq!(error.outcome(), Outcome::Rejected);
    assert!(error.is_retryable(false), "another node may take it");
    go_on.notify_one();
    first.await.unwrap().unwrap();
}

async fn steps(cx: Context, (): ()) -> Result<String> {
    Ok(cx.metadata().get("steps").unwrap_or("").to_owned())
}

#[tokio::test]
async fn call_passes_the_callers_layers_and_then_the_services() {
    let plugins = Plugins::new()
        .registry(registry::Memory::new())
        .transport(Memory::new());
    let service = Service::new("steps")
        .plugins(plugins.clone())
        .layer(step("c"))
        .layer(step("d"))
        .handle("Steps.All", steps)
        .lifecycle(|lifecycle| lifecycle.deregister_delay = Duration::ZERO);
    let running = service.serve().await.unwrap();
    assert!(running.node().address.starts_with("memory:"));
    let client = plugins.layer(step("a")).layer(step("b")).client().unwrap();
    let all = client.method::<(), String>("steps", "Steps.All");
    assert_eq!(all.call(&Context::new(), ()).await.unwrap(), "abcd");
    running.stop().await;
}

#[tokio::test]
async fn dropping_a_call_drops_what_its_layers_wait_for() {
    let (sender, dropped) = oneshot::channel::<()>();
    let sender = Arc::new(Mutex::new(Some(sender)));
    let holding = from_fn(move |request: Request, next: Next| {
        let held = sender.lock().unwrap().take();
        async move {
            let answer = next.run(request).await;
            drop(held);
            answer
        }
    });
    let waits = Waits::default();
    let asked = waits.asked.clone();
    let stack = Layers::new().with(holding).stack(Arc::new(waits));
    let client = Client::new(stack);
    let call = tokio::spawn(client.send(request()));
    asked.notified().await;
    call.abort();
    assert!(dropped.await.is_err(), "what the layer held is dropped");
}
