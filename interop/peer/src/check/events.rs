//! Events, both ways.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use micro::{Context, Message, broker};
use micro_rs_interop_greeter::{
    EVENTS,
    messages::{Empty, Event, EventsReply, PublishRequest},
};

use super::subject::{Checked, Subject, Verdict, same};

/// Metadata of every event.
const KEY: &str = "X-Event-Key";
/// How long an event may be on its way.
const PATIENCE: Duration = Duration::from_secs(5);

/// A name that no event had before.
fn fresh() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    format!("event-{}", since.map_or(0, |since| since.as_nanos()))
}

fn not_direct(subject: &Subject) -> Result<(), Verdict> {
    match subject.is_direct() {
        true => Err(Verdict::Skip(
            "who subscribes is not known without a registry".into(),
        )),
        false => Ok(()),
    }
}

/// The server receives what we publish.
pub(super) async fn events(subject: &Subject) -> Checked {
    not_direct(subject)?;
    let name = fresh();
    let event = Event { name: name.clone() };
    let (client, content_type) = (subject.client(), subject.content_type().clone());
    let body = event.encode(&content_type, &micro::Codecs::default())?;
    let event = broker::Event::new(content_type, body);
    let event = event.with_context(Context::new().with(KEY, "ours"));
    client.publish_raw(EVENTS, event).await?;
    let wait = async {
        loop {
            let heard: EventsReply = subject.call("Greeter.Events", Empty {}).await?;
            if heard.names.contains(&name) {
                return Ok::<_, Verdict>(heard);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let heard = tokio::time::timeout(PATIENCE, wait).await;
    let heard = heard.map_err(|_| Verdict::Wrong("the server heard nothing".into()))??;
    let mut entries = heard.metadata.iter();
    let key = entries.find(|(key, _)| key.eq_ignore_ascii_case(KEY));
    same(KEY, key.map(|(_, value)| value.as_str()), Some("ours"))?;
    Ok(String::new())
}

/// We receive what the server publishes.
pub(super) async fn publish(subject: &Subject) -> Checked {
    not_direct(subject)?;
    let name = fresh();
    let topic = format!("peer.{name}");
    let mut subscription = subject.client().subscribe(&topic, None).await?;
    let publish = async {
        // Until the server's broker knows of the subscription.
        loop {
            let request = PublishRequest {
                topic: topic.clone(),
                name: name.clone(),
            };
            let published = subject.call::<_, Empty>("Greeter.Publish", request).await;
            if let Err(error) = published {
                return error;
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    };
    let delivery = tokio::select! {
        error = publish => return Err(error.into()),
        delivery = tokio::time::timeout(PATIENCE, subscription.next()) => delivery,
    };
    let Ok(Some(delivery)) = delivery else {
        return Err(Verdict::Wrong("we heard nothing".into()));
    };
    let event = delivery.event();
    let codecs = micro::Codecs::default();
    let came = Event::decode(event.content_type(), &codecs, event.body().clone())?;
    same("the event", came.name, name)?;
    let key = event.context().metadata().get(KEY);
    same(KEY, key.map(|value| !value.is_empty()), Some(true))?;
    let content_type = event.content_type().to_string();
    delivery.ack();
    Ok(content_type)
}
