//! Start and stop hooks, background tasks, the leaving signal, and services that end by a signal.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use micro::{
    Code, Context, Error, Plugins, Result, Service, Streaming,
    registry::{self, Registry},
    transport,
};

/// What happened, in order.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    fn add(&self, entry: impl Into<String>) {
        self.0.lock().unwrap().push(entry.into());
    }

    fn entries(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

fn service(plugins: &Plugins) -> Service {
    Service::new("hooked")
        .plugins(plugins.clone())
        .lifecycle(|life| life.deregister_delay = Duration::ZERO)
}

fn plugins() -> (Plugins, registry::Memory) {
    let registry = registry::Memory::new();
    let plugins = Plugins::new()
        .registry(registry.clone())
        .transport(transport::Memory::new());
    (plugins, registry)
}

#[tokio::test]
async fn hooks_and_tasks_run_in_order() {
    let (plugins, registry) = plugins();
    let log = Log::default();
    let (first, second, task, stop) = (log.clone(), log.clone(), log.clone(), log.clone());
    let running = service(&plugins)
        .on_start(async move || {
            let nodes = registry.get("hooked").await?;
            first.add(format!("start, {} registered", nodes.len()));
            Ok::<_, Error>(())
        })
        .on_start(async move || {
            second.add("start again");
            Ok::<_, Error>(())
        })
        .task("sweep", async move |leaving| {
            leaving.wait().await;
            task.add("task ends");
            Ok::<_, Error>(())
        })
        .on_stop(async move || {
            stop.add("stop");
            Ok::<_, Error>(())
        })
        .serve()
        .await
        .unwrap();
    running.stop().await;
    assert_eq!(
        log.entries(),
        ["start, 0 registered", "start again", "task ends", "stop"]
    );
}

#[tokio::test]
async fn failed_start_hook_ends_the_start() {
    let (plugins, registry) = plugins();
    let log = Log::default();
    let task = log.clone();
    let started = service(&plugins)
        .on_start(async || Err::<(), _>(Error::unavailable("no database")))
        .task("sweep", async move |_| {
            task.add("task");
            Ok::<_, Error>(())
        })
        .serve()
        .await;
    let error = started.err().unwrap();
    assert_eq!(error.code(), Code::Unavailable);
    assert!(error.message().contains("no database"), "{error}");
    assert_eq!(registry.list().await.unwrap(), Vec::<String>::new());
    assert!(log.entries().is_empty());
}

/// What the health of the service warns of.
async fn warnings(running: &micro::Running) -> serde_json::Value {
    let health = running.client().method("hooked", "Debug.Health");
    let mut health: serde_json::Value = health.call(&Context::new(), ()).await.unwrap();
    health["warnings"].take()
}

#[tokio::test]
async fn task_that_fails_is_a_warning_of_the_health() {
    let (plugins, _) = plugins();
    let running = service(&plugins)
        .task("sweep", async |_| Err::<(), _>(Error::internal("broken")))
        .task("count", async |_| -> Result<()> { panic!("broken") })
        .serve()
        .await
        .unwrap();
    let both = async {
        while warnings(&running).await.as_array().unwrap().len() < 2 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), both)
        .await
        .unwrap();
    let text = warnings(&running).await.to_string();
    assert!(text.contains("`sweep` failed"), "{text}");
    assert!(text.contains("`count` panicked"), "{text}");
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn task_that_does_not_end_is_aborted_at_the_limit() {
    let (plugins, _) = plugins();
    let log = Log::default();
    let (dropped, stop) = (log.clone(), log.clone());
    struct OnDrop(Log);
    impl Drop for OnDrop {
        fn drop(&mut self) {
            self.0.add("aborted");
        }
    }
    let running = service(&plugins)
        .lifecycle(|life| life.drain = Duration::from_secs(3))
        .task("endless", async move |_| {
            let _guard = OnDrop(dropped);
            std::future::pending::<Result<()>>().await
        })
        .on_stop(async move || {
            stop.add("stop");
            Ok::<_, Error>(())
        })
        .serve()
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_millis(1)).await;
    let began = tokio::time::Instant::now();
    running.stop().await;
    let took = began.elapsed();
    assert!(took >= Duration::from_secs(3), "{took:?}");
    assert!(took < Duration::from_secs(5), "{took:?}");
    let mut entries = log.entries();
    entries.sort();
    assert_eq!(entries, ["aborted", "stop"]);
}

#[tokio::test]
async fn endless_stream_ends_when_the_service_leaves() {
    for protocol in ["native", "grpc", "memory"] {
        let plugins = Plugins::new().registry(registry::Memory::new());
        let plugins = match protocol {
            "memory" => plugins.transport(transport::Memory::new()),
            other => plugins.socket(micro::Socket::new().client_protocol(other).unwrap()),
        };
        async fn ticks(cx: Context, _: ()) -> Result<Streaming<u32>> {
            let (sender, stream) = Streaming::channel(1);
            sender.send(1).await?;
            tokio::spawn(async move {
                cx.leaving().await;
                sender.fail(Error::unavailable("leaving")).await
            });
            Ok(stream)
        }
        let running = service(&plugins).handle("Clock.Ticks", ticks).serve();
        let running = running.await.unwrap();
        let ticks = running.client().method("hooked", "Clock.Ticks");
        let mut stream: Streaming<u32> = ticks.call(&Context::new(), ()).await.unwrap();
        assert_eq!(stream.next().await.unwrap().unwrap(), 1, "{protocol}");
        let reading = async { stream.next().await.unwrap().unwrap_err() };
        let (error, ()) = tokio::join!(reading, running.stop());
        assert_eq!(error.code(), Code::Unavailable, "{protocol}: {error}");
    }
}

#[tokio::test]
async fn sender_learns_that_its_caller_has_gone() {
    for protocol in ["native", "grpc", "connect", "memory"] {
        let plugins = Plugins::new().registry(registry::Memory::new());
        let plugins = match protocol {
            "memory" => plugins.transport(transport::Memory::new()),
            other => plugins.socket(micro::Socket::new().client_protocol(other).unwrap()),
        };
        let log = Log::default();
        let closed = log.clone();
        let ticks = move |_: Context, _: ()| {
            let closed = closed.clone();
            async move {
                let (sender, stream) = Streaming::channel(1);
                sender.send(1).await?;
                tokio::spawn(async move {
                    sender.closed().await;
                    closed.add("closed");
                });
                Ok::<Streaming<u32>, Error>(stream)
            }
        };
        let running = service(&plugins).handle("Clock.Ticks", ticks).serve();
        let running = running.await.unwrap();
        let ticks = running.client().method("hooked", "Clock.Ticks");
        let mut stream: Streaming<u32> = ticks.call(&Context::new(), ()).await.unwrap();
        assert_eq!(stream.next().await.unwrap().unwrap(), 1, "{protocol}");
        assert!(log.entries().is_empty());
        drop(stream);
        let seen = async {
            while log.entries().is_empty() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        let seen = tokio::time::timeout(Duration::from_secs(5), seen).await;
        assert!(seen.is_ok(), "{protocol}");
        running.stop().await;
    }
}
