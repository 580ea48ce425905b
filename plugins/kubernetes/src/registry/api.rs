//! The API server: what is asked of it, and what its refusals mean.

use std::{sync::Arc, time::Duration};

use http::{HeaderValue, Method, header};
use parking_lot::Mutex;
use serde::Serialize;
use tokio::time::Instant;

use super::{
    config::Config,
    credentials::Credentials,
    object::{Object, Page},
};
use micro_core::{
    Code, Error, Result,
    http::client::{Answer, Http, Lines, Request, escape},
};

/// Objects a page: full pods have about ten kilobytes each.
const PAGE_SIZE: usize = 500;
/// How long a question whether the server is there takes at most; others do not ask meanwhile …
const PROBE_TIMEOUT: Duration = Duration::from_secs(5);
/// … but look again this soon.
const PROBE_POLL_INTERVAL: Duration = Duration::from_millis(300);
/// After how many seconds the server ends a watch, which then goes on in another.
pub(super) const WATCH_TIMEOUT_S: u64 = 290;

/// A client of the API server.
pub(super) struct Api {
    http: Http,
    credentials: Arc<Credentials>,
    namespace: String,
    heartbeat: Mutex<Heartbeat>,
}

/// What is known of the server's life, on whichever connection.
#[derive(Default)]
struct Heartbeat {
    heard: Option<Instant>,
    /// When it was last asked whether it is there.
    asked: Option<Instant>,
    /// When it did not answer that.
    failed: Option<Instant>,
}

impl Api {
    pub(super) fn new(config: &Config) -> Self {
        Api {
            http: Http::new(&config.options),
            credentials: config.credentials.clone(),
            namespace: config.namespace.clone(),
            heartbeat: Mutex::default(),
        }
    }

    /// All objects at a path, page by page, and the version of the whole.
    pub(super) async fn list(&self, path: &str) -> Result<(Vec<Object>, String)> {
        let (mut objects, mut more) = (Vec::new(), String::new());
        loop {
            let next = match &*more {
                "" => format!("{path}&limit={PAGE_SIZE}"),
                more => format!("{path}&limit={PAGE_SIZE}&continue={}", escape(more)),
            };
            let page: Page = self.ask("list", Request::get(next)).await?.json()?;
            objects.extend(page.items);
            if page.metadata.more.is_empty() {
                return Ok((objects, page.metadata.resource_version));
            }
            more = page.metadata.more;
        }
    }

    /// The version that the objects at a path have now.
    pub(super) async fn version(&self, path: &str) -> Result<String> {
        let request = Request::get(format!("{path}&limit=1"));
        let page: Page = self.ask("list", request).await?.json()?;
        Ok(page.metadata.resource_version)
    }

    /// What changes at a path from a version on, a line each.
    pub(super) async fn watch(&self, path: &str, version: &str) -> Result<Lines> {
        let version = escape(version);
        let path = format!(
            "{path}&watch=true&allowWatchBookmarks=true&timeoutSeconds={WATCH_TIMEOUT_S}&resourceVersion={version}"
        );
        let request = Request::get(path);
        let mut lines = self.http.lines(&self.signed(&request)?).await;
        if lines.as_ref().is_err_and(is_unknown) && self.credentials.refused() {
            lines = self.http.lines(&self.signed(&request)?).await;
        }
        lines.map_err(|error| self.explained("watch", error))
    }

    /// Merges `patch` into a pod (RFC 7386).
    pub(super) async fn patch(&self, pod: &str, patch: &impl Serialize) -> Result<()> {
        let (namespace, pod) = (escape(&self.namespace), escape(pod));
        let path = format!("/api/v1/namespaces/{namespace}/pods/{pod}");
        let merge = HeaderValue::from_static("application/merge-patch+json");
        let request = Request::new(Method::PATCH, path)
            .header(header::CONTENT_TYPE, merge)
            .json(patch);
        self.ask("patch", request).await.map(drop)
    }

    /// Whether a server that was silent is there, and for how long that may be believed. It is asked by one watch for
    /// all of a handle, and only if nothing was heard of it within `silence`: any answer will do.
    ///
    /// Fails as the question did.
    pub(super) async fn is_there(&self, silence: Duration) -> Result<Duration> {
        {
            let mut pulse = self.heartbeat.lock();
            let since = |time: Option<Instant>| time.map_or(Duration::MAX, |time| time.elapsed());
            if let Some(left) = silence.checked_sub(since(pulse.heard)) {
                return Ok(left.max(PROBE_POLL_INTERVAL));
            }
            if since(pulse.failed) < silence {
                return Err(Error::unavailable("no answer to another of our watches"));
            }
            if since(pulse.asked) < PROBE_TIMEOUT {
                return Ok(PROBE_POLL_INTERVAL);
            }
            pulse.asked = Some(Instant::now());
        }
        match self.http.ask(&Request::get("/version")).await {
            Ok(_) => {
                self.hear();
                Ok(silence)
            }
            Err(error) => {
                self.heartbeat.lock().failed = Some(Instant::now());
                Err(error)
            }
        }
    }

    /// The server was heard.
    pub(super) fn hear(&self) {
        let mut pulse = self.heartbeat.lock();
        pulse.heard = Some(Instant::now());
        pulse.failed = None;
    }

    async fn ask(&self, verb: &str, request: Request) -> Result<Answer> {
        let mut answer = self.http.ask(&self.signed(&request)?).await?;
        if answer.status.as_u16() == 401 && self.credentials.refused() {
            // The token was renewed since it was read.
            answer = self.http.ask(&self.signed(&request)?).await?;
        }
        self.hear();
        answer
            .success()
            .map_err(|error| self.explained(verb, error))
    }

    fn signed(&self, request: &Request) -> Result<Request> {
        let request = request.clone();
        Ok(match self.credentials.header()? {
            Some(value) => request.header(header::AUTHORIZATION, value),
            None => request,
        })
    }

    /// What a refusal asks of whoever runs the cluster.
    fn explained(&self, verb: &str, error: Error) -> Error {
        let namespace = &self.namespace;
        match error.code() {
            Code::PermissionDenied => error.context(format_args!(
                "permission `{verb}` is missing in namespace `{namespace}`: grant it to us in a Role"
            )),
            Code::Unauthenticated => {
                error.context("it does not know us: give `token` or `token-file`, or run in a pod")
            }
            _ => error,
        }
    }
}

fn is_unknown(error: &Error) -> bool {
    error.code() == Code::Unauthenticated
}
