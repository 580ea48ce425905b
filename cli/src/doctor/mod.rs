//! Checks of a registry, its nodes and a broker, and their results.

mod broker;
mod nodes;
mod registry;
pub(crate) mod snapshots;

use std::time::Duration;

use micro::{Code, Error};
use serde_json::{Value, json};

use crate::printable::printable;

pub(crate) use broker::broker;
pub(crate) use nodes::nodes;
pub(crate) use registry::registry;

/// The checks of one registry, broker or directory.
pub(crate) struct Report {
    /// Such as `registry`.
    kind: &'static str,
    /// The URL or directory, without secrets.
    place: String,
    checks: Vec<Check>,
}

struct Check {
    /// Such as `reads`.
    name: &'static str,
    result: CheckResult,
    /// How long it took.
    took: Option<Duration>,
}

enum CheckResult {
    /// With details, such as a count.
    Passed(String),
    /// With the reason, which is no fault.
    Skipped(String),
    /// With the reason and what to do.
    Failed { why: String, advice: String },
}

impl Report {
    fn new(kind: &'static str, place: String) -> Self {
        Report {
            kind,
            place,
            checks: Vec::new(),
        }
    }

    fn add(&mut self, name: &'static str, result: CheckResult, took: Option<Duration>) {
        self.checks.push(Check { name, result, took });
    }

    /// Whether no check failed.
    pub(crate) fn has_passed(&self) -> bool {
        let failed = |check: &Check| matches!(check.result, CheckResult::Failed { .. });
        !self.checks.iter().any(failed)
    }

    /// Whether the services of the registry could be read.
    pub(crate) fn is_reached(&self) -> bool {
        let reads =
            |check: &Check| check.name == "reads" && matches!(check.result, CheckResult::Passed(_));
        self.checks.iter().any(reads)
    }

    /// Whether a node could be registered.
    pub(crate) fn registers(&self) -> bool {
        let registers = |check: &Check| {
            check.name == "registers" && matches!(check.result, CheckResult::Passed(_))
        };
        self.has_passed() && self.checks.iter().any(registers)
    }

    pub(crate) fn json(&self) -> Value {
        let checks = self.checks.iter().map(|check| {
            let (result, text, advice) = match &check.result {
                CheckResult::Passed(text) => ("ok", text, None),
                CheckResult::Skipped(text) => ("none", text, None),
                CheckResult::Failed { why, advice } => ("failed", why, Some(advice)),
            };
            let ms = check.took.map(|took| (took.as_secs_f64() * 1e6).round() / 1e3);
            json!({"check": check.name, "result": result, "found": text, "ms": ms, "advice": advice})
        });
        json!({
            "kind": self.kind,
            "place": self.place,
            "well": self.has_passed(),
            "checks": checks.collect::<Vec<_>>(),
        })
    }

    /// A line for each check, and the advice for failed ones.
    pub(crate) fn text(&self, coloured: bool) -> String {
        let paint = |code: &str, text: &str| match coloured {
            true => format!("\x1b[{code}m{text}\x1b[0m"),
            false => text.to_owned(),
        };
        let place = printable(&self.place, false);
        let mut text = paint("1", &format!("{} {place}", self.kind));
        for check in &self.checks {
            let took = check
                .took
                .map_or_else(String::new, |took| format!("  {took:.1?}"));
            let (mark, detail) = match &check.result {
                CheckResult::Passed(detail) => (paint("32", "ok    "), detail),
                CheckResult::Skipped(detail) => ("none  ".to_owned(), detail),
                CheckResult::Failed { why, .. } => (paint("31", "FAILED"), why),
            };
            let detail = printable(detail, true);
            text += &format!("\n  {mark}  {:11}  {detail}{took}", check.name);
            if let CheckResult::Failed { advice, .. } = &check.result {
                text += &format!("\n                       -> {advice}");
            }
        }
        text
    }
}

impl CheckResult {
    fn failed(error: &Error, advice: impl Into<String>) -> Self {
        CheckResult::Failed {
            why: error.to_string(),
            advice: advice.into(),
        }
    }
}

/// Registries that have a page of their own.
const PAGES: &[&str] = &[
    "consul",
    "dns",
    "etcd",
    "kubernetes",
    "mdns",
    "nats",
    "zookeeper",
];

/// What to do about an error of a registry or broker of this name.
fn advice(name: &str, error: &Error) -> String {
    if name == "local" {
        return "check the owner of the directory, or choose another with `--registry=local:PATH`"
            .to_owned();
    }
    let page = match PAGES.contains(&name) {
        true => format!("docs/registries/{name}.md"),
        false => "docs/settings.md".to_owned(),
    };
    match error.code() {
        Code::Unavailable | Code::DeadlineExceeded => format!(
            "check that it runs, that this machine reaches it, and `--registry-address` and `--registry-tls`; \
             running services use the nodes they know, and new ones register once it is back ({page})"
        ),
        Code::Unauthenticated => format!(
            "check `--registry-user` and `--registry-password`, or `--registry-token` ({page})"
        ),
        Code::PermissionDenied => {
            format!("grant it to this user or token: {page} lists what is needed")
        }
        Code::InvalidArgument => format!("see what it can hold in {page}"),
        _ => format!("see {page}"),
    }
}

/// The result of `work`, or an error after `limit`; with the time it took.
async fn timed<T>(
    limit: Duration,
    work: impl Future<Output = micro::Result<T>>,
) -> (micro::Result<T>, Duration) {
    let begun = tokio::time::Instant::now();
    let answer = tokio::time::timeout(limit, work).await;
    let answer =
        answer.unwrap_or_else(|_| Err(Error::unavailable(format!("no answer in {limit:?}"))));
    (answer, begun.elapsed())
}
