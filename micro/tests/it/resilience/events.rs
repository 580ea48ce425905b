//! What publishers are told when subscribers fail.

use std::time::Duration;

use micro::{Client, Context, Outcome, Running};
use tokio::time::sleep;

use super::town::{Count, Town, millis};

/// A service on a host that subscribes without a queue, counts what comes and takes long over it.
async fn subscriber(town: &Town, host: &str, id: &str) -> (Running, Count) {
    let count = Count::default();
    let counted = count.clone();
    let plugins = town.plugins(host).direct(|direct| {
        direct.address = format!("{host}:81");
        direct.id = Some(id.to_owned());
    });
    let service = town.service(host, host).plugins(plugins);
    let service = service.subscribe("news", move |_: Context, _: String| {
        counted.add();
        async {
            sleep(Duration::from_secs(60)).await;
            Ok(())
        }
    });
    (service.serve().await.unwrap(), count)
}

async fn publish(client: &Client) -> micro::Error {
    let context = Context::new().with_timeout(millis(300));
    let told = client.publish(&context, "news", &"x".to_owned()).await;
    told.unwrap_err()
}

#[tokio::test(start_paused = true)]
async fn an_event_that_one_has_begun_is_not_said_to_be_unsent_for_another() {
    // Whoever comes first: receivers are asked in the order of their ids.
    for (near_id, far_id) in [("a", "b"), ("b", "a")] {
        let town = Town::new();
        let (_near, begun) = subscriber(&town, "near", near_id).await;
        let (_far, never) = subscriber(&town, "far", far_id).await;
        town.internet.cut("edge", "far", true);
        let error = publish(&town.client()).await;
        assert_eq!((begun.get(), never.get()), (1, 0));
        assert_eq!(error.outcome(), Outcome::Unknown, "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_event_that_reached_nobody_is_said_to_be_unsent() {
    let town = Town::new();
    let (_far, never) = subscriber(&town, "far", "a").await;
    town.internet.cut("edge", "far", true);
    let error = publish(&town.client()).await;
    assert_eq!(never.get(), 0);
    assert_eq!(error.outcome(), Outcome::NotSent, "{error}");
}
