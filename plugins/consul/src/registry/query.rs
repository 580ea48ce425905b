//! A blocking query: Consul responds when the result has changed.
//!
//! See "Blocking Queries" of the Consul HTTP API: each response has an index, and a query with `index` blocks until the
//! index is passed. A lower index means a server that lags behind or has lost its data.

use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until};

use super::{Server, slots::SLOT_DURATION};
use micro_core::{
    Code, Error, Result,
    http::client::{Answer, Request},
};

/// How long Consul may block; it adds up to a sixteenth. Below the idle timeout of load balancers. Also bounds how long
/// a watch stays blind when the servers behind an agent lose their data and wait for an index that has passed.
const MAX_WAIT: Duration = Duration::from_secs(50);
/// How much longer than the wait a response may take.
const TIMEOUT_MARGIN: Duration = Duration::from_secs(10);
/// Bytes a second that one query reads at most, so that a burst of changes is read in a few responses.
const MAX_BYTES_PER_SECOND: usize = 20_000_000;
/// Maximal delay of a change by [`MAX_BYTES_PER_SECOND`].
const MAX_PACE_DELAY: Duration = Duration::from_millis(200);
/// Delay after an unchanged response, for servers that do not block as asked.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);

/// A response that may differ from the one before.
pub(super) struct QueryResponse {
    pub(super) answer: Answer,
    /// Whether no connection was lost since the response before. Otherwise the server may have no data, and what is
    /// missing was not removed.
    pub(super) is_continuous: bool,
}

/// A query at one host.
pub(super) struct Query<'a> {
    server: &'a Server,
    host: usize,
    path: String,
    /// The index of the last response; 0 before the first.
    index: u64,
    /// The number of lost connections at the last response. After another loss the server may be a different one, with
    /// lower indexes.
    lost: u64,
    /// When the next query may be sent.
    due: Instant,
}

impl<'a> Query<'a> {
    /// A query at the current host only. `path` ends in `?stale=`.
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

    /// Returns the first response at once, then each that may differ. Cancel safe.
    ///
    /// Fails when the host is lost, refuses, or has lost its data; another host comes first then, if there is one.
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

    /// The response after a change or at the end of the wait; `None` if the slot expired or a connection was lost.
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
            // A short wait ends by itself.
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

    /// Confirms a lower index with the leader, whose index only falls when data is lost.
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
