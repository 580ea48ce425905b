//! A broker: an event that is sent to oneself.

use std::time::Duration;

use micro::{Client, ContentType, Context, Error, Result, broker::Event};

use super::{CheckResult, Report, advice, timed};

/// Sends an event to itself, as who subscribes and publishes does; `registers` is whether one can be registered, without
/// which some brokers find nobody.
pub(crate) async fn broker(client: &Client, registers: bool, limit: Duration) -> Report {
    let name = client.broker().name().to_owned();
    let mut report = Report::new("broker", name.clone());
    if !registers && ["direct", "http"].contains(&name.as_str()) {
        let why =
            "not tried: it finds subscribers in the registry, and none can be registered from here";
        report.add("subscribes", CheckResult::Skipped(why.to_owned()), None);
        return report;
    }
    let topic = format!("micro-doctor-{}", std::process::id());
    let ill = |error: &Error| match name.as_str() {
        // It has no server of its own: subscribers are in the registry.
        "direct" | "http" => CheckResult::failed(
            error,
            "it finds subscribers in the registry, and calls them: check that they can be reached from here",
        ),
        name => CheckResult::failed(error, advice(name, error)),
    };
    let (subscribed, took) = timed(limit, client.subscribe(&topic, None)).await;
    let mut events = match subscribed {
        Ok(events) => {
            report.add(
                "subscribes",
                CheckResult::Passed(format!("to `{topic}`")),
                Some(took),
            );
            events
        }
        Err(error) => {
            report.add("subscribes", ill(&error), Some(took));
            return report;
        }
    };
    let (sent, took) = timed(limit, async {
        let context = Context::new().with_timeout(limit);
        let event = Event::new(ContentType::Json, "{}").with_context(context);
        let published = async { client.publish_raw(&topic, event).await.map(drop) };
        let received = async {
            let delivery = events.next().await;
            delivery.map(|delivery| delivery.ack()).ok_or_else(ended)
        };
        both(published, received).await
    })
    .await;
    let text = match &sent {
        Ok(()) => CheckResult::Passed("an event came back".to_owned()),
        Err(error) => ill(error),
    };
    report.add("publishes", text, Some(took));
    events.close().await;
    report
}

fn ended() -> Error {
    Error::unavailable("the broker ended the subscription")
}

async fn both(
    one: impl Future<Output = Result<()>>,
    other: impl Future<Output = Result<()>>,
) -> Result<()> {
    tokio::try_join!(one, other).map(drop)
}
