//! `micro stream SERVICE ENDPOINT [JSON]`.

use std::{pin::pin, time::Duration};

use clap::Args;
use micro::{Context, Payload, Streaming, client::Client, codec::Sender};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};

use crate::{
    arguments,
    cmd::call::failure,
    failure::{Failure, Result},
    reflection::{Form, Json, Protobuf},
    session::Session,
    target::{EndpointInfo, Shape, Target, shape_of},
};

/// Send messages from stdin as a stream, and print the replies; one message per line
#[derive(Args)]
pub(crate) struct Stream {
    #[command(flatten)]
    target: Target,
    /// A single request, instead of lines from stdin
    #[arg(value_name = "JSON")]
    request: Option<String>,
    /// Timeout; none by default
    #[arg(long, value_name = "DURATION", value_parser = arguments::duration)]
    timeout: Option<Duration>,
}

/// A call needs a timeout; a year means none.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(365 * 86_400);

/// Messages read from stdin before the server takes them.
const READ_AHEAD: usize = 16;

impl Stream {
    pub(crate) fn run(self, session: &Session) -> Result {
        let request = self.request.as_deref();
        let request = request
            .map(|text| arguments::json("the request", text))
            .transpose()?;
        session.block_on(self.stream(session, request))
    }

    async fn stream(&self, session: &Session, request: Option<Value>) -> Result {
        let plugins = self.target.plugins(session).await?;
        let info = self.target.find(session, &plugins).await?;
        let client = plugins.client()?;
        let reflected = self.target.reflected(session, &client).await?;
        let shape = reflected.as_ref().map(shape_of).or(info.shape);
        let call = StreamCall {
            command: self,
            session,
            client: &client,
            info: &info,
        };
        match reflected {
            None => call.stream(&Json, shape, request).await,
            Some(method) => call.stream(&Protobuf::of(&method), shape, request).await,
        }
    }
}

/// A call of the command, for messages of any form.
struct StreamCall<'a> {
    command: &'a Stream,
    session: &'a Session,
    client: &'a Client,
    info: &'a EndpointInfo,
}

impl StreamCall<'_> {
    async fn stream<F: Form>(
        &self,
        form: &F,
        shape: Option<Shape>,
        request: Option<Value>,
    ) -> Result {
        let Target {
            service, endpoint, ..
        } = &self.command.target;
        if shape == Some(Shape::Unary) {
            return Err(Failure::Usage(format!(
                "endpoint `{endpoint}` does not stream; use `micro call {service} {endpoint} JSON`"
            )));
        }
        let request = match request {
            Some(request) => request,
            // The endpoint takes one request: an empty message, as `micro call` sends.
            None if shape == Some(Shape::Server) => json!({}),
            None => return self.converse(form).await,
        };
        self.info.check(self.session, &request)?;
        let request = form.encode(request)?;
        if shape == Some(Shape::Requests) {
            let (sender, requests) = Streaming::channel(1);
            let sent = sender.send(request).await;
            sent.map_err(failure)?;
            drop(sender);
            return self.receive(form, requests).await;
        }
        self.receive(form, request).await
    }

    /// Sends messages from stdin and prints replies at the same time.
    async fn converse<F: Form>(&self, form: &F) -> Result {
        let (sender, requests) = Streaming::channel(READ_AHEAD);
        let mut replies = pin!(self.receive(form, requests));
        let sending = self.send_lines(form, sender);
        tokio::select! {
            replied = &mut replies => replied,
            sent = sending => match sent {
                Ok(()) => replies.await,
                Err(failure) => Err(failure),
            },
        }
    }

    async fn receive<F: Form, In: Payload>(&self, form: &F, input: In) -> Result {
        let target = &self.command.target;
        let method = target.method::<F, In, Streaming<F::Message>>(self.client, form);
        let call = target.options(method.call(&Context::new(), input));
        let timeout = self.command.timeout.unwrap_or(DEFAULT_TIMEOUT);
        let mut replies = call.timeout(timeout).await.map_err(failure)?;
        while let Some(reply) = replies.next().await {
            let reply = form.decode(reply.map_err(failure)?)?;
            self.session.print(reply)?;
        }
        Ok(())
    }

    /// Sends each line of stdin; a wrong line ends the call.
    async fn send_lines<F: Form>(&self, form: &F, sender: Sender<F::Message>) -> Result {
        let mut lines = BufReader::new(tokio::io::stdin()).lines();
        let mut number = 0;
        loop {
            let line = lines.next_line().await;
            let line =
                line.map_err(|error| Failure::Usage(format!("stdin cannot be read: {error}")));
            let Some(line) = line? else {
                return Ok(());
            };
            number += 1;
            if line.trim().is_empty() {
                continue;
            }
            let message = arguments::json(&format!("line {number} of stdin"), &line)?;
            self.info.check(self.session, &message)?;
            if sender.send(form.encode(message)?).await.is_err() {
                // The server has ended the stream; its answer has the reason.
                return Ok(());
            }
        }
    }
}
