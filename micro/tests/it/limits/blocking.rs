//! Handlers on the blocking pool: what they count for, and what is not begun.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::Relaxed},
        mpsc,
    },
    time::Duration,
};

use bytes::Bytes;
use micro::{
    Client, Code, Context, Handler, Outcome, Plugins, Result, Running, Service, registry::Memory,
};
use serde_json::Value;

const SHORT: Duration = Duration::from_millis(100);

/// A service whose blocking handler waits until it is let go, once for each message.
struct Blocked {
    running: Running,
    client: Client,
    go: mpsc::SyncSender<()>,
    begun: Arc<AtomicUsize>,
}

impl Blocked {
    async fn start(concurrency: usize) -> Self {
        let (go, gone) = mpsc::sync_channel(16);
        let gone = Arc::new(Mutex::new(gone));
        let begun = Arc::new(AtomicUsize::new(0));
        let of_handler = begun.clone();
        let wait = move |_: Context, body: Bytes| {
            let (begun, gone) = (of_handler.clone(), gone.clone());
            async move {
                begun.fetch_add(1, Relaxed);
                let _ = gone.lock().unwrap().recv();
                Ok::<_, micro::Error>(body)
            }
        };
        let running = Service::new("blocked")
            .plugins(Plugins::new().registry(Memory::new()))
            .lifecycle(|life| {
                life.deregister_delay = Duration::ZERO;
                life.concurrency = concurrency;
            })
            .handle("Blocked.Wait", wait.blocking())
            .handle("Blocked.Echo", echo)
            .serve()
            .await
            .unwrap();
        let client = running.client();
        Blocked {
            running,
            client,
            go,
            begun,
        }
    }

    async fn call(&self, endpoint: &str, timeout: Duration) -> Result<Bytes> {
        let method = self.client.method::<Bytes, Bytes>("blocked", endpoint);
        let cx = Context::new();
        let call = method.call(&cx, "x".into());
        call.address(&self.running.node().address)
            .timeout(timeout)
            .await
    }
}

impl Blocked {
    /// Calls that wait for their answer, as the service sees it.
    async fn waiting(&self) -> u64 {
        let method = self.client.method::<Value, Value>("blocked", "Debug.Stats");
        let cx = Context::new();
        let stats = method.call(&cx, serde_json::json!({}));
        let stats = stats.address(&self.running.node().address).await.unwrap();
        let endpoints = stats["endpoints"].as_array().unwrap();
        let mut endpoints = endpoints.iter();
        let wait = endpoints.find(|endpoint| endpoint["name"] == "Blocked.Wait");
        wait.unwrap()["in_flight"].as_u64().unwrap()
    }
}

async fn echo(_: Context, body: Bytes) -> Result<Bytes> {
    Ok(body)
}

#[tokio::test]
async fn blocking_job_holds_its_permit_until_it_really_ends() {
    let blocked = Blocked::start(1).await;
    let long = Duration::from_secs(10);
    assert_eq!(blocked.call("Blocked.Echo", long).await.unwrap(), "x");
    let error = blocked.call("Blocked.Wait", SHORT).await.unwrap_err();
    assert_eq!(error.code(), Code::DeadlineExceeded, "{error}");
    while blocked.begun.load(Relaxed) == 0 {
        tokio::task::yield_now().await;
    }
    // Its caller has gone and it still runs.
    let error = blocked.call("Blocked.Echo", SHORT).await.unwrap_err();
    assert_eq!(error.outcome(), Outcome::Rejected, "{error}");
    assert!(error.to_string().contains("this server's limit"), "{error}");
    blocked.go.send(()).unwrap();
    while blocked.call("Blocked.Echo", long).await.is_err() {}
    blocked.running.stop().await;
}

#[test]
fn blocking_job_whose_caller_gave_up_in_the_queue_never_runs() {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().max_blocking_threads(1).build();
    runtime.unwrap().block_on(async {
        let blocked = Blocked::start(10).await;
        let long = Duration::from_secs(10);
        assert_eq!(blocked.call("Blocked.Echo", long).await.unwrap(), "x");
        let first = blocked.call("Blocked.Wait", long);
        let rest = async {
            while blocked.begun.load(Relaxed) == 0 {
                tokio::task::yield_now().await;
            }
            // One runs out of time, and one is taken back, while the only thread is busy.
            blocked.call("Blocked.Wait", SHORT).await.unwrap_err();
            let cancelled = blocked.call("Blocked.Wait", long);
            assert!(tokio::time::timeout(SHORT, cancelled).await.is_err());
            while blocked.waiting().await > 1 {}
            for _ in 0..2 {
                blocked.go.send(()).unwrap();
            }
            blocked.call("Blocked.Wait", long).await
        };
        let (first, last) = tokio::join!(first, rest);
        assert!(first.is_ok() && last.is_ok(), "{first:?} {last:?}");
        assert_eq!(blocked.begun.load(Relaxed), 2);
        blocked.running.stop().await;
    });
}

#[tokio::test]
async fn blocking_job_is_dropped_at_its_next_await_without_a_caller() {
    struct Dropped(tokio::sync::mpsc::Sender<()>);
    impl Drop for Dropped {
        fn drop(&mut self) {
            let _ = self.0.try_send(());
        }
    }
    let (tell, mut told) = tokio::sync::mpsc::channel(1);
    let hang = move |_: Context, _: Bytes| {
        let dropped = Dropped(tell.clone());
        async move {
            let _dropped = dropped;
            std::future::pending::<Result<Bytes>>().await
        }
    };
    let running = Service::new("blocked")
        .plugins(Plugins::new().registry(Memory::new()))
        .lifecycle(|life| life.deregister_delay = Duration::ZERO)
        .handle("Blocked.Hang", hang.blocking())
        .serve()
        .await
        .unwrap();
    let client = running.client();
    let hang = client.method::<Bytes, Bytes>("blocked", "Blocked.Hang");
    let cx = Context::new();
    let call = hang.call(&cx, Bytes::new());
    let call = call.address(&running.node().address).timeout(SHORT);
    call.await.unwrap_err();
    told.recv().await.unwrap();
    running.stop().await;
}
