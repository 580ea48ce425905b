//! `micro call SERVICE ENDPOINT JSON`.

use std::time::Duration;

use clap::Args;
use micro::{Code, ContentType, Context, Error, Outcome, Payload, client::RequestBuilder};
use serde_json::{Value, json};

use crate::{
    arguments,
    failure::{Failure, Result, has_no_nodes},
    reflection::Form,
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
            return Err(self.streams());
        }
        found.check(session, &request)?;
        let client = plugins.client()?;
        let Some(reflected) = target.reflected(session, &client).await? else {
            let method = client.method::<Value, Value>(&target.service, &target.endpoint);
            let call = method.call(&Context::new(), request);
            return session.print(self.made(session, call).await?);
        };
        if reflected.is_client_streaming() || reflected.is_server_streaming() {
            return Err(self.streams());
        }
        let form = Form::of(&reflected);
        let method = client
            .method::<Vec<u8>, Vec<u8>>(&target.service, &target.endpoint)
            .content_type(ContentType::Protobuf);
        let call = method.call(&Context::new(), form.encode(request)?);
        session.print(form.decode(&self.made(session, call).await?)?)
    }

    fn streams(&self) -> Failure {
        let Target {
            service, endpoint, ..
        } = &self.target;
        Failure::Usage(format!(
            "endpoint `{endpoint}` streams; use `micro stream {service} {endpoint}`"
        ))
    }

    /// Makes a call with the options given, and gives the reply.
    async fn made<In, Out: Payload>(
        &self,
        session: &Session,
        call: RequestBuilder<'_, In, Out>,
    ) -> Result<Out> {
        let mut call = self.target.options(call);
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
        reply.map_err(failure)
    }
}

/// A call's failure. That a handler did not find something says nothing about the names given here: only
/// what never reached one does.
pub(super) fn failure(error: Error) -> Failure {
    match (error.code(), error.outcome()) {
        (Code::NotFound, Outcome::NotSent | Outcome::Rejected) => {
            Failure::NotFound(error.to_string())
        }
        _ if has_no_nodes(&error) => Failure::NotFound(error.to_string()),
        _ => Failure::Failed(error.to_string()),
    }
}
