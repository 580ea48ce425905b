//! The layer that injects faults.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    time::Duration,
};

use micro::{
    Code, Context, Error, Outcome, Plugins, Router, Service, middleware::Fault, registry, transport,
};

/// A router whose endpoints count their calls.
fn router(count: &Arc<AtomicU32>) -> Router {
    let count = count.clone();
    let handler = move |_: Context, (): ()| {
        count.fetch_add(1, Relaxed);
        async { Ok::<_, Error>(()) }
    };
    Router::new()
        .handle("Shop.Order", handler.clone())
        .handle("Shop.List", handler)
}

async fn failures(router: &Router, endpoint: &str, calls: u32) -> u32 {
    let mut failed = 0;
    for _ in 0..calls {
        let answer = router.call::<(), ()>(&Context::new(), endpoint, ()).await;
        failed += u32::from(answer.is_err());
    }
    failed
}

#[tokio::test]
async fn faults_hit_their_share_of_calls_and_repeat_with_a_seed() {
    let count = Arc::default();
    let faults = || Fault::new().seed(7).error(0.3, Code::Unavailable);
    let first = failures(&router(&count).layer(faults()), "Shop.Order", 1000).await;
    assert!((250..350).contains(&first), "{first}");
    assert_eq!(
        count.load(Relaxed),
        1000 - first,
        "a failed call did no work"
    );
    let second = failures(&router(&count).layer(faults()), "Shop.Order", 1000).await;
    assert_eq!(first, second);
    for (share, expected) in [(0.0, 0), (1.0, 100)] {
        let faults = Fault::new().error(share, Code::Unavailable);
        let failed = failures(&router(&count).layer(faults), "Shop.Order", 100).await;
        assert_eq!(failed, expected);
    }
}

#[tokio::test]
async fn faults_hit_only_the_endpoints_and_headers_they_name() {
    let count = Arc::default();
    let always = || Fault::new().error(1.0, Code::Internal);
    let router_of = |fault| router(&count).layer(fault);
    let named = router_of(always().endpoint("Shop.Order"));
    assert_eq!(failures(&named, "Shop.Order", 5).await, 5);
    assert_eq!(failures(&named, "Shop.List", 5).await, 0);
    let prefix = router_of(always().endpoint("Shop.*"));
    assert_eq!(failures(&prefix, "Shop.List", 5).await, 5);
    let marked = router_of(always().header("x-fault", "on"));
    assert_eq!(failures(&marked, "Shop.List", 5).await, 0);
    let cx = Context::new().with("X-Fault", "on");
    let answer = marked.call::<(), ()>(&cx, "Shop.List", ()).await;
    let error = answer.unwrap_err();
    assert_eq!((error.code(), error.origin()), (Code::Internal, "fault"));
}

#[tokio::test(start_paused = true)]
async fn delay_takes_its_time() {
    let delayed = router(&Arc::default()).layer(Fault::new().delay(1.0, Duration::from_secs(3)));
    let began = tokio::time::Instant::now();
    assert_eq!(failures(&delayed, "Shop.Order", 1).await, 0);
    assert_eq!(began.elapsed(), Duration::from_secs(3));
}

#[tokio::test]
async fn aborted_call_did_its_work_and_has_an_unknown_outcome() {
    let count = Arc::default();
    let plugins = Plugins::new()
        .registry(registry::Memory::new())
        .transport(transport::Memory::new())
        .layer(Fault::new().abort(1.0));
    let service = Service::new("shop").plugins(plugins);
    let running = service.routes(router(&count)).serve().await.unwrap();
    let order = running.client().method::<(), ()>("shop", "Shop.Order");
    let error = order.call(&Context::new(), ()).await.unwrap_err();
    assert_eq!(error.outcome(), Outcome::Unknown);
    assert_eq!(count.load(Relaxed), 1);
    running.stop().await;
}
