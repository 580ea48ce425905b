//! The task of an entry: applies the registry's reports to the set, and writes the set to disk.

use std::{pin::pin, sync::Arc, time::Duration};

use tokio::time::{Instant, timeout};

use super::{
    Snapshots, disk,
    follow::{Follow, NodeReport},
    state::Inner,
};
use crate::{random::Rng, registry::Scope, wait::until};

/// The shortest time between writes of a service's set.
const BETWEEN_SAVES: Duration = Duration::from_secs(1);

/// Keeps an entry up to date until it is aborted.
pub(super) async fn run<P: Clone + Send + Sync + 'static>(inner: Arc<Inner<P>>) {
    let shared = &inner.shared;
    let mut follow = Follow::new(
        shared.registry.clone(),
        &inner.service,
        shared.options.grace,
        Rng::seeded(shared.rng.number()),
        || !inner.is_empty(),
    );
    let mut weights = shared.weights.subscribe();
    inner.reweigh();
    let mut weighed = false;
    // Until the registry has responded, the disk stands in for it.
    let mut cold = Some(Instant::now() + shared.options.snapshot_delay);
    let mut saved: Option<Instant> = None;
    let mut save: Option<Instant> = None;
    loop {
        let said = {
            let mut next = pin!(follow.next());
            loop {
                tokio::select! {
                    biased;
                    said = &mut next => break Some(said),
                    () = inner.asked.notified() => break None,
                    Ok(()) = weights.changed() => inner.reweigh(),
                    () = until(cold) => {
                        cold = None;
                        Box::pin(restore(&inner)).await;
                    }
                    () = until(save) => {
                        save = None;
                        saved = Some(Instant::now());
                        Box::pin(store(&inner)).await;
                    }
                }
            }
        };
        let Some(said) = said else {
            follow.ask_again();
            continue;
        };
        match said {
            NodeReport::Nodes(nodes) => {
                cold = None;
                if !std::mem::replace(&mut weighed, true) {
                    // Otherwise a canary without a share could get the first calls.
                    let heard = weights.wait_for(Option::is_some);
                    let _ = timeout(shared.options.snapshot_delay, heard).await;
                    inner.reweigh();
                }
                inner.replace(nodes);
                if shared.directory.is_some() {
                    let now = Instant::now();
                    let soonest = saved.map_or(now, |saved| saved + BETWEEN_SAVES);
                    save.get_or_insert(soonest.max(now));
                }
            }
            NodeReport::Stale(since, error) => {
                if cold.take().is_some() {
                    Box::pin(restore(&inner)).await;
                }
                inner.fail(since, error);
            }
        }
    }
}

/// Reads the set that an earlier process kept; logs one warning if it cannot be read.
async fn restore<P: Clone + Send + Sync + 'static>(inner: &Arc<Inner<P>>) {
    let Some(directory) = inner.shared.directory.clone() else {
        return;
    };
    let service = inner.service.clone();
    let _turn = inner.shared.disk.acquire().await;
    let scope = Scope::of(inner.shared.registry.is_of_this_machine());
    let read = tokio::task::spawn_blocking(move || disk::read(&directory, &service, scope));
    match read.await {
        Ok(Ok(Some(saved))) => inner.restore(saved),
        Ok(Err(error)) => inner.warn(&error),
        Ok(Ok(None)) | Err(_) => {}
    }
}

async fn store<P: Clone + Send + Sync + 'static>(inner: &Arc<Inner<P>>) {
    let Some(directory) = inner.shared.directory.clone() else {
        return;
    };
    let service = inner.service.clone();
    let nodes = inner.nodes();
    let _turn = inner.shared.disk.acquire().await;
    let write = tokio::task::spawn_blocking(move || disk::write(&directory, &service, &nodes));
    if let Ok(Err(error)) = write.await {
        match inner.shared.options.snapshots {
            // Not a warning: a machine without a writable disk is a normal case.
            Snapshots::Usual => tracing::debug!(service = inner.service, %error, "discovery"),
            _ => inner.warn(&error),
        }
    }
}
