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

/// How long acknowledgements are waited for unless said: as long as a handler may take.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);

/// Publish an event, and say how many received it
#[derive(Args)]
pub(crate) struct Publish {
    /// The topic's name
    topic: String,
    /// The event
    #[arg(value_name = "JSON")]
    event: String,
    /// Metadata to send along; may be given more than once
    #[arg(long, value_name = "NAME=VALUE", value_parser = arguments::pair)]
    metadata: Vec<(String, String)>,
    /// Wait this long for acknowledgements; 30 s if unsaid
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
        // As it was typed: a number keeps its digits.
        let event = Event::new(ContentType::Json, self.event.clone()).with_context(context);
        let client = session.plugins()?.client()?;
        let received = client.publish_raw(&self.topic, event).await?;
        // What is not acknowledged yet is held by this process.
        let waits = self.timeout.unwrap_or(DEFAULT_TIMEOUT);
        let flushed = tokio::time::timeout(waits, client.broker().flush()).await;
        if flushed.is_err() {
            return Err(Failure::Failed(format!(
                "`{}`: not every receiver acknowledged the event within {waits:?}",
                self.topic
            )));
        }
        if received == 0 {
            session.say(&format!("nobody is subscribed to `{}`", self.topic));
        }
        if session.json() {
            return session.print(json!({ "received": received }));
        }
        session.print(format_args!("received by {received}"))
    }
}
