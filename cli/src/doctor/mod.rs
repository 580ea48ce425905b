//! What is found when a registry or a broker is tried, check by check.

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

/// What was found of one thing.
pub(crate) struct Report {
    /// Such as `registry`.
    kind: &'static str,
    /// Where it is, without secrets.
    place: String,
    checks: Vec<Check>,
}

/// One thing that was tried.
struct Check {
    /// Such as `reads`.
    name: &'static str,
    result: Found,
    /// How long it took.
    took: Option<Duration>,
}

enum Found {
    /// It went well, with what was found.
    Well(String),
    /// It did not, and nothing is wrong with that.
    Without(String),
    /// What went wrong, and what to do.
    Ill { why: String, advice: String },
}

impl Report {
    fn new(kind: &'static str, place: String) -> Self {
        Report {
            kind,
            place,
            checks: Vec::new(),
        }
    }

    fn add(&mut self, name: &'static str, result: Found, took: Option<Duration>) {
        self.checks.push(Check { name, result, took });
    }

    /// Whether nothing is wrong.
    pub(crate) fn is_well(&self) -> bool {
        let ill = |check: &Check| matches!(check.result, Found::Ill { .. });
        !self.checks.iter().any(ill)
    }

    /// Whether its services could be read.
    pub(crate) fn is_reached(&self) -> bool {
        let well = |check: &Check| check.name == "reads" && matches!(check.result, Found::Well(_));
        self.checks.iter().any(well)
    }

    /// Whether something could be registered.
    pub(crate) fn registers(&self) -> bool {
        let well =
            |check: &Check| check.name == "registers" && matches!(check.result, Found::Well(_));
        self.is_well() && self.checks.iter().any(well)
    }

    pub(crate) fn json(&self) -> Value {
        let checks = self.checks.iter().map(|check| {
            let (result, said, advice) = match &check.result {
                Found::Well(said) => ("ok", said, None),
                Found::Without(said) => ("none", said, None),
                Found::Ill { why, advice } => ("failed", why, Some(advice)),
            };
            let ms = check.took.map(|took| (took.as_secs_f64() * 1e6).round() / 1e3);
            json!({"check": check.name, "result": result, "found": said, "ms": ms, "advice": advice})
        });
        json!({
            "kind": self.kind,
            "place": self.place,
            "well": self.is_well(),
            "checks": checks.collect::<Vec<_>>(),
        })
    }

    /// A line for each check, and one for what to do about it.
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
            let (mark, said) = match &check.result {
                Found::Well(said) => (paint("32", "ok    "), said),
                Found::Without(said) => ("none  ".to_owned(), said),
                Found::Ill { why, .. } => (paint("31", "FAILED"), why),
            };
            let said = printable(said, true);
            text += &format!("\n  {mark}  {:11}  {said}{took}", check.name);
            if let Found::Ill { advice, .. } = &check.result {
                text += &format!("\n                       -> {advice}");
            }
        }
        text
    }
}

impl Found {
    fn ill(error: &Error, advice: impl Into<String>) -> Self {
        Found::Ill {
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
        return "check whose the directory is, or choose another with `--registry=local:PATH`"
            .to_owned();
    }
    let page = match PAGES.contains(&name) {
        true => format!("docs/registries/{name}.md"),
        false => "docs/settings.md".to_owned(),
    };
    match error.code() {
        Code::Unavailable | Code::DeadlineExceeded => format!(
            "check that it runs, that this machine reaches it, and `--registry-address` and `--registry-tls`; \
             services go on with what they know, and new ones register when it is back ({page})"
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

/// The work's answer, or an error when it takes longer, with the time it took.
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
