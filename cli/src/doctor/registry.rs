//! A registry: reached, read, watched, written to.

use std::{future::poll_fn, time::Duration};

use micro::{
    Code, Error, Result,
    registry::{Node, Registry, Update, Updates},
    settings::Url,
};

use super::{Found, Report, advice, timed};

/// What the probe is registered as.
pub(super) const PROBE: &str = "micro-doctor";
/// How long the probe outlives a doctor that is cut off.
const TTL: Duration = Duration::from_secs(15);

/// Tries all that services and callers do with a registry.
pub(crate) async fn registry(url: &Url, registry: &dyn Registry, limit: Duration) -> Report {
    let mut report = Report::new("registry", url.to_string());
    let name = registry.name();
    let ill = |error: &Error| Found::ill(error, advice(name, error));
    let (listed, took) = timed(limit, registry.list()).await;
    let reached = match &listed {
        Ok(services) => match services.len() {
            1 => Found::Well("1 service".to_owned()),
            many => Found::Well(format!("{many} services")),
        },
        Err(error) if error.code() == Code::Unimplemented => Found::Without(error.to_string()),
        Err(error) => ill(error),
    };
    report.add("reads", reached, Some(took));
    if listed
        .is_err_and(|error| ![Code::PermissionDenied, Code::Unimplemented].contains(&error.code()))
    {
        // All else would fail the same way, maybe each after the time limit.
        return report;
    }
    let (watched, took) = timed(limit, watch(registry)).await;
    let mut updates = match watched {
        Ok((updates, age)) => {
            let said = match age {
                Duration::ZERO => "what it says is up to date".to_owned(),
                age => format!("what it says is {age:.1?} old"),
            };
            report.add("watches", Found::Well(said), Some(took));
            Some(updates)
        }
        Err(error) => {
            report.add("watches", ill(&error), Some(took));
            None
        }
    };
    if registry.is_read_only() {
        let why = "it is only read: what is started with it is registered nowhere";
        report.add("registers", Found::Without(why.to_owned()), None);
        return report;
    }
    let probe = probe();
    let (registered, took) = timed(limit, registry.register(&probe, Some(TTL))).await;
    let said = match &registered {
        Ok(()) => Found::Well(format!("`{}` for {TTL:?}", probe.id)),
        // Pods register themselves, and this is none. It is no fault of the probe's, which any other can hold.
        Err(error) if name == "kubernetes" && error.code() == Code::InvalidArgument => {
            Found::Without(error.to_string())
        }
        Err(error) => ill(error),
    };
    report.add("registers", said, Some(took));
    if registered.is_err() {
        return report;
    }
    let (seen, took) = timed(limit, see(registry, &probe)).await;
    let said = match &seen {
        Ok(()) => Found::Well("found as it was registered".to_owned()),
        Err(error) => ill(error),
    };
    report.add("finds", said, Some(took));
    if let Some(updates) = &mut updates {
        let (heard, took) = timed(limit, told(updates, &probe)).await;
        let said = match &heard {
            Ok(()) => Found::Well("the watch told of it".to_owned()),
            Err(error) => ill(error),
        };
        report.add("tells", said, Some(took));
    }
    let (gone, took) = timed(limit, registry.deregister(&probe)).await;
    let said = match &gone {
        Ok(()) => Found::Well("taken out again".to_owned()),
        Err(error) => ill(error),
    };
    report.add("deregisters", said, Some(took));
    report
}

/// A node that nobody calls.
fn probe() -> Node {
    let number = std::process::id();
    Node::new(PROBE, format!("{PROBE}-{number}"), "127.0.0.1:9")
}

/// A watch of the probe's service that has said its first word, and how old that is.
async fn watch(registry: &dyn Registry) -> Result<(Updates, Duration)> {
    let mut updates = registry.watch(Some(PROBE)).await?;
    match poll_fn(|cx| updates.as_mut().poll_next(cx)).await {
        Some(Update::Set { .. }) => Ok((updates, Duration::ZERO)),
        Some(Update::Stale { error, .. }) => Err(error),
        _ => Err(Error::unavailable("the watch ended")),
    }
}

/// Waits until the probe is found whole.
async fn see(registry: &dyn Registry, probe: &Node) -> Result<()> {
    loop {
        let nodes = registry.get(PROBE).await?;
        if let Some(found) = nodes.iter().find(|node| node.id == probe.id) {
            return match found == probe {
                true => Ok(()),
                false => Err(Error::internal(format!("it is found changed: {found:?}"))),
            };
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Waits until the watch says that the probe is there.
async fn told(updates: &mut Updates, probe: &Node) -> Result<()> {
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
