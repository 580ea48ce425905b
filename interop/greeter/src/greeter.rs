//! The greeter's handlers.

use std::{sync::Arc, time::Duration};

use micro::{
    Client, Code, Context, Error, Handler, Metadata, Result, Router, Routes, Service, Streaming,
};
use parking_lot::Mutex;

use crate::{
    EVENTS,
    messages::{
        Chat, CountReply, CountRequest, EchoReply, Empty, Event, EventsReply, FailRequest,
        HelloReply, HelloRequest, Plain, PublishRequest, Sleep, Types,
    },
};

/// The greeter, and what it remembers.
#[derive(Clone, Default)]
pub struct Greeter {
    events: Arc<Mutex<EventsReply>>,
}

impl Greeter {
    /// One that has seen no events.
    pub fn new() -> Self {
        Self::default()
    }

    /// The service with its endpoints and its subscription.
    pub fn serve(&self, service: Service) -> Result<Service> {
        let client = service.client();
        let greeter = self.clone();
        let service = service.subscribe(EVENTS, move |cx: Context, event: Event| {
            let greeter = greeter.clone();
            async move { greeter.remember(&cx, event) }
        });
        Ok(service.routes(self.routes(client)))
    }

    /// Its endpoints, which publish by `client`.
    fn routes(&self, client: Client) -> impl Routes {
        let events = self.events.clone();
        Router::new()
            .handle("Greeter.Hello", hello.idempotent())
            .handle("Greeter.Fail", fail)
            .handle("Greeter.Echo", echo)
            .handle("Greeter.Sleep", sleep)
            .handle("Greeter.Types", types)
            .handle("Greeter.Plain", plain)
            .handle("Greeter.Count", count)
            .handle("Greeter.Chat", chat)
            .handle("Greeter.Events", move |_: Context, _: Empty| {
                let events = events.lock().clone();
                async move { Ok::<_, micro::Error>(events) }
            })
            .handle(
                "Greeter.Publish",
                move |cx: Context, what: PublishRequest| {
                    let client = client.clone();
                    async move {
                        let cx = cx.with("X-Event-Key", "yes");
                        let event = Event { name: what.name };
                        client.publish(&cx, &what.topic, &event).await?;
                        Ok::<_, micro::Error>(Empty {})
                    }
                },
            )
    }

    fn remember(&self, cx: &Context, event: Event) -> Result<Empty> {
        let mut events = self.events.lock();
        events.names.push(event.name);
        events.metadata = map(cx.metadata());
        Ok(Empty {})
    }
}

fn map(metadata: &Metadata) -> std::collections::BTreeMap<String, String> {
    metadata
        .iter()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

async fn hello(_: Context, hello: HelloRequest) -> Result<HelloReply> {
    Ok(HelloReply {
        msg: format!("Hello {}", hello.name),
    })
}

async fn fail(_: Context, how: FailRequest) -> Result<Empty> {
    match failure(&how.kind) {
        Some(error) => Err(error),
        None => Ok(Empty {}),
    }
}

/// The error of a kind.
fn failure(kind: &str) -> Option<Error> {
    let (code, text) = match kind {
        "" => return None,
        "bad" => (Code::InvalidArgument, "bad <input> & \"quotes\""),
        "unauthorized" => (Code::Unauthenticated, "who are you"),
        "forbidden" => (Code::PermissionDenied, "not you"),
        "notfound" => (Code::NotFound, "no such thing"),
        "conflict" => (Code::AlreadyExists, "twice"),
        "internal" => (Code::Internal, "broken"),
        "teapot" => (Code::Unknown, "short and stout"),
        "plain" => return Some(Error::unknown("plain failure")),
        "newline" => return Some(Error::unknown("line one\nline two")),
        other => {
            return Some(Error::invalid_argument(format!(
                "`{other}` is no kind of failure"
            )));
        }
    };
    let error = Error::new(code, text).with_origin("greeter.fail");
    Some(match kind {
        "teapot" => error.with_http_status(418),
        _ => error,
    })
}

async fn echo(cx: Context, _: Empty) -> Result<EchoReply> {
    let left = cx.time_left().unwrap_or_default().as_millis();
    Ok(EchoReply {
        metadata: map(cx.metadata()),
        timeout: i32::try_from(left).unwrap_or(i32::MAX),
    })
}

async fn sleep(_: Context, sleep: Sleep) -> Result<Sleep> {
    let millis = u64::try_from(sleep.ms).unwrap_or(0);
    tokio::time::sleep(Duration::from_millis(millis)).await;
    Ok(sleep)
}

async fn types(_: Context, types: Types) -> Result<Types> {
    Ok(types)
}

async fn plain(_: Context, plain: Plain) -> Result<Plain> {
    Ok(plain)
}

async fn count(_: Context, count: CountRequest) -> Result<Streaming<CountReply>> {
    let (sender, stream) = Streaming::channel(1);
    // It ends with its reader, whom every `send` looks for.
    tokio::spawn(async move {
        for n in 1..=count.to {
            if n > 1 && !count.burst {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            if sender.send(CountReply { n }).await.is_err() {
                return;
            }
        }
        if let Some(error) = failure(&count.fail) {
            // Nobody is left to hear of it.
            let _ = sender.fail(error).await;
        }
    });
    Ok(stream)
}

async fn chat(_: Context, mut lines: Streaming<Chat>) -> Result<Streaming<Chat>> {
    let (sender, stream) = Streaming::channel(1);
    tokio::spawn(async move {
        while let Some(line) = lines.next().await {
            let said = match line {
                Ok(line) => {
                    let text = format!("echo {}", line.text);
                    sender.send(Chat { text }).await
                }
                Err(error) => return drop(sender.fail(error).await),
            };
            if said.is_err() {
                return;
            }
        }
    });
    Ok(stream)
}
