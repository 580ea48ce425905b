//! Events while subscribers cannot be reached.

use std::time::Duration;

use micro::{Context, Running};
use tokio::time::{sleep, timeout};

use super::cluster::{Cluster, Count, millis};

/// A service on a host that subscribes without a queue, counts what comes and takes a second over it.
async fn subscriber(cluster: &Cluster, host: &str, id: &str) -> (Running, Count) {
    let count = Count::default();
    let counted = count.clone();
    let plugins = cluster.plugins(host).direct(|direct| {
        direct.address = Some(format!("{host}:81"));
        direct.id = Some(id.to_owned());
    });
    let service = cluster.service(host, host).plugins(plugins);
    let service = service.subscribe("news", move |_: Context, _: String| {
        counted.add();
        async {
            sleep(Duration::from_secs(1)).await;
            Ok::<_, micro::Error>(())
        }
    });
    (service.serve().await.unwrap(), count)
}

#[tokio::test(start_paused = true)]
async fn event_reaches_a_subscriber_once_it_can_be_reached() {
    let cluster = Cluster::new();
    let (_near, begun) = subscriber(&cluster, "near", "a").await;
    let (_far, late) = subscriber(&cluster, "far", "b").await;
    cluster.network.cut("edge", "far");
    let client = cluster.client();
    let context = Context::new().with_timeout(millis(300));
    let told = client.publish(&context, "news", &"x".to_owned()).await;
    assert_eq!(told.unwrap(), 2);
    assert!(context.time_left().unwrap() > Duration::ZERO);
    assert_eq!((begun.get(), late.get()), (1, 0));
    cluster.network.heal("edge", "far");
    timeout(Duration::from_secs(60), client.broker().flush())
        .await
        .unwrap();
    assert_eq!((begun.get(), late.get()), (1, 1));
}
