//! Those who call: all kinds of calls, with all kinds of deadlines, some given up half way.

use std::time::Duration;

use micro::{Client, Context, Streaming, client::Method, sim::Random};
use tokio::time::Instant;

use super::{
    ledger::Ended,
    nodes::{AT, Done, Fails, LEAVES, Scene, TOPIC, Work, leaf_method},
};

/// Calls of one caller have ids of their own.
const EACH: u64 = 1_000_000;

/// One task that makes calls, one after the other.
pub struct Caller {
    pub(super) scene: Scene,
    pub(super) random: Random,
    client: Client,
    next: u64,
    leaf_put: Method<Work, Done>,
    leaf_get: Method<Work, Done>,
    relay_put: Method<Work, Done>,
    relay_get: Method<Work, Done>,
    pub(super) list: Method<Work, Streaming<Done>>,
    pub(super) sum: Method<Streaming<Work>, Done>,
    pub(super) chat: Method<Streaming<Work>, Streaming<Done>>,
}

/// How a unary call is made.
struct Way {
    method: Method<Work, Done>,
    /// The service.
    what: &'static str,
    idempotent: bool,
    hedge: Option<Duration>,
    /// The host to call, where that is not left to discovery.
    at: Option<&'static str>,
}

impl Caller {
    pub fn new(number: u64, client: &Client, scene: &Scene, random: &mut Random) -> Self {
        Caller {
            scene: scene.clone(),
            random: random.fork(),
            client: client.clone(),
            next: (number + 1) * EACH,
            leaf_put: leaf_method(client, "Leaf.Put"),
            leaf_get: leaf_method(client, "Leaf.Get"),
            relay_put: client.method("relay", "Relay.Put"),
            relay_get: client.method("relay", "Relay.Get"),
            list: client.method("leaf", "Leaf.List"),
            sum: client.method("leaf", "Leaf.Sum"),
            chat: client.method("leaf", "Leaf.Chat"),
        }
    }

    /// Calls until a time.
    pub async fn run(mut self, until: Instant) {
        while Instant::now() < until {
            self.call_once().await;
            let pause = self.random.millis(0..40);
            tokio::time::sleep(pause).await;
        }
    }

    async fn call_once(&mut self) {
        let limit = self.random.millis(20..1_500);
        let patience = match self.random.chance(12) {
            true => self.random.millis(0..120),
            false => Duration::from_secs(60),
        };
        match self.random.within(0..17) {
            0 => self.chat(limit, patience).await,
            1 => self.talk(limit, patience).await,
            2 => self.list(limit, patience).await,
            3 => self.sum(limit, patience).await,
            4..=5 => self.publish(limit, patience).await,
            _ => {
                let way = self.way();
                self.unary(way, limit, patience).await;
            }
        }
    }

    fn way(&mut self) -> Way {
        let (method, what, idempotent) = match self.random.within(0..8) {
            0..=1 => (&self.leaf_get, "leaf", true),
            2..=4 => (&self.leaf_put, "leaf", false),
            5 => (&self.relay_get, "relay", true),
            _ => (&self.relay_put, "relay", false),
        };
        let method = method.clone();
        let hedge = self.random.chance(20).then(|| self.random.millis(1..60));
        let at = (what == "leaf" && self.random.chance(15)).then(|| *self.random.one_of(&LEAVES));
        Way {
            method,
            what,
            // At one address nothing is done again.
            idempotent: idempotent && at.is_none(),
            hedge,
            at,
        }
    }

    pub(super) fn work(&mut self) -> Work {
        self.next += 1;
        let length = match self.random.within(0..20) {
            0 => self.random.within(0..40_000),
            1..=5 => self.random.within(0..3_000),
            _ => self.random.within(0..60),
        };
        let letter = char::from(b'a' + (self.next % 26) as u8);
        Work {
            id: self.next,
            millis: match self.random.chance(60) {
                true => 0,
                false => self.random.within(1..80),
            },
            fails: match self.random.within(0..30) {
                0 => Some(Fails::Busy),
                1 => Some(Fails::Wrong),
                _ => None,
            },
            count: self.random.within(0..20),
            payload: String::from(letter).repeat(length as usize),
        }
    }

    async fn unary(&mut self, way: Way, limit: Duration, patience: Duration) {
        let work = self.work();
        let (id, payload) = (work.id, work.payload.clone());
        let began = Instant::now();
        let mut call = way.method.call(&Context::new(), work).timeout(limit);
        if let Some(delay) = way.hedge {
            call = call.hedge(delay);
        }
        if let Some(host) = way.at {
            call = call.address(&format!("{host}:80")).metadata(AT, host);
        }
        let ended = match tokio::time::timeout(patience, call.into_future()).await {
            Ok(Ok(done)) => {
                if (done.id, done.place, done.payload) != (id, 0, payload) {
                    self.wrong(id, "another call's answer");
                }
                if way.at.is_some_and(|host| host != done.by) {
                    self.wrong(
                        id,
                        &format!("an answer of {}, not of {:?}", done.by, way.at),
                    );
                }
                Ended::Fine
            }
            Ok(Err(error)) => Ended::Failed(error),
            Err(_) => Ended::Dropped,
        };
        self.ended(id, way.what, way.idempotent, ended, began, limit);
    }

    async fn publish(&mut self, limit: Duration, patience: Duration) {
        let work = self.work();
        let began = Instant::now();
        let context = Context::new().with_timeout(limit);
        let publishing = self.client.publish(&context, TOPIC, &work);
        let ended = match tokio::time::timeout(patience, publishing).await {
            Ok(told) => {
                let ended = told.as_ref().err().cloned();
                self.scene.events.published(work.id, told);
                ended.map_or(Ended::Fine, Ended::Failed)
            }
            Err(_) => Ended::Dropped,
        };
        self.ended(work.id, "event", false, ended, began, limit);
    }

    fn wrong(&self, id: u64, what: &str) {
        self.scene.ledger.violation(format!("call {id} got {what}"));
    }

    pub(super) fn ended(
        &self,
        id: u64,
        what: &'static str,
        idempotent: bool,
        ended: Ended,
        began: Instant,
        limit: Duration,
    ) {
        self.scene
            .world
            .note(&format!("call {id} ({what}): {ended:?}"));
        let took = began.elapsed();
        let ledger = &self.scene.ledger;
        ledger.ended(id, what, idempotent, ended, took, limit);
    }
}
