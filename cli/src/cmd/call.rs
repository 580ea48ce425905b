//! `micro call SERVICE ENDPOINT JSON`.

use std::time::Duration;

use clap::Args;
use micro::{
    Code, Context, Error, Outcome, Payload,
    client::{Client, RequestBuilder},
};
use serde_json::{Value, json};

use crate::{
    arguments,
    failure::{Failure, Result, has_no_nodes},
    reflection::{Form, Json, Protobuf},
    session::Session,
    target::{Shape, Target, shape_of},
};

/// Call an endpoint and print its reply
#[derive(Args)]
pub(crate) struct Call {
    #[command(flatten)]
    target: Target,
    /// The request; an empty message by default
    #[arg(value_name = "JSON", default_value = "{}", hide_default_value = true)]
    request: String,
    /// Show the nodes considered, the one picked and why, and the outcome of each attempt
    #[arg(long)]
    explain: bool,
    /// Timeout; 5 s by default
    #[arg(long, value_name = "DURATION", value_parser = arguments::duration)]
    timeout: Option<Duration>,
}

impl Call {
    pub(crate) fn run(self, session: &Session) -> Result {
        let request = arguments::json("the request", &self.request)?;
        session.block_on(self.call(session, request))
    }

    async fn call(&self, session: &Session, request: Value) -> Result {
        let plugins = self.target.plugins(session).await?;
        let info = self.target.find(session, &plugins).await?;
        let target = &self.target;
        if info.shape.is_some_and(|shape| shape != Shape::Unary) {
            return Err(self.streams());
        }
        info.check(session, &request)?;
        let client = plugins.client()?;
        match target.reflected(session, &client).await? {
            None => self.print(session, &client, &Json, request).await,
            Some(method) if shape_of(&method) != Shape::Unary => Err(self.streams()),
            Some(method) => {
                let form = Protobuf::of(&method);
                self.print(session, &client, &form, request).await
            }
        }
    }

    async fn print<F: Form>(
        &self,
        session: &Session,
        client: &Client,
        form: &F,
        request: Value,
    ) -> Result {
        let method = self
            .target
            .method::<F, F::Message, F::Message>(client, form);
        let call = method.call(&Context::new(), form.encode(request)?);
        session.print(form.decode(self.send(session, call).await?)?)
    }

    fn streams(&self) -> Failure {
        let Target {
            service, endpoint, ..
        } = &self.target;
        Failure::Usage(format!(
            "endpoint `{endpoint}` streams; use `micro stream {service} {endpoint}`"
        ))
    }

    /// Makes the call with the options of the command.
    async fn send<In, Out: Payload>(
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

/// A call's failure. `NotFound` of a handler is no error in the names given to the command; only that of a
/// call that reached no handler is.
pub(super) fn failure(error: Error) -> Failure {
    match (error.code(), error.outcome()) {
        (Code::NotFound, Outcome::NotSent | Outcome::Rejected) => {
            Failure::NotFound(error.to_string())
        }
        _ if has_no_nodes(&error) => Failure::NotFound(error.to_string()),
        _ => Failure::Failed(error.to_string()),
    }
}
