//! A client of one cluster: one connection to a member that responds, shared by everything a handle does.

use std::{sync::Arc, time::Duration};

use http::HeaderValue;
use tokio::{
    task::JoinSet,
    time::{Instant, sleep, sleep_until, timeout},
};

use super::{
    connection::Connection,
    failure::Failure,
    message::{Authenticate, Question},
    single_flight::SingleFlight,
    stream::Stream,
};
use micro_core::{Code, Error, Result, net::tls::Connector, random::random, url::Options};

/// Timeout for a connection to any member: below the 5 s that a caller waits.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(4500);
/// Delay before the next member is tried as well.
const MEMBER_STAGGER: Duration = Duration::from_millis(250);
/// Timeout of one attempt. A request whose leader died gets no response for 7 s; a new leader is elected in 2 s.
const ATTEMPT_TIMEOUT: Duration = Duration::from_millis(2500);
/// Time within which requests are retried.
const CALL_TIMEOUT: Duration = Duration::from_millis(4500);
/// Delay between two attempts.
const RETRY_INTERVAL: Duration = Duration::from_millis(100);

/// A client of one cluster.
pub(super) struct Client {
    cluster: Arc<Cluster>,
    connection: SingleFlight<Arc<Connection>>,
    /// The token of the configured user.
    token: SingleFlight<HeaderValue>,
    /// The configured token, in place of a user.
    given: Option<HeaderValue>,
}

struct Cluster {
    hosts: Vec<String>,
    tls: Option<Connector>,
    user: Option<(String, String)>,
}

impl Client {
    pub(super) fn new(options: &Options, user: Option<(String, String)>) -> Result<Self> {
        let given = options.token.as_deref().map(token_header).transpose()?;
        Ok(Client {
            cluster: Arc::new(Cluster {
                hosts: options.hosts.clone(),
                tls: options
                    .tls
                    .clone()
                    .map(|files| Connector::new(files).alpn("h2")),
                user,
            }),
            connection: SingleFlight::new(),
            token: SingleFlight::new(),
            given,
        })
    }

    /// The connection, if there is one.
    pub(super) fn now(&self) -> Option<Arc<Connection>> {
        self.connection.now()
    }

    /// Reports a late response: the connection is closed unless its member responds soon.
    pub(super) fn doubt(&self) {
        if let Some(connection) = self.now() {
            connection.doubt();
        }
    }

    async fn connection(&self) -> Result<Arc<Connection>, Failure> {
        let before = self.now();
        let dial = || {
            let before = before
                .as_deref()
                .map(|connection| connection.host().to_owned());
            let place = self.cluster.clone();
            async move {
                let dialled = timeout(CONNECT_TIMEOUT, place.dial(before)).await;
                let silent = || {
                    Err(Failure::Lost(format!(
                        "no connection in {CONNECT_TIMEOUT:?}"
                    )))
                };
                dialled.unwrap_or_else(|_| silent())
            }
        };
        self.connection
            .get(|connection| connection.is_alive(), dial)
            .await
    }

    /// A token other than `stale`.
    async fn token(
        &self,
        connection: &Arc<Connection>,
        stale: Option<&HeaderValue>,
    ) -> Result<Option<HeaderValue>, Failure> {
        let Some((name, password)) = &self.cluster.user else {
            return Ok(self.given.clone());
        };
        let authenticate = || {
            let (name, password) = (name.clone(), password.clone());
            let connection = connection.clone();
            async move {
                let question = Authenticate { name, password };
                let asked = timeout(ATTEMPT_TIMEOUT, connection.ask(&question, None)).await;
                let late = |_| {
                    Err(Failure::Lost(format!(
                        "no answer to who we are in {ATTEMPT_TIMEOUT:?}"
                    )))
                };
                match asked.unwrap_or_else(late) {
                    Ok(answer) => token_header(&answer.token).map_err(Failure::Unusable),
                    // Without authentication everything is permitted.
                    Err(failure) if failure.says("authentication is not enabled") => {
                        Ok(HeaderValue::from_static(""))
                    }
                    Err(failure) => Err(failure),
                }
            }
        };
        let token = self
            .token
            .get(|token| Some(token) != stale, authenticate)
            .await?;
        Ok(Some(token).filter(|token| !token.is_empty()))
    }

    /// Sends an idempotent unary request. Retries for 4.5 s while that may help.
    pub(super) async fn ask<Q: Question>(&self, question: &Q) -> Result<Q::Answer, Failure> {
        let begun = Instant::now();
        let mut stale = None;
        loop {
            // A failed connection is not retried: the connect timeout has passed already.
            let connection = self.connection().await?;
            let token = self.token(&connection, stale.as_ref()).await?;
            let asked = connection.ask(question, token.clone());
            let Ok(answer) = timeout(ATTEMPT_TIMEOUT, asked).await else {
                connection.doubt();
                if begun.elapsed() > CALL_TIMEOUT {
                    let host = connection.host();
                    return Err(Failure::Lost(format!(
                        "{host}: no answer in {CALL_TIMEOUT:?}"
                    )));
                }
                continue;
            };
            match answer {
                Err(failure) if failure.wants_token() && stale.is_none() && token.is_some() => {
                    stale = token;
                }
                Err(failure) if failure.is_passing() && begun.elapsed() < CALL_TIMEOUT => {
                    sleep(RETRY_INTERVAL).await;
                }
                answer => return answer,
            }
        }
    }

    /// Opens a server stream.
    pub(super) async fn follow<Q: Question>(
        &self,
        question: &Q,
    ) -> Result<Stream<Q::Answer>, Failure> {
        let connection = self.connection().await?;
        let token = self.token(&connection, None).await?;
        connection.follow(question, token).await
    }

    /// Fetches a new token if the failure asks for one.
    pub(super) async fn renew_token(&self, failure: &Failure) {
        if failure.wants_token()
            && let Some(connection) = self.now()
            && let Some(stale) = self.token.now()
        {
            // The next request reports an error of the token.
            let _ = self.token(&connection, Some(&stale)).await;
        }
    }
}

impl Cluster {
    /// Connects to the member that responds first. Members are tried 250 ms apart, from a random one; the member that
    /// was lost last comes last.
    async fn dial(self: Arc<Self>, lost: Option<String>) -> Result<Arc<Connection>, Failure> {
        let mut hosts = self.hosts.clone();
        let first = random() as usize % hosts.len();
        hosts.rotate_left(first);
        hosts.sort_by_key(|host| Some(host) == lost.as_ref());
        let mut hosts = hosts.into_iter();
        let mut tries = JoinSet::new();
        let mut next = Instant::now();
        let mut failures = Vec::new();
        loop {
            if tries.is_empty() && hosts.len() == 0 {
                return Err(joined(failures));
            }
            tokio::select! {
                () = sleep_until(next), if hosts.len() > 0 => {
                    if let Some(host) = hosts.next() {
                        let place = self.clone();
                        tries.spawn(async move { Connection::open(&host, place.tls.as_ref()).await });
                    }
                    next = Instant::now() + MEMBER_STAGGER;
                }
                Some(tried) = tries.join_next() => {
                    next = Instant::now();
                    match tried {
                        Ok(Ok(connection)) => return Ok(Arc::new(connection)),
                        Ok(Err(failure)) => failures.push(failure),
                        Err(error) => failures.push(Failure::lost(error)),
                    }
                }
            }
        }
    }
}

/// Joins the failures of all members.
fn joined(mut failures: Vec<Failure>) -> Failure {
    if failures.len() == 1 {
        return failures.remove(0);
    }
    let mut said = Vec::new();
    for failure in failures {
        match failure {
            // A configuration error, such as an unreadable certificate file, is the same for all members.
            Failure::Unusable(error) if error.code() != Code::Unavailable => {
                return Failure::Unusable(error);
            }
            failure => {
                let text = Error::from(failure).to_string();
                said.push(text.trim_end_matches(" (unavailable)").to_owned());
            }
        }
    }
    Failure::Lost(said.join("; "))
}

/// The header value of a token; never printed.
fn token_header(token: &str) -> Result<HeaderValue> {
    let mut value = HeaderValue::from_str(token).map_err(|_| {
        Error::invalid_argument("the token has a character that no header can carry")
    })?;
    value.set_sensitive(true);
    Ok(value)
}
