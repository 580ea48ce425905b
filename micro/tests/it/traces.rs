//! What a log shows of calls, and what of an error stays in it.

use std::{
    fmt::Write,
    io,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use micro::{
    Client, Code, Context, Error, Handler, Plugins, Result, Running, Service, Socket, Streaming,
    Trace, registry::Memory,
};
use tracing::{Level, field, span, subscriber::DefaultGuard};

/// Every event as a line, with the spans it is in, and every span when it ends with what was recorded of it.
#[derive(Clone)]
struct Log {
    level: Level,
    lines: Arc<Mutex<Vec<String>>>,
    spans: Arc<Mutex<Vec<(u64, String)>>>,
    next: Arc<AtomicU64>,
}

struct Fields<'a>(&'a mut String);

impl field::Visit for Fields<'_> {
    fn record_debug(&mut self, field: &field::Field, value: &dyn std::fmt::Debug) {
        write!(self.0, " {}={value:?}", field.name()).unwrap();
    }
}

impl tracing::Subscriber for Log {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        *metadata.level() <= self.level && metadata.target().starts_with("micro")
    }

    fn new_span(&self, attributes: &span::Attributes<'_>) -> span::Id {
        let id = self.next.fetch_add(1, Relaxed) + 1;
        let mut text = attributes.metadata().name().to_owned();
        attributes.record(&mut Fields(&mut text));
        self.spans.lock().unwrap().push((id, text));
        span::Id::from_u64(id)
    }

    fn record(&self, id: &span::Id, values: &span::Record<'_>) {
        let mut spans = self.spans.lock().unwrap();
        let (_, text) = spans
            .iter_mut()
            .find(|(own, _)| *own == id.into_u64())
            .unwrap();
        values.record(&mut Fields(text));
    }

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        let mut text = event.metadata().level().to_string();
        event.record(&mut Fields(&mut text));
        self.lines.lock().unwrap().push(text);
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

impl Log {
    /// What this thread logs from now on, up to a level.
    fn new(level: Level) -> (Self, DefaultGuard) {
        let log = Log {
            level,
            lines: Arc::default(),
            spans: Arc::default(),
            next: Arc::default(),
        };
        let guard = tracing::subscriber::set_default(log.clone());
        (log, guard)
    }

    /// The lines with a text, which are taken out.
    fn take(&self, text: &str) -> Vec<String> {
        let mut lines = self.lines.lock().unwrap();
        lines.extract_if(.., |line| line.contains(text)).collect()
    }

    fn span(&self, name: &str) -> String {
        let spans = self.spans.lock().unwrap();
        let mut named = spans.iter().filter(|(_, text)| text.starts_with(name));
        let (_, text) = named.next().unwrap();
        assert!(named.next().is_none(), "{spans:?}");
        text.clone()
    }
}

const SECRET: &str = "postgres://admin:PASSWORD@db";

fn failure() -> Error {
    Error::internal("cannot load").with_source(io::Error::other(SECRET))
}

/// Fails in every way that a handler can.
async fn failing(registry: &Memory) -> Running {
    let later = async |_: Context, _: String| {
        tokio::task::yield_now().await;
        Err::<String, _>(failure())
    };
    let stream = async |_: Context, _: String| {
        let (sender, stream) = Streaming::<String>::channel(4);
        tokio::spawn(async move {
            sender.send("x".into()).await.unwrap();
            sender.fail(failure()).await.unwrap();
        });
        Ok::<_, micro::Error>(stream)
    };
    Service::new("failing")
        .plugins(Plugins::new().registry(registry.clone()))
        .lifecycle(|life| life.deregister_delay = std::time::Duration::ZERO)
        .handle("Fail.Now", async |_: Context, _: String| {
            Err::<String, _>(failure())
        })
        .handle("Fail.Later", later)
        .handle("Fail.Stream", stream)
        .handle("Fail.Panic", panics)
        .handle("Fail.Blocking", panics.blocking())
        .serve()
        .await
        .unwrap()
}

async fn panics(_: Context, _: String) -> Result<String> {
    panic!("{SECRET}")
}

fn context() -> Context {
    Context::new().with_trace(Trace::new([0xab; 16], [1; 8], 1))
}

async fn call(client: &Client, endpoint: &str) -> Error {
    let method = client.method::<String, String>("failing", endpoint);
    method.call(&context(), "x".into()).await.unwrap_err()
}

#[tokio::test]
async fn cause_of_an_error_is_logged_and_does_not_travel() {
    let (log, _guard) = Log::new(Level::INFO);
    let registry = Memory::new();
    let _running = failing(&registry).await;
    for protocol in Socket::CLIENT_PROTOCOLS {
        let socket = Socket::new().client_protocol(protocol).unwrap();
        let plugins = Plugins::new().registry(registry.clone()).socket(socket);
        let client = plugins.client().unwrap();
        for endpoint in ["Fail.Now", "Fail.Later"] {
            let error = call(&client, endpoint).await;
            assert_eq!(error.code(), Code::Internal, "{protocol}: {error}");
            assert_eq!(error.message(), "cannot load", "{protocol}");
            assert!(
                !format!("{error:?}").contains("PASSWORD"),
                "{protocol}: {error}"
            );
            assert_logged(&log, endpoint);
        }
    }
}

/// One line has the cause, the endpoint and the trace.
fn assert_logged(log: &Log, endpoint: &str) {
    let lines = log.take("PASSWORD");
    let [line] = &lines[..] else {
        panic!("{endpoint}: {lines:?}");
    };
    assert!(line.starts_with("ERROR"), "{line}");
    assert!(line.contains(endpoint), "{line}");
    assert!(line.contains(&"ab".repeat(16)), "{line}");
}

#[tokio::test]
async fn cause_of_a_broken_stream_is_logged_and_does_not_travel() {
    let (log, _guard) = Log::new(Level::INFO);
    let registry = Memory::new();
    let _running = failing(&registry).await;
    let plugins = Plugins::new().registry(registry.clone());
    let client = plugins.client().unwrap();
    let method = client.method::<String, Streaming<String>>("failing", "Fail.Stream");
    let mut stream = method.call(&context(), "x".into()).await.unwrap();
    assert_eq!(stream.next().await.unwrap().unwrap(), "x");
    let error = stream.next().await.unwrap().unwrap_err();
    assert_eq!(error.message(), "cannot load");
    assert!(!error.to_string().contains("PASSWORD"), "{error}");
    assert_logged(&log, "Fail.Stream");
}

#[tokio::test]
async fn text_of_a_panic_is_logged_and_does_not_travel() {
    let (log, _guard) = Log::new(Level::INFO);
    let registry = Memory::new();
    let _running = failing(&registry).await;
    let plugins = Plugins::new().registry(registry.clone());
    let client = plugins.client().unwrap();
    for endpoint in ["Fail.Panic", "Fail.Blocking"] {
        let error = call(&client, endpoint).await;
        let expected = format!("the handler of `{endpoint}` panicked");
        assert_eq!(
            (error.code(), error.message()),
            (Code::Internal, &*expected)
        );
        assert_logged(&log, endpoint);
    }
}

#[tokio::test]
async fn cause_of_a_refused_event_does_not_reach_its_publisher() {
    let (log, _guard) = Log::new(Level::DEBUG);
    let registry = Memory::new();
    let plugins = Plugins::new().registry(registry.clone());
    let service = Service::new("listener")
        .plugins(plugins.clone())
        .subscribe_queue("news", "all", async |_: Context, _: String| {
            Err::<(), _>(failure())
        });
    let _running = service.serve().await.unwrap();
    let client = plugins.client().unwrap();
    let context = Context::new().with_timeout(std::time::Duration::from_millis(500));
    // Whether it counts as received is the broker's to say: here it matters what its calls are answered.
    let _ = client.publish(&context, "news", &"x".to_owned()).await;
    let attempts = log.take("attempt failed");
    assert!(!attempts.is_empty());
    for attempt in attempts {
        assert!(attempt.contains("cannot load"), "{attempt}");
        assert!(!attempt.contains("PASSWORD"), "{attempt}");
    }
}

#[tokio::test]
async fn call_and_handler_have_spans_of_one_trace() {
    let (log, _guard) = Log::new(Level::DEBUG);
    let registry = Memory::new();
    let plugins = Plugins::new().registry(registry.clone());
    let service = Service::new("echo").plugins(plugins.clone()).handle(
        "Echo.Say",
        async |_: Context, text: String| {
            tokio::task::yield_now().await;
            Ok::<_, micro::Error>(text)
        },
    );
    let running = service.serve().await.unwrap();
    let client = plugins.client().unwrap();
    let method = client.method::<String, String>("echo", "Echo.Say");
    method.call(&Context::new(), "x".into()).await.unwrap();
    let (call, request) = (log.span("call"), log.span("request"));
    for span in [&call, &request] {
        for part in [
            "service=\"echo\"",
            "endpoint=\"Echo.Say\"",
            "code=\"ok\"",
            "outcome=\"answered\"",
        ] {
            assert!(span.contains(part), "{span}");
        }
    }
    let attempts = log.take("attempt answered");
    let peer = format!("peer={:?}", running.node().address);
    assert!(
        attempts.len() == 1 && attempts[0].contains(&peer),
        "{attempts:?}"
    );
    let trace = |span: &str| {
        let (_, rest) = span.split_once("trace_id=\"").unwrap();
        rest[..32].to_owned()
    };
    assert_eq!(trace(&call), trace(&request));
    assert_eq!(log.take("ended").len(), 2);
}

#[tokio::test]
async fn nothing_is_made_of_calls_where_debug_is_disabled() {
    let (log, _guard) = Log::new(Level::INFO);
    let registry = Memory::new();
    let _running = failing(&registry).await;
    let plugins = Plugins::new().registry(registry.clone());
    call(&plugins.client().unwrap(), "Fail.Now").await;
    assert!(log.spans.lock().unwrap().is_empty());
    assert!(log.take("ended").is_empty());
}

#[tokio::test]
async fn service_says_once_where_it_listens_and_as_whom() {
    let (log, _guard) = Log::new(Level::INFO);
    let service = Service::new("shop")
        .id("7")
        .version("1.2.3")
        .plugins(Plugins::new().registry(Memory::new()));
    let running = service.serve().await.unwrap();
    let lines = log.take("serving");
    let [line] = &lines[..] else {
        panic!("{lines:?}");
    };
    let node = running.node();
    for part in [
        "\"shop\"",
        "\"shop-7\"",
        "\"1.2.3\"",
        "\"memory\"",
        &node.address,
    ] {
        assert!(line.contains(part), "{line}");
    }
}
