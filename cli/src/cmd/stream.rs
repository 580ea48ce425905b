//! `micro stream SERVICE ENDPOINT [JSON]`.

use std::{pin::pin, time::Duration};

use clap::Args;
use micro::{Context, Payload, Streaming, client::Client, codec::Sender};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};

use crate::{
    arguments,
    cmd::call::failure,
    failure::{Failure, Result},
    session::Session,
    target::{Found, Shape, Target},
};

/// Stream messages, one a line on stdin, and print the replies, one a line
#[derive(Args)]
pub(crate) struct Stream {
    #[command(flatten)]
    target: Target,
    /// The one request, instead of those on stdin
    #[arg(value_name = "JSON")]
    request: Option<String>,
    /// Give up after this long; never if unsaid
    #[arg(long, value_name = "DURATION", value_parser = arguments::duration)]
    timeout: Option<Duration>,
}

/// A stream lasts as long as its ends want it to; a call needs some number.
const FOR_EVER: Duration = Duration::from_secs(365 * 86_400);

/// Messages read ahead of what the server takes.
const AHEAD: usize = 16;

impl Stream {
    pub(crate) fn run(self, session: &Session) -> Result {
        let request = self.request.as_deref();
        let request = request
            .map(|text| arguments::json("the request", text))
            .transpose()?;
        session.block_on(self.stream(session, request))
    }

    async fn stream(&self, session: &Session, request: Option<Value>) -> Result {
        let Target {
            service, endpoint, ..
        } = &self.target;
        let plugins = self.target.plugins(session).await?;
        let found = self.target.find(session, &plugins).await?;
        if found.shape == Some(Shape::Unary) {
            return Err(Failure::Usage(format!(
                "endpoint `{endpoint}` does not stream; use `micro call {service} {endpoint} JSON`"
            )));
        }
        let client = plugins.client()?;
        let Some(request) = request else {
            if found.shape == Some(Shape::Server) {
                return Err(Failure::Usage(format!(
                    "endpoint `{endpoint}` takes one request; give it as an argument"
                )));
            }
            return self.converse(session, &client, &found).await;
        };
        found.check(session, &request)?;
        if found.shape == Some(Shape::Requests) {
            let (sender, requests) = Streaming::channel(1);
            let sent = sender.send(request).await;
            sent.map_err(failure)?;
            drop(sender);
            return self.receive(session, &client, requests).await;
        }
        self.receive(session, &client, request).await
    }

    /// Sends what comes on stdin while it prints what comes back.
    async fn converse(&self, session: &Session, client: &Client, found: &Found) -> Result {
        let (sender, requests) = Streaming::channel(AHEAD);
        let mut replies = pin!(self.receive(session, client, requests));
        let sending = send_lines(session, found, sender);
        tokio::select! {
            replied = &mut replies => replied,
            sent = sending => match sent {
                Ok(()) => replies.await,
                Err(failure) => Err(failure),
            },
        }
    }

    async fn receive<In: Payload>(&self, session: &Session, client: &Client, input: In) -> Result {
        let Target {
            service, endpoint, ..
        } = &self.target;
        let method = client.method::<In, Streaming<Value>>(service, endpoint);
        let call = self.target.options(method.call(&Context::new(), input));
        let timeout = self.timeout.unwrap_or(FOR_EVER);
        let mut replies = call.timeout(timeout).await.map_err(failure)?;
        while let Some(reply) = replies.next().await {
            session.print(reply.map_err(failure)?)?;
        }
        Ok(())
    }
}

/// Sends each line of stdin; fails at one that is wrong, and the call with it.
async fn send_lines(session: &Session, found: &Found, sender: Sender<Value>) -> Result {
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    let mut number = 0;
    loop {
        let line = lines.next_line().await;
        let line = line.map_err(|error| Failure::Usage(format!("stdin cannot be read: {error}")));
        let Some(line) = line? else {
            return Ok(());
        };
        number += 1;
        if line.trim().is_empty() {
            continue;
        }
        let message = arguments::json(&format!("line {number} of stdin"), &line);
        let message = message?;
        found.check(session, &message)?;
        if sender.send(message).await.is_err() {
            // The server has ended the stream; its answer tells why.
            return Ok(());
        }
    }
}
