//! go-micro's protocol between our own client and server, and by hand: what recorded bytes do not show.

mod calls;
mod ending;
mod streams;
mod wire;

use std::time::Duration;

use micro::{
    Client, Context, Handler, Plugins, Result, Running, Service, Socket, Streaming,
    registry::{Memory, Registry},
    transport::Limits,
};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

/// Longer than any limit that these tests set.
const LONG: Duration = Duration::from_secs(20);

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, micro::Message)]
#[serde(default)]
struct Text {
    text: String,
}

fn text(text: &str) -> Text {
    Text { text: text.into() }
}

/// A service that speaks it, and a client of it that speaks nothing else.
struct Pair {
    running: Running,
    client: Client,
    /// Told when a handler of `Wait.Forever` begins, and when it is dropped.
    waits: mpsc::Receiver<&'static str>,
}

/// Says when it is dropped.
struct Dropped(mpsc::Sender<&'static str>);

impl Drop for Dropped {
    fn drop(&mut self) {
        let _ = self.0.try_send("dropped");
    }
}

impl Pair {
    async fn new() -> Self {
        Self::with(|_| {}, false).await
    }

    /// `old` says that the client writes the envelopes of before 2019.
    async fn with(change: impl Fn(&mut Limits), old: bool) -> Self {
        let registry = Memory::new();
        let (told, waits) = mpsc::channel(16);
        let service = Service::new("text")
            .allow_host("x")
            .plugins(
                Plugins::new()
                    .registry(registry.clone())
                    .transport(Socket::new().limit(&change)),
            )
            .handle("Text.Echo", echo.idempotent())
            .handle("Text.Fail", fail)
            .handle("Text.Left", left)
            .handle("Text.Panic", panics)
            .handle("Text.Count", count)
            .handle("Text.Join", join)
            .handle("Text.Chat", chat)
            .handle("Wait.Forever", move |_: Context, _: Text| {
                let told = told.clone();
                async move {
                    let _ = told.try_send("begun");
                    let _dropped = Dropped(told);
                    std::future::pending::<()>().await;
                    Ok::<_, micro::Error>(Text::default())
                }
            })
            .lifecycle(|life| life.deregister_delay = Duration::ZERO);
        let running = service.serve().await.unwrap();
        let mut node = running.node().clone();
        let registry = Memory::new();
        node.metadata_mut().clear();
        node = match old {
            true => node.with_metadata("server", "rpc"),
            false => node.with_metadata("protocol", "mucp"),
        };
        registry.register(&node, None).await.unwrap();
        let plugins = Plugins::new()
            .registry(registry)
            .transport(Socket::new().limit(&change));
        Pair {
            running,
            client: plugins.client().unwrap(),
            waits,
        }
    }

    async fn call(&self, endpoint: &str, cx: &Context, said: &str) -> Result<String> {
        let method = self.client.method::<Text, Text>("text", endpoint);
        Ok(method.call(cx, text(said)).await?.text)
    }
}

async fn echo(_: Context, text: Text) -> Result<Text> {
    Ok(text)
}

async fn fail(_: Context, how: Text) -> Result<Text> {
    let number = how.text.parse().unwrap_or(2);
    let code = micro::Code::from_number(number);
    Err(micro::Error::new(code, "no <tea>\n\"left\" ü").with_origin("kitchen"))
}

async fn left(cx: Context, _: Text) -> Result<Text> {
    let left = cx.time_left().map(|left| left.as_millis().to_string());
    Ok(Text {
        text: left.unwrap_or_else(|| "for ever".into()),
    })
}

async fn panics(_: Context, _: Text) -> Result<Text> {
    panic!("on purpose")
}

async fn count(_: Context, to: Text) -> Result<Streaming<Text>> {
    let (sender, stream) = Streaming::channel(4);
    tokio::spawn(async move {
        for number in 0..to.text.parse().unwrap_or(0) {
            if sender.send(text(&number.to_string())).await.is_err() {
                return;
            }
        }
    });
    Ok(stream)
}

async fn join(_: Context, mut words: Streaming<Text>) -> Result<Text> {
    let mut all = Vec::new();
    while let Some(word) = words.next().await {
        all.push(word?.text);
    }
    Ok(text(&all.join(" ")))
}

async fn chat(_: Context, words: Streaming<Text>) -> Result<Streaming<Text>> {
    Ok(words)
}
