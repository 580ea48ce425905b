//! A registry: reached, read, watched, written to.

use std::{future::poll_fn, time::Duration};

use micro::{
    Code, Error, Result,
    registry::{Node, Registry, Update, Updates},
    settings::Url,
};

use super::{CheckResult, Report, advice, timed};

/// The service name of the probe.
pub(super) const PROBE: &str = "micro-doctor";
/// Time to live of the probe, in case this process ends early.
const PROBE_TTL: Duration = Duration::from_secs(15);

/// Tries each operation that services and callers use.
pub(crate) async fn registry(url: &Url, registry: &dyn Registry, limit: Duration) -> Report {
    let mut report = Report::new("registry", url.to_string());
    let name = registry.name();
    let ill = |error: &Error| CheckResult::failed(error, advice(name, error));
    let (listed, took) = timed(limit, registry.list()).await;
    let reached = match &listed {
        Ok(services) => match services.len() {
            1 => CheckResult::Passed("1 service".to_owned()),
            many => CheckResult::Passed(format!("{many} services")),
        },
        Err(error) if error.code() == Code::Unimplemented => {
            CheckResult::Skipped(error.to_string())
        }
        Err(error) => ill(error),
    };
    report.add("reads", reached, Some(took));
    if listed
        .is_err_and(|error| ![Code::PermissionDenied, Code::Unimplemented].contains(&error.code()))
    {
        // The other checks would fail the same way, each perhaps after the time limit.
        return report;
    }
    let (watched, took) = timed(limit, watch(registry)).await;
    let mut updates = match watched {
        Ok((updates, age)) => {
            let text = match age {
                Duration::ZERO => "its nodes are up to date".to_owned(),
                age => format!("its nodes are {age:.1?} old"),
            };
            report.add("watches", CheckResult::Passed(text), Some(took));
            Some(updates)
        }
        Err(error) => {
            report.add("watches", ill(&error), Some(took));
            None
        }
    };
    if registry.is_read_only() {
        let why = "the registry is read-only: services that use it are not registered";
        report.add("registers", CheckResult::Skipped(why.to_owned()), None);
        return report;
    }
    let probe = probe();
    let (registered, took) = timed(limit, registry.register(&probe, Some(PROBE_TTL))).await;
    let text = match &registered {
        Ok(()) => CheckResult::Passed(format!("`{}` for {PROBE_TTL:?}", probe.id)),
        // Only pods are registered there, and this process is none.
        Err(error) if name == "kubernetes" && error.code() == Code::InvalidArgument => {
            CheckResult::Skipped(error.to_string())
        }
        Err(error) => ill(error),
    };
    report.add("registers", text, Some(took));
    if registered.is_err() {
        return report;
    }
    let (seen, took) = timed(limit, find(registry, &probe)).await;
    let text = match &seen {
        Ok(()) => CheckResult::Passed("found unchanged".to_owned()),
        Err(error) => ill(error),
    };
    report.add("finds", text, Some(took));
    if let Some(updates) = &mut updates {
        let (heard, took) = timed(limit, notified(updates, &probe)).await;
        let text = match &heard {
            Ok(()) => CheckResult::Passed("the watch sent an update".to_owned()),
            Err(error) => ill(error),
        };
        report.add("tells", text, Some(took));
    }
    let (gone, took) = timed(limit, registry.deregister(&probe)).await;
    let text = match &gone {
        Ok(()) => CheckResult::Passed("deregistered".to_owned()),
        Err(error) => ill(error),
    };
    report.add("deregisters", text, Some(took));
    report
}

/// The record that is registered and removed.
fn probe() -> Node {
    let number = std::process::id();
    Node::new(PROBE, format!("{PROBE}-{number}"), "127.0.0.1:9")
}

/// A watch of the probe's service after its first update, and the age of that update.
async fn watch(registry: &dyn Registry) -> Result<(Updates, Duration)> {
    let mut updates = registry.watch(Some(PROBE)).await?;
    match poll_fn(|cx| updates.as_mut().poll_next(cx)).await {
        Some(Update::Set { .. }) => Ok((updates, Duration::ZERO)),
        Some(Update::Stale { error, .. }) => Err(error),
        _ => Err(Error::unavailable("the watch ended")),
    }
}

/// Waits until the registry returns the probe.
async fn find(registry: &dyn Registry, probe: &Node) -> Result<()> {
    loop {
        let nodes = registry.get(PROBE).await?;
        if let Some(found) = nodes.iter().find(|node| node.id == probe.id) {
            return match found == probe {
                true => Ok(()),
                false => Err(Error::internal(format!("it was changed: {found:?}"))),
            };
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Waits until the watch sends the probe.
async fn notified(updates: &mut Updates, probe: &Node) -> Result<()> {
    while let Some(update) = poll_fn(|cx| updates.as_mut().poll_next(cx)).await {
        match update {
            Update::Set { nodes, .. } if nodes.iter().any(|node| node.id == probe.id) => {
                return Ok(());
            }
            Update::Stale { error, .. } => return Err(error),
            _ => {}
        }
    }
    Err(Error::unavailable("the watch ended"))
}
