//! `micro publish TOPIC JSON`.

use std::time::Duration;

use clap::Args;
use micro::{ContentType, Context, broker::Event};
use serde_json::json;

use crate::{
    arguments,
    failure::{Failure, Result},
    session::Session,
};

/// As long as a handler may take.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);

/// Publish an event, and print the number of receivers
#[derive(Args)]
pub(crate) struct Publish {
    /// The topic's name
    topic: String,
    /// The body of the event
    #[arg(value_name = "JSON")]
    event: String,
    /// Metadata of the event; repeatable
    #[arg(long, value_name = "NAME=VALUE", value_parser = arguments::pair)]
    metadata: Vec<(String, String)>,
    /// Timeout of acknowledgements; 30 s by default
    #[arg(long, value_name = "DURATION", value_parser = arguments::duration)]
    timeout: Option<Duration>,
}

impl Publish {
    pub(crate) fn run(self, session: &Session) -> Result {
        arguments::json("the event", &self.event)?;
        session.block_on(self.publish(session))
    }

    async fn publish(&self, session: &Session) -> Result {
        let mut context = Context::new();
        for (name, value) in &self.metadata {
            context = context.with(name, value);
        }
        if let Some(timeout) = self.timeout {
            context = context.with_timeout(timeout);
        }
        // The text of the user, so that numbers keep their digits.
        let event = Event::new(ContentType::Json, self.event.clone()).with_context(context);
        let client = session.plugins()?.client()?;
        let received = client.publish_raw(&self.topic, event).await?;
        // This process holds events that are not acknowledged yet.
        let waits = self.timeout.unwrap_or(DEFAULT_TIMEOUT);
        let flushed = tokio::time::timeout(waits, client.broker().flush()).await;
        if flushed.is_err() {
            return Err(Failure::Failed(format!(
                "`{}`: not every receiver acknowledged the event within {waits:?}",
                self.topic
            )));
        }
        if received == 0 {
            session.say(&format!("`{}` has no subscribers", self.topic));
        }
        if session.json() {
            return session.print(json!({ "received": received }));
        }
        session.print(format_args!("received by {received}"))
    }
}
