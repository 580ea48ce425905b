//! Those who call: all kinds of calls, with all kinds of deadlines, some given up half way.

use std::time::Duration;

use micro::{Client, Context, Streaming, client::Method};
use tokio::time::Instant;

use super::{
    ledger::{Ended, LATE},
    nodes::{Done, Fails, Scene, Work, leaf_method},
    random::Random,
};

/// A stream's deadline is for its head; keepalive ends one that stands still within this much more.
const STREAM: Duration = Duration::from_secs(5);
/// Calls of one caller have ids of their own.
const EACH: u64 = 1_000_000;

impl Scene {
    fn check_head(&self, id: u64, began: Instant, limit: Duration) {
        let took = began.elapsed();
        if took > limit + LATE {
            let late = format!("stream {id} began after {took:?}, its limit was {limit:?}");
            self.ledger.violation(late);
        }
    }
}

/// One task that makes calls, one after the other.
pub struct Caller {
    scene: Scene,
    random: Random,
    next: u64,
    leaf_put: Method<Work, Done>,
    leaf_get: Method<Work, Done>,
    relay_put: Method<Work, Done>,
    relay_get: Method<Work, Done>,
    list: Method<Work, Streaming<Done>>,
    chat: Method<Streaming<Work>, Streaming<Done>>,
}

impl Caller {
    pub fn new(number: u64, client: &Client, scene: &Scene, random: &mut Random) -> Self {
        Caller {
            scene: scene.clone(),
            random: random.fork(),
            next: (number + 1) * EACH,
            leaf_put: leaf_method(client, "Leaf.Put"),
            leaf_get: leaf_method(client, "Leaf.Get"),
            relay_put: client.method("relay", "Relay.Put"),
            relay_get: client.method("relay", "Relay.Get"),
            list: client.method("leaf", "Leaf.List"),
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
        match self.random.within(0..10) {
            0 => self.chat(limit, patience).await,
            1 => self.list(limit, patience).await,
            2..=3 => {
                let method = self.leaf_get.clone();
                self.unary(method, "leaf", true, limit, patience).await;
            }
            4..=6 => {
                let method = self.leaf_put.clone();
                self.unary(method, "leaf", false, limit, patience).await;
            }
            7 => {
                let method = self.relay_get.clone();
                self.unary(method, "relay", true, limit, patience).await;
            }
            _ => {
                let method = self.relay_put.clone();
                self.unary(method, "relay", false, limit, patience).await;
            }
        }
    }

    fn work(&mut self) -> Work {
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

    async fn unary(
        &mut self,
        method: Method<Work, Done>,
        what: &'static str,
        idempotent: bool,
        limit: Duration,
        patience: Duration,
    ) {
        let work = self.work();
        let expected = Done {
            id: work.id,
            place: 0,
            payload: work.payload.clone(),
        };
        let began = Instant::now();
        let call = method.call(&Context::new(), work).timeout(limit);
        let call = tokio::time::timeout(patience, call.into_future());
        let ended = match call.await {
            Ok(Ok(done)) => {
                if done != expected {
                    self.wrong(expected.id, "another call's answer");
                }
                Ended::Fine
            }
            Ok(Err(error)) => Ended::Failed(error),
            Err(_) => Ended::Dropped,
        };
        self.ended(expected.id, what, idempotent, ended, began, limit);
    }

    async fn list(&mut self, limit: Duration, patience: Duration) {
        let work = self.work();
        let (id, count, payload) = (work.id, work.count, work.payload.clone());
        let began = Instant::now();
        let scene = self.scene.clone();
        let listing = async {
            let call = self.list.call(&Context::new(), work).timeout(limit);
            let head = call.await;
            scene.check_head(id, began, limit);
            let mut answers = head?;
            let mut place = 0;
            while let Some(done) = answers.next().await {
                let done = done?;
                if done.id != id || done.place != place || done.payload != payload {
                    scene.ledger.violation(format!(
                        "stream {id} gave ({}, {}) for ({id}, {place})",
                        done.id, done.place
                    ));
                }
                place += 1;
            }
            if place != count {
                scene.ledger.violation(format!(
                    "stream {id} ended in order after {place} messages of {count}"
                ));
            }
            Ok(())
        };
        let ended = match tokio::time::timeout(patience, listing).await {
            Ok(Ok(())) => Ended::Fine,
            Ok(Err(error)) => Ended::Failed(error),
            Err(_) => Ended::Dropped,
        };
        self.ended(id, "list", false, ended, began, limit + STREAM);
    }

    async fn chat(&mut self, limit: Duration, patience: Duration) {
        let began = Instant::now();
        let works: Vec<Work> = (0..self.random.within(1..12))
            .map(|_| self.work())
            .collect();
        let first = works[0].id;
        let (sender, requests) = Streaming::channel(4);
        let sent = works.clone();
        let feeding = tokio::spawn(async move {
            for work in sent {
                if sender.send(work).await.is_err() {
                    return;
                }
            }
        });
        let call = self.chat.call(&Context::new(), requests).timeout(limit);
        let scene = self.scene.clone();
        let chatting = async {
            let head = call.await;
            scene.check_head(first, began, limit);
            let mut answers = head?;
            let mut expected = works.iter();
            while let Some(done) = answers.next().await {
                let done = done?;
                let work = expected.next();
                if work.is_none_or(|work| work.id != done.id || work.payload != done.payload) {
                    let id = done.id;
                    scene
                        .ledger
                        .violation(format!("a chat gave {id} out of order"));
                }
            }
            let missing = expected.count();
            if missing > 0 {
                scene
                    .ledger
                    .violation(format!("a chat ended in order, {missing} answers short"));
            }
            Ok(())
        };
        let ended = match tokio::time::timeout(patience, chatting).await {
            Ok(Ok(())) => Ended::Fine,
            Ok(Err(error)) => Ended::Failed(error),
            Err(_) => Ended::Dropped,
        };
        feeding.abort();
        for work in &works {
            let ended = ended.clone();
            self.ended(work.id, "chat", false, ended, began, limit + STREAM);
        }
    }

    fn wrong(&self, id: u64, what: &str) {
        self.scene.ledger.violation(format!("call {id} got {what}"));
    }

    fn ended(
        &self,
        id: u64,
        what: &'static str,
        idempotent: bool,
        ended: Ended,
        began: Instant,
        limit: Duration,
    ) {
        self.scene
            .internet
            .note(&format!("call {id} ({what}): {ended:?}"));
        let took = began.elapsed();
        let ledger = &self.scene.ledger;
        ledger.ended(id, what, idempotent, ended, took, limit);
    }
}
