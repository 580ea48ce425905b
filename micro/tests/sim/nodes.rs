//! The services of the simulation: leaves that do the work, and relays that call them.

use std::time::Duration;

use micro::{
    Client, Context, Error, Handler, Message, Plugins, Result, Running, Service, Streaming,
    client::Method,
    transport::{Limits, Native},
};
use serde::{Deserialize, Serialize};

use super::{directory::Directory, ledger::Ledger, network::Internet, random::Random};

/// What is asked for.
#[derive(Clone, Debug, Serialize, Deserialize, Message)]
pub struct Work {
    pub id: u64,
    /// How long it takes.
    pub millis: u64,
    /// How it fails, if it does.
    pub fails: Option<Fails>,
    /// Messages that answer it, where they stream.
    pub count: u64,
    pub payload: String,
}

/// Ways for a handler to fail.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub enum Fails {
    Busy,
    Wrong,
}

/// What answers it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Message)]
pub struct Done {
    pub id: u64,
    pub place: u64,
    pub payload: String,
}

/// Everything that nodes and callers have in common.
#[derive(Clone)]
pub struct Scene {
    pub internet: Internet,
    pub directory: Directory,
    pub ledger: Ledger,
}

impl Scene {
    /// The parts of a process on one host.
    pub fn plugins(&self, host: &str, random: &mut Random) -> Plugins {
        let mut limits = Limits::default();
        limits.message = 64 * 1024;
        limits.window = 4 * 1024;
        limits.queue = 64 * 1024;
        limits.handshake = Duration::from_millis(800);
        limits.frame = Duration::from_secs(1);
        limits.keepalive = Duration::from_millis(600);
        limits.keepalive_timeout = Duration::from_millis(600);
        limits.idle = Duration::from_secs(2);
        limits.connect = Duration::from_millis(300);
        let seed = random.number();
        Plugins::new()
            .registry(self.directory.clone())
            .native(
                Native::new()
                    .network(self.internet.host(host))
                    .limits(limits),
            )
            .discovery(|options| options.seed = Some(seed))
    }
}

/// One process that serves.
pub struct Node {
    pub host: String,
    service: &'static str,
    scene: Scene,
    random: Random,
    running: Option<Running>,
    starts: u32,
}

impl Node {
    pub fn new(host: &str, service: &'static str, scene: &Scene, random: &mut Random) -> Self {
        Node {
            host: host.to_owned(),
            service,
            scene: scene.clone(),
            random: random.fork(),
            running: None,
            starts: 0,
        }
    }

    /// Starts it unless it runs; it may fail to, as a process may while the registry is down.
    pub async fn start(&mut self) -> Result<()> {
        if self.running.is_some() {
            return Ok(());
        }
        self.starts += 1;
        let plugins = self.scene.plugins(&self.host, &mut self.random);
        let service = Service::new(self.service)
            .id(format!("{}-{}", self.host, self.starts))
            .address(format!("{}:80", self.host))
            .lifecycle(|life| {
                life.register_ttl = Duration::from_millis(900);
                life.register_interval = Duration::from_millis(300);
                life.propagation = Duration::from_millis(60);
                life.drain = Duration::from_millis(600);
                life.concurrency = 12;
            })
            .plugins(plugins);
        let service = match self.service {
            "leaf" => leaf(service, &self.scene.ledger),
            _ => relay(service, &self.scene.ledger)?,
        };
        self.running = Some(service.serve().await?);
        Ok(())
    }

    /// Ends it as SIGKILL does.
    pub fn kill(&mut self) {
        self.running = None;
        self.scene.internet.kill(&self.host);
    }

    /// Ends it as SIGTERM does.
    pub async fn stop(&mut self) {
        if let Some(running) = self.running.take() {
            running.stop().await;
        }
    }
}

fn leaf(service: Service, ledger: &Ledger) -> Service {
    let (put, get, list, chat) = (
        ledger.clone(),
        ledger.clone(),
        ledger.clone(),
        ledger.clone(),
    );
    service
        .handle("Leaf.Put", move |_: Context, work: Work| {
            do_work(put.clone(), work)
        })
        .handle(
            "Leaf.Get",
            (move |_: Context, work: Work| do_work(get.clone(), work)).idempotent(),
        )
        .handle("Leaf.List", move |_: Context, work: Work| {
            let ledger = list.clone();
            async move {
                let _working = ledger.begin("leaf", work.id);
                Ok(answers(work))
            }
        })
        .handle("Leaf.Chat", move |_: Context, works: Streaming<Work>| {
            let ledger = chat.clone();
            async move { Ok(Streaming::new(Echo { works, ledger })) }
        })
}

async fn do_work(ledger: Ledger, work: Work) -> Result<Done> {
    let _working = ledger.begin("leaf", work.id);
    if work.millis > 0 {
        tokio::time::sleep(Duration::from_millis(work.millis)).await;
    }
    match work.fails {
        None => Ok(Done {
            id: work.id,
            place: 0,
            payload: work.payload,
        }),
        Some(Fails::Busy) => Err(Error::unavailable("too busy")),
        Some(Fails::Wrong) => Err(Error::invalid_argument("no such thing")),
    }
}

/// `count` messages, each after a moment.
fn answers(work: Work) -> Streaming<Done> {
    let (sender, answers) = Streaming::channel(4);
    tokio::spawn(async move {
        for place in 0..work.count {
            if work.millis > 0 {
                tokio::time::sleep(Duration::from_millis(work.millis)).await;
            }
            let done = Done {
                id: work.id,
                place,
                payload: work.payload.clone(),
            };
            if sender.send(done).await.is_err() {
                return;
            }
        }
    });
    answers
}

/// Each piece of work answered as it comes.
struct Echo {
    works: Streaming<Work>,
    ledger: Ledger,
}

impl futures_core::Stream for Echo {
    type Item = Result<Done>;

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Self::Item>> {
        let this = &mut *self;
        std::pin::Pin::new(&mut this.works)
            .poll_next(cx)
            .map(|next| {
                next.map(|work| {
                    work.map(|work| {
                        drop(this.ledger.begin("leaf", work.id));
                        Done {
                            id: work.id,
                            place: work.count,
                            payload: work.payload,
                        }
                    })
                })
            })
    }
}

fn relay(service: Service, ledger: &Ledger) -> Result<Service> {
    let client = service.client()?;
    let put = leaf_method(&client, "Leaf.Put");
    let get = leaf_method(&client, "Leaf.Get");
    let (put_ledger, get_ledger) = (ledger.clone(), ledger.clone());
    Ok(service
        .handle("Relay.Put", move |cx: Context, work: Work| {
            pass_on(put_ledger.clone(), put.clone(), cx, work)
        })
        .handle(
            "Relay.Get",
            (move |cx: Context, work: Work| pass_on(get_ledger.clone(), get.clone(), cx, work))
                .idempotent(),
        ))
}

/// A handle on one of the leaf's endpoints.
pub fn leaf_method(client: &Client, endpoint: &str) -> Method<Work, Done> {
    client.method("leaf", endpoint)
}

async fn pass_on(
    ledger: Ledger,
    leaf: Method<Work, Done>,
    cx: Context,
    work: Work,
) -> Result<Done> {
    let _working = ledger.begin("relay", work.id);
    leaf.call(&cx, work).await
}
