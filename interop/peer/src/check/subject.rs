//! The server under test, and how it is called.

use std::{fmt, time::Duration};

use micro::{
    Client, ContentType, Context, Error, Payload, Plugins, Result, client::RequestBuilder,
};

use crate::{arguments::Arguments, parts};

/// How a case ended: with what is worth saying, or a verdict.
pub(super) type Checked = Result<String, Verdict>;

/// Why a case did not pass.
pub(super) enum Verdict {
    /// It is not as it should be.
    Wrong(String),
    /// It could not be run.
    Skip(String),
}

impl From<Error> for Verdict {
    fn from(error: Error) -> Self {
        Verdict::Wrong(error.to_string())
    }
}

/// Passes where both are the same.
pub(super) fn same<T: PartialEq + fmt::Debug>(what: &str, is: T, should: T) -> Result<(), Verdict> {
    if is == should {
        return Ok(());
    }
    let short = |value| {
        let text = format!("{value:?}");
        text.chars().take(200).collect::<String>()
    };
    let (is, should) = (short(is), short(should));
    Err(Verdict::Wrong(format!("{what} is {is}, not {should}")))
}

/// A server, and a client of it.
pub(super) struct Subject {
    client: Client,
    name: String,
    at: Option<String>,
    content_type: ContentType,
    timeout: Duration,
}

impl Subject {
    pub(super) fn new(arguments: &Arguments) -> Result<Self> {
        let plugins: Plugins = parts::plugins(arguments)?;
        let plugins = parts::settings(arguments)?.apply(plugins)?;
        Ok(Subject {
            client: plugins.client()?,
            name: arguments.name.clone(),
            at: arguments.at.clone(),
            content_type: arguments.content_type.clone(),
            timeout: arguments.timeout,
        })
    }

    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    pub(super) fn content_type(&self) -> &ContentType {
        &self.content_type
    }

    /// Whether the server is called without a registry.
    pub(super) fn is_direct(&self) -> bool {
        self.at.is_some()
    }

    pub(super) async fn call<In: Payload, Out: Payload>(
        &self,
        endpoint: &str,
        input: In,
    ) -> Result<Out> {
        self.call_in(&Context::new(), endpoint, input).await
    }

    /// The same on behalf of a context.
    pub(super) async fn call_in<In: Payload, Out: Payload>(
        &self,
        cx: &Context,
        endpoint: &str,
        input: In,
    ) -> Result<Out> {
        let method = self.client.method::<In, Out>(&self.name, endpoint);
        let method = method.content_type(self.content_type.clone());
        let call = method.call(cx, input).timeout(self.timeout);
        self.there(call).await
    }

    fn there<'a, In, Out>(&self, call: RequestBuilder<'a, In, Out>) -> RequestBuilder<'a, In, Out> {
        match &self.at {
            Some(address) => call.address(address),
            None => call,
        }
    }
}
