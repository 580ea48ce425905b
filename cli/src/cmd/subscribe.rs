//! `micro subscribe TOPIC`.

use clap::Args;
use micro::{Codecs, Error, Message, broker::Event, broker::Subscription};
use serde_json::{Value, json};

use crate::{failure::Result, session::Session, signals};

/// Print events as they are published, one JSON line each, until Ctrl-C
#[derive(Args)]
pub(crate) struct Subscribe {
    /// The topic's name
    topic: String,
    /// Share the events with other members of this queue
    #[arg(long, value_name = "QUEUE")]
    queue: Option<String>,
    /// Exit after this many events
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
}

impl Subscribe {
    pub(crate) fn run(self, session: &Session) -> Result {
        session.block_on(async {
            // Before the registration, so that a signal cannot leave it registered.
            let end = signals::end()?;
            let client = session.plugins()?.client()?;
            let mut events = client.subscribe(&self.topic, self.queue.as_deref()).await?;
            session.say(&format!("subscribed to `{}`", self.topic));
            let printed = tokio::select! {
                printed = self.print(session, &mut events) => printed,
                () = end => Ok(()),
            };
            events.close().await;
            printed
        })
    }

    /// Prints and acknowledges events. An event that could not be printed is not acknowledged.
    async fn print(&self, session: &Session, events: &mut Subscription) -> Result {
        let mut left = self.count.unwrap_or(u64::MAX);
        while left > 0 {
            let Some(delivery) = events.next().await else {
                return Err(Error::unavailable("the broker ended the subscription").into());
            };
            session.print(line(delivery.event()))?;
            delivery.ack();
            left -= 1;
        }
        Ok(())
    }
}

/// An event's body as JSON; its content type and bytes, if no codec decodes it.
fn line(event: &Event) -> Value {
    let (content_type, body) = (event.content_type(), event.body());
    let decoded = Value::decode(content_type, &Codecs::default(), body.clone());
    decoded.unwrap_or_else(
        |_| json!({ "content_type": content_type.as_str(), "bytes": body.to_vec() }),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use micro::ContentType;

    #[test]
    fn body_without_a_codec_is_shown_as_bytes() {
        let event = |content_type, body: &'static str| line(&Event::new(content_type, body));
        assert_eq!(event(ContentType::Json, r#"{ "n": 1 }"#), json!({"n": 1}));
        assert_eq!(
            event(ContentType::Protobuf, "\u{8}\u{1}"),
            json!({"content_type": "application/protobuf", "bytes": [8, 1]})
        );
    }
}
