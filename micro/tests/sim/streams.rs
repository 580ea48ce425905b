//! Calls that stream: one way, the other, and both.

use std::time::Duration;

use micro::{Result, Streaming};
use tokio::time::Instant;

use super::{
    callers::Caller,
    ledger::{Ended, LATE},
    nodes::{Scene, Work},
};

/// Whether a stream, and not only its head, ends at its deadline.
const STREAMS_END_AT_THEIR_DEADLINE: bool = true;
/// What keepalive allows a stream that stands still, where its deadline is for its head alone.
const STANDSTILL: Duration = Duration::from_secs(5);

/// When a stream has to have ended.
fn end(limit: Duration) -> Duration {
    match STREAMS_END_AT_THEIR_DEADLINE {
        true => limit,
        false => limit + STANDSTILL,
    }
}

impl Scene {
    fn check_head(&self, id: u64, began: Instant, limit: Duration) {
        let took = began.elapsed();
        if took > limit + LATE {
            let late = format!("stream {id} began after {took:?}, its limit was {limit:?}");
            self.ledger.violation(late);
        }
    }
}

impl Caller {
    /// One request, many answers.
    pub(super) async fn list(&mut self, limit: Duration, patience: Duration) {
        let work = self.work();
        let (id, count, payload) = (work.id, work.count, work.payload.clone());
        let began = Instant::now();
        let scene = self.scene.clone();
        let listing = async {
            let call = self.list.call(&Default::default(), work).timeout(limit);
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
        let ended = ended(patience, listing).await;
        self.ended(id, "list", false, ended, began, end(limit));
    }

    fn works(&mut self) -> Vec<Work> {
        let count = self.random.within(1..12);
        (0..count).map(|_| self.work()).collect()
    }

    /// Many requests, one answer to all.
    pub(super) async fn sum(&mut self, limit: Duration, patience: Duration) {
        let began = Instant::now();
        let works = self.works();
        let (sender, requests) = Streaming::channel(4);
        let sent = works.clone();
        let scene = self.scene.clone();
        let call = self.sum.call(&Default::default(), requests).timeout(limit);
        let feeding = async move {
            for work in sent {
                // Whoever does not want more says why in the answer.
                if sender.send(work).await.is_err() {
                    return;
                }
            }
        };
        let summing = async {
            let (done, ()) = tokio::join!(call, feeding);
            let done = done?;
            if done.id != works[0].id || done.place != works.len() as u64 {
                scene.ledger.violation(format!(
                    "{} works from {} on were summed up as {} from {} on",
                    works.len(),
                    works[0].id,
                    done.place,
                    done.id
                ));
            }
            Ok(())
        };
        let ended = ended(patience, summing).await;
        for work in &works {
            // Its answer is one message: it has the deadline of any call.
            self.ended(work.id, "sum", false, ended.clone(), began, limit);
        }
    }

    /// Requests and answers as they come, those who send and those who receive apart.
    pub(super) async fn chat(&mut self, limit: Duration, patience: Duration) {
        let began = Instant::now();
        let works = self.works();
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
        let call = self.chat.call(&Default::default(), requests).timeout(limit);
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
        let ended = ended(patience, chatting).await;
        feeding.abort();
        for work in &works {
            self.ended(work.id, "chat", false, ended.clone(), began, end(limit));
        }
    }

    /// Each request sent when the one before it is answered.
    pub(super) async fn talk(&mut self, limit: Duration, patience: Duration) {
        let began = Instant::now();
        let works = self.works();
        let first = works[0].id;
        let (sender, requests) = Streaming::channel(1);
        let call = self.chat.call(&Default::default(), requests).timeout(limit);
        let scene = self.scene.clone();
        let mut said = 0;
        let talking = async {
            let head = call.await;
            scene.check_head(first, began, limit);
            let mut answers = head?;
            for work in &works {
                said += 1;
                if sender.send(work.clone()).await.is_err() {
                    // The error is what comes next.
                    answers.next().await.transpose()?;
                    let gone = "a talk was not listened to, and did not fail";
                    scene.ledger.violation(gone.to_owned());
                    return Ok(());
                }
                let done = answers.next().await.transpose()?;
                if done.as_ref().map(|done| done.id) != Some(work.id) {
                    let wrong = format!("{} was said and {done:?} answered", work.id);
                    scene.ledger.violation(wrong);
                }
            }
            drop(sender);
            if let Some(more) = answers.next().await.transpose()? {
                let wrong = format!("a talk that was over went on with {more:?}");
                scene.ledger.violation(wrong);
            }
            Ok(())
        };
        let ended = ended(patience, talking).await;
        for work in &works[..said] {
            self.ended(work.id, "talk", false, ended.clone(), began, end(limit));
        }
    }
}

/// How a call ended whose caller waits so long at the most.
async fn ended(patience: Duration, call: impl Future<Output = Result<()>>) -> Ended {
    match tokio::time::timeout(patience, call).await {
        Ok(Ok(())) => Ended::Fine,
        Ok(Err(error)) => Ended::Failed(error),
        Err(_) => Ended::Dropped,
    }
}
