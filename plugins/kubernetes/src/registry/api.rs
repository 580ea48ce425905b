//! Requests to the API server, and advice for its errors.

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

/// Objects in a page: the object of a pod has about 10 kB.
const PAGE_SIZE: usize = 500;
/// Timeout of a liveness probe, which one watch sends for all of a handle.
const PROBE_TIMEOUT: Duration = Duration::from_secs(5);
/// Interval at which the other watches check the result of the probe.
const PROBE_POLL_INTERVAL: Duration = Duration::from_millis(300);
/// Seconds after which the server ends a watch; it continues in a new one.
pub(super) const WATCH_TIMEOUT_S: u64 = 290;

/// A client of the API server.
pub(super) struct Api {
    http: Http,
    credentials: Arc<Credentials>,
    namespace: String,
    heartbeat: Mutex<Heartbeat>,
}

/// The last activity of the server, on any connection.
#[derive(Default)]
struct Heartbeat {
    heard: Option<Instant>,
    /// When the last probe was sent.
    asked: Option<Instant>,
    /// When a probe failed.
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

    /// Lists all objects at a path, page by page. Returns them and the version of the list.
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

    /// The current version of the objects at a path.
    pub(super) async fn version(&self, path: &str) -> Result<String> {
        let request = Request::get(format!("{path}&limit=1"));
        let page: Page = self.ask("list", request).await?.json()?;
        Ok(page.metadata.resource_version)
    }

    /// Watches the changes at a path after a version, one a line.
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

    /// Probes a silent server. Returns for how long the result holds. One watch probes for all of a handle, only if
    /// nothing arrived within `silence`; any response counts.
    ///
    /// Fails as the probe did.
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

    /// Records activity of the server.
    pub(super) fn hear(&self) {
        let mut pulse = self.heartbeat.lock();
        pulse.heard = Some(Instant::now());
        pulse.failed = None;
    }

    async fn ask(&self, verb: &str, request: Request) -> Result<Answer> {
        let mut answer = self.http.ask(&self.signed(&request)?).await?;
        if answer.status.as_u16() == 401 && self.credentials.refused() {
            // The token file has changed since it was read.
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

    /// Adds advice to a refusal.
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
