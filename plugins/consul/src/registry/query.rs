//! A question that Consul answers when the answer has changed.
//!
//! See "Blocking Queries" of Consul's HTTP API: each answer has an index, and a question with `index` waits until it
//! has passed. An index that goes back means a server that lags behind, or one that has lost its data.

use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until};

use super::{Server, slots::SLOT_DURATION};
use micro_core::{
    Code, Error, Result,
    http::client::{Answer, Request},
};

/// How long Consul may wait; it adds a sixteenth at random. Less than load balancers let a connection rest, and how
/// long a watch may be blind when an agent's servers, unseen by us, lose their data: they wait for an index that is past.
const MAX_WAIT: Duration = Duration::from_secs(50);
/// How much longer than it waits an answer may take.
const TIMEOUT_MARGIN: Duration = Duration::from_secs(10);
/// Bytes a second that are read at most from one question, so that a burst of changes is read as a few …
const MAX_BYTES_PER_SECOND: usize = 20_000_000;
/// … but a change is never later than this for it.
const MAX_PACE_DELAY: Duration = Duration::from_millis(200);
/// Between two answers that do not differ, which is for servers that do not wait as they were told.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);

/// An answer that may differ from the one before.
pub(super) struct QueryResponse {
    pub(super) answer: Answer,
    /// Whether no connection was lost since that one. Else it may be that of a server without data, and what it lacks
    /// was not taken out.
    pub(super) is_continuous: bool,
}

/// A question at one host, with what is known of its answer.
pub(super) struct Query<'a> {
    server: &'a Server,
    host: usize,
    path: String,
    /// Of the last answer; 0 before the first.
    index: u64,
    /// How many connections had been lost then. One more, and the server may be another, whose indexes are lower.
    lost: u64,
    /// Of the next question, so that it does not come too soon.
    due: Instant,
}

impl<'a> Query<'a> {
    /// Asks the host that is asked first now, and only that. `path` ends in `?stale=`.
    pub(super) fn new(server: &'a Server, path: String) -> Self {
        Query {
            server,
            host: server.http.current(),
            path,
            index: 0,
            lost: 0,
            due: Instant::now(),
        }
    }

    /// The first answer at once, and then each that may differ from the one before. Nothing is lost if it is dropped.
    ///
    /// Fails when the host is lost, refuses, or has lost its data; another is then asked first, where there is one.
    pub(super) async fn next(&mut self) -> Result<QueryResponse> {
        let answer = self.changed().await;
        if answer.is_err() {
            self.server.http.leave(self.host);
        }
        answer
    }

    async fn changed(&mut self) -> Result<QueryResponse> {
        loop {
            sleep_until(self.due).await;
            let before = self.index;
            let lost = self.server.http.lost(self.host);
            let answer = match before > 0 && lost == self.lost {
                true => self.wait().await?,
                false => Some(self.ask(&self.server.get(&self.path)).await?),
            };
            let Some(answer) = answer else {
                continue;
            };
            let now = index(&answer).max(1);
            if now < before {
                self.confirm().await?;
                continue;
            }
            let is_continuous = lost == std::mem::replace(&mut self.lost, lost);
            if now > before {
                self.index = now;
                self.pace(&answer);
                return Ok(QueryResponse {
                    answer,
                    is_continuous,
                });
            }
        }
    }

    /// The answer once it has changed, or when the wait is over; `None` when the turn is, or a connection was lost.
    async fn wait(&mut self) -> Result<Option<Answer>> {
        let slots = &self.server.slots;
        let _turn = slots.acquire().await;
        let wait = if slots.is_contended() {
            SLOT_DURATION
        } else {
            MAX_WAIT
        };
        let millis = wait.as_millis();
        let path = format!("{}&index={}&wait={millis}ms", self.path, self.index);
        let question = self.server.get(&path).unless_lost(self.lost);
        let question = question.within(wait + wait / 16 + TIMEOUT_MARGIN);
        let asked = Instant::now();
        let answer = tokio::select! {
            answer = self.ask(&question) => answer,
            error = self.server.heartbeat.silence(&self.server.http, self.host) => return Err(error),
            // One that is short ends by itself.
            () = slots.expired(), if wait == MAX_WAIT => return Ok(None),
        };
        let answer = match answer {
            Err(error) if error.code() == Code::Aborted => return Ok(None),
            answer => answer?,
        };
        if index(&answer) == self.index && asked.elapsed() < wait / 2 {
            self.due = Instant::now() + RETRY_INTERVAL;
        }
        Ok(Some(answer))
    }

    async fn ask(&self, question: &Request) -> Result<Answer> {
        let answer = self.server.http.ask_host(self.host, question).await?;
        self.server.heartbeat.record_activity(self.host);
        self.server.understood(answer)
    }

    /// After an index that went back: asks the leader, whose index does so only when data is lost.
    async fn confirm(&mut self) -> Result<()> {
        sleep(RETRY_INTERVAL).await;
        let path = self.path.trim_end_matches("stale=").to_owned() + "consistent=";
        let answer = self.ask(&self.server.get(&path)).await?;
        match index(&answer) < self.index {
            true => Err(Error::unavailable(
                "it has lost its data, or an older state was restored",
            )),
            false => Ok(()),
        }
    }

    fn pace(&mut self, answer: &Answer) {
        let bytes = answer.body.len();
        let nanos = bytes as u64 * 1_000_000_000 / MAX_BYTES_PER_SECOND as u64;
        self.due = Instant::now() + Duration::from_nanos(nanos).min(MAX_PACE_DELAY);
    }
}

fn index(answer: &Answer) -> u64 {
    let said = answer.headers.get("x-consul-index");
    let said = said.and_then(|index| index.to_str().ok()?.parse().ok());
    said.unwrap_or(0)
}
