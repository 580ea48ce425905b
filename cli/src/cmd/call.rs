//! `micro call SERVICE ENDPOINT JSON`.

use std::time::Duration;

use clap::Args;
use micro::{Code, Context, Error, Outcome};
use serde_json::{Value, json};

use crate::{
    arguments,
    failure::{Failure, Result},
    session::Session,
    target::{Shape, Target},
};

/// Call an endpoint and print its reply
#[derive(Args)]
pub(crate) struct Call {
    #[command(flatten)]
    target: Target,
    /// The request
    #[arg(value_name = "JSON")]
    request: String,
    /// Show which nodes were known, which was picked and why, and how each attempt went
    #[arg(long)]
    explain: bool,
    /// Give up after this long; 5 s if unsaid
    #[arg(long, value_name = "DURATION", value_parser = arguments::duration)]
    timeout: Option<Duration>,
}

impl Call {
    pub(crate) fn run(self, session: &Session) -> Result {
        let request = arguments::json("the request", &self.request)?;
        session.block_on(self.call(session, request))
    }

    async fn call(&self, session: &Session, request: Value) -> Result {
        let plugins = session.plugins()?;
        let found = self.target.find(session, &plugins).await?;
        let target = &self.target;
        if found.shape.is_some_and(|shape| shape != Shape::Unary) {
            let Target {
                service, endpoint, ..
            } = target;
            return Err(Failure::Usage(format!(
                "endpoint `{endpoint}` streams; use `micro stream {service} {endpoint}`"
            )));
        }
        found.check(session, &request)?;
        let client = plugins.client()?;
        let method = client.method::<Value, Value>(&target.service, &target.endpoint);
        let mut call = target.options(method.call(&Context::new(), request));
        if let Some(timeout) = self.timeout {
            call = call.timeout(timeout);
        }
        let reply = if self.explain {
            let (reply, record) = call.explain().await;
            if session.json() {
                session.say(&json!(record).to_string());
            } else {
                session.say(record.to_string().trim_end());
            }
            reply
        } else {
            call.await
        };
        session.print(reply.map_err(failure)?)
    }
}

/// A call's failure. That a handler did not find something says nothing about the names given here: only
/// what never reached one does.
pub(super) fn failure(error: Error) -> Failure {
    match (error.code(), error.outcome()) {
        (Code::NotFound, Outcome::NotSent | Outcome::Rejected) => {
            Failure::NotFound(error.to_string())
        }
        _ => Failure::Failed(error.to_string()),
    }
}
