//! Plugins of one's own: a registry and a strategy, each added in one line and chosen by its name.
//!
//! `cargo run --example own_plugin -- --registry=list --selector=first`

use std::{pin::Pin, sync::Arc, time::Duration};

use async_trait::async_trait;
use futures_core::Stream;
use micro::{
    Context, Plugins, Result, Service, Settings,
    registry::{Node, Registry, Update, Updates},
    selector::{Snapshot, Strategy, TriedNodes},
};
use tokio::sync::watch;

/// A registry that is a list in this process.
#[derive(Clone, Default)]
struct List(Arc<watch::Sender<Vec<Node>>>);

#[async_trait]
impl Registry for List {
    fn name(&self) -> &str {
        "list"
    }

    async fn register(&self, node: &Node, _ttl: Option<Duration>) -> Result<()> {
        self.0.send_modify(|nodes| {
            nodes.retain(|other| other.id != node.id);
            nodes.push(node.clone());
        });
        Ok(())
    }

    async fn deregister(&self, node: &Node) -> Result<()> {
        self.0
            .send_modify(|nodes| nodes.retain(|other| other.id != node.id));
        Ok(())
    }

    async fn get(&self, service: &str) -> Result<Vec<Node>> {
        Ok(of(service, &self.0.borrow()))
    }

    async fn list(&self) -> Result<Vec<String>> {
        let mut names: Vec<_> = self.0.borrow().iter().map(|n| n.service.clone()).collect();
        names.sort();
        names.dedup();
        Ok(names)
    }

    async fn watch(&self, service: Option<&str>) -> Result<Updates> {
        let (service, all) = (service.map(str::to_owned), self.clone());
        let mut changes = self.0.subscribe();
        changes.mark_changed();
        let (sender, receiver) = tokio::sync::mpsc::channel(16);
        // Ends with the reader, or with the list.
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    changed = changes.changed() => if changed.is_err() { return },
                    () = sender.closed() => return,
                }
                let nodes = changes.borrow_and_update().clone();
                let names = match &service {
                    Some(service) => vec![service.clone()],
                    None => all.list().await.unwrap_or_default(),
                };
                for service in names {
                    let nodes = of(&service, &nodes);
                    let update = Update::Set {
                        service,
                        nodes: nodes.into_iter().map(Arc::new).collect(),
                        authoritative: true,
                    };
                    if sender.send(update).await.is_err() {
                        return;
                    }
                }
            }
        });
        Ok(Box::pin(Received(receiver)))
    }
}

fn of(service: &str, nodes: &[Node]) -> Vec<Node> {
    let of_it = nodes.iter().filter(|node| node.service == service);
    of_it.cloned().collect()
}

struct Received(tokio::sync::mpsc::Receiver<Update>);

impl Stream for Received {
    type Item = Update;

    fn poll_next(
        mut self: Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Update>> {
        self.0.poll_recv(cx)
    }
}

/// Always the first node that may be used.
struct First;

impl Strategy for First {
    fn name(&self) -> &str {
        "first"
    }

    fn pick(&self, snapshot: &Snapshot, tried: &TriedNodes) -> Option<usize> {
        (0..snapshot.len()).find(|index| snapshot.is_usable(*index, tried))
    }
}

/// The settings with both plugins, as a crate of plugins would offer them.
pub(crate) fn settings() -> Settings {
    let list = List::default();
    Settings::new()
        .with_registry("list", move |_| Ok(list.clone()))
        .with_strategy("first", |_| Ok(First))
}

/// Serves a greeter and calls it; gives the answer, and why the node was picked.
pub(crate) async fn greet(settings: Settings) -> Result<String> {
    let greeter = Service::new("greeter")
        .settings(settings.clone())
        .handle("Greeter.Hello", async |_: Context, name: String| {
            Ok::<_, micro::Error>(format!("Hello {name}"))
        })
        .serve()
        .await?;
    let client = settings.apply(Plugins::new())?.client()?;
    let hello = client.method::<String, String>("greeter", "Greeter.Hello");
    let call = hello.call(&Context::new(), "John".to_owned());
    let (answer, record) = call.explain().await;
    greeter.stop().await;
    let why = record.attempts.first().map_or("", |attempt| &attempt.why);
    Ok(format!("{} (picked by `{why}`)", answer?))
}

#[tokio::main]
#[allow(
    dead_code,
    clippy::print_stdout,
    reason = "an example, which a test takes in as a module"
)]
async fn main() -> Result<()> {
    let arguments = std::env::args().skip(1);
    println!("{}", greet(settings().args(arguments)?).await?);
    Ok(())
}
