//! The services of the simulation: leaves that do the work, and relays that call them.

use std::{pin::Pin, time::Duration};

use micro::{
    Client, Context, Error, Handler, Message, Plugins, Result, Service, Socket, Streaming,
    client::Method,
    sim::{Random, World},
    transport::Limits,
};
use serde::{Deserialize, Serialize};

use super::{
    events::{Events, Who},
    ledger::Ledger,
};

/// The hosts of the leaves.
pub const LEAVES: [&str; 3] = ["leaf-1", "leaf-2", "leaf-3"];
/// The hosts of the relays.
pub const RELAYS: [&str; 2] = ["relay-1", "relay-2"];
/// What events are published to: a queue of leaves takes them, one of relays, and each relay besides.
pub const TOPIC: &str = "done";

/// Metadata of a call to an address, whoever is there.
pub const AT: &str = "at";

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
    /// The host that did it.
    pub by: String,
    pub payload: String,
}

/// Everything that nodes and callers have in common.
#[derive(Clone)]
pub struct Scene {
    pub world: World,
    pub ledger: Ledger,
    pub events: Events,
}

impl Scene {
    /// The parts of a process on one host.
    pub fn plugins(&self, host: &str, id: &str, random: &mut Random) -> Plugins {
        let mut limits = Limits::default();
        limits.max_message_size = 64 * 1024;
        limits.stream_window = 4 * 1024;
        limits.max_queued_bytes = 64 * 1024;
        limits.handshake_timeout = Duration::from_millis(800);
        limits.frame_timeout = Duration::from_secs(1);
        limits.keepalive_interval = Duration::from_millis(600);
        limits.keepalive_timeout = Duration::from_millis(600);
        limits.idle_timeout = Duration::from_secs(2);
        limits.connect_timeout = Duration::from_millis(300);
        let seed = random.number();
        let socket = Socket::new().network(self.world.network().host(host));
        self.world
            .plugins(host)
            .socket(socket.limits(limits))
            .discovery(|options| options.seed = Some(seed))
            .direct(|direct| {
                direct.id = Some(id.to_owned());
                direct.register_ttl = Duration::from_millis(900);
                direct.register_interval = Duration::from_millis(300);
                direct.deregister_delay = Duration::from_millis(60);
            })
    }
}

/// One process that serves.
pub struct Node {
    pub host: String,
    service: &'static str,
    scene: Scene,
    random: Random,
    starts: u32,
}

impl Node {
    pub fn new(host: &str, service: &'static str, scene: &Scene, random: &mut Random) -> Self {
        Node {
            host: host.to_owned(),
            service,
            scene: scene.clone(),
            random: random.fork(),
            starts: 0,
        }
    }

    /// Starts it unless it runs; it may fail to, as a process may while the registry is down.
    pub async fn start(&mut self) -> Result<()> {
        if self.scene.world.is_serving(&self.host) {
            return Ok(());
        }
        self.starts += 1;
        let id = format!("{}-{}", self.host, self.starts);
        let plugins = self.scene.plugins(&self.host, &id, &mut self.random);
        let service = Service::new(self.service)
            .id(&id)
            .address(format!("{}:80", self.host))
            .lifecycle(|life| {
                life.register_ttl = Duration::from_millis(900);
                life.register_interval = Duration::from_millis(300);
                life.deregister_delay = Duration::from_millis(60);
                life.drain = Duration::from_millis(600);
                life.concurrency = 12;
            })
            .plugins(plugins);
        let service = match self.service {
            "leaf" => leaf(service, &self.host, &self.scene),
            _ => relay(service, &id, &self.scene)?,
        };
        self.run(service).await
    }

    /// Kills it and starts another service at its address, with endpoints of the same names.
    pub async fn replace(&mut self) -> Result<()> {
        self.kill();
        self.starts += 1;
        let id = format!("{}-{}", self.host, self.starts);
        let plugins = self.scene.plugins(&self.host, &id, &mut self.random);
        let service = Service::new("stranger")
            .id(&id)
            .address(format!("{}:80", self.host))
            .lifecycle(|life| life.register_ttl = Duration::from_millis(900))
            .plugins(plugins);
        self.run(stranger(service, &self.host, &self.scene)).await
    }

    async fn run(&mut self, service: Service) -> Result<()> {
        self.scene.world.serve(&self.host, service).await
    }

    /// Ends it as SIGKILL does.
    pub fn kill(&mut self) {
        self.scene.world.kill(&self.host);
    }

    /// Ends it as SIGTERM does.
    pub async fn stop(&mut self) {
        self.scene.world.stop(&self.host).await;
    }
}

/// One host's way to do work.
#[derive(Clone)]
struct Worker {
    ledger: Ledger,
    host: String,
}

/// A service that nobody means: what it runs was meant for another, unless the caller named an address alone.
fn stranger(service: Service, host: &str, scene: &Scene) -> Service {
    let endpoints = [
        "Leaf.Put",
        "Leaf.Get",
        "Leaf.List",
        "Leaf.Sum",
        "Leaf.Chat",
        "Relay.Put",
        "Relay.Get",
    ];
    let worker = Worker {
        ledger: scene.ledger.clone(),
        host: host.to_owned(),
    };
    endpoints.into_iter().fold(service, |service, endpoint| {
        let worker = worker.clone();
        service.handle(endpoint, move |cx: Context, work: Work| {
            let worker = worker.clone();
            if cx.metadata().get(AT).is_none() {
                let (id, host) = (work.id, &worker.host);
                let strayed = format!("{endpoint} of {id} ran at a stranger on {host}");
                worker.ledger.violation(strayed);
            }
            worker.work(work)
        })
    })
}

fn leaf(service: Service, host: &str, scene: &Scene) -> Service {
    let worker = Worker {
        ledger: scene.ledger.clone(),
        host: host.to_owned(),
    };
    let (put, get, list) = (worker.clone(), worker.clone(), worker.clone());
    let (sum, chat) = (worker.clone(), worker);
    service
        .handle("Leaf.Put", move |_: Context, work: Work| {
            put.clone().work(work)
        })
        .handle(
            "Leaf.Get",
            (move |_: Context, work: Work| get.clone().work(work)).idempotent(),
        )
        .handle("Leaf.List", move |_: Context, work: Work| {
            let worker = list.clone();
            async move {
                let _working = worker.ledger.begin("leaf", work.id);
                Ok::<_, micro::Error>(worker.answers(work))
            }
        })
        .handle("Leaf.Sum", move |_: Context, works: Streaming<Work>| {
            sum.clone().sum(works)
        })
        .handle("Leaf.Chat", move |_: Context, works: Streaming<Work>| {
            let worker = chat.clone();
            async move { Ok::<_, micro::Error>(Streaming::new(Echo { works, worker })) }
        })
        .subscribe_queue(TOPIC, "leaves", receive(Who::Queue("leaves"), scene))
}

/// A handler of events on behalf of a receiver.
fn receive(
    who: Who,
    scene: &Scene,
) -> impl Fn(Context, Work) -> Pin<Box<dyn Future<Output = Result<()>> + Send>>
+ Clone
+ Send
+ Sync
+ 'static {
    let events = scene.events.clone();
    move |_, work| {
        let (events, who) = (events.clone(), who.clone());
        Box::pin(async move {
            let fails = events.begun(&who, work.id);
            let fate = fate(&work).await;
            if fails {
                fate?;
            }
            events.handled(&who, work.id);
            Ok(())
        })
    }
}

/// The time that work takes, and how it ends.
async fn fate(work: &Work) -> Result<()> {
    if work.millis > 0 {
        tokio::time::sleep(Duration::from_millis(work.millis)).await;
    }
    match work.fails {
        None => Ok(()),
        Some(Fails::Busy) => Err(Error::unavailable("too busy")),
        Some(Fails::Wrong) => Err(Error::invalid_argument("no such thing")),
    }
}

impl Worker {
    fn done(&self, work: Work, place: u64) -> Done {
        Done {
            id: work.id,
            place,
            by: self.host.clone(),
            payload: work.payload,
        }
    }

    async fn work(self, work: Work) -> Result<Done> {
        let _working = self.ledger.begin("leaf", work.id);
        fate(&work).await?;
        Ok(self.done(work, 0))
    }

    /// All that comes, answered by the first with their count.
    async fn sum(self, mut works: Streaming<Work>) -> Result<Done> {
        let mut sum: Option<Done> = None;
        while let Some(work) = works.next().await {
            let work = work?;
            let _working = self.ledger.begin("leaf", work.id);
            tokio::time::sleep(Duration::from_millis(work.millis / 8)).await;
            let sum = sum.get_or_insert_with(|| self.done(work, 0));
            sum.place += 1;
        }
        sum.ok_or_else(|| Error::invalid_argument("nothing came"))
    }

    /// `count` messages, each after a moment.
    fn answers(self, work: Work) -> Streaming<Done> {
        let (sender, answers) = Streaming::channel(4);
        tokio::spawn(async move {
            for place in 0..work.count {
                if work.millis > 0 {
                    tokio::time::sleep(Duration::from_millis(work.millis)).await;
                }
                let done = self.done(work.clone(), place);
                if sender.send(done).await.is_err() {
                    return;
                }
            }
        });
        answers
    }
}

/// Each piece of work answered as it comes.
struct Echo {
    works: Streaming<Work>,
    worker: Worker,
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
                        drop(this.worker.ledger.begin("leaf", work.id));
                        let place = work.count;
                        this.worker.done(work, place)
                    })
                })
            })
    }
}

fn relay(service: Service, id: &str, scene: &Scene) -> Result<Service> {
    let ledger = &scene.ledger;
    let client = service.client();
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
        )
        .subscribe_queue(TOPIC, "relays", receive(Who::Queue("relays"), scene))
        .subscribe(TOPIC, receive(Who::Alone(id.to_owned()), scene)))
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
