//! Fifty watching clients, each with its own runtime and registry.

use super::{CLIENTS, JOIN_INTERVAL, JOINING_NODES, NODES, node, open, service};
use crate::{outage::call, real::plugins};
use anyhow::{Context as _, Result, anyhow, bail, ensure};
use futures_util::{StreamExt as _, stream::SelectAll};
use micro::{
    Plugins,
    registry::{Registry, Update},
    selector::Snapshots,
};
use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};
use tokio::{
    sync::{mpsc, watch},
    time::{sleep, timeout},
};

/// Services that every client watches, and as many of its own.
const SHARED_SERVICES: usize = 10;
/// Calls per second of a calling client.
const CALL_RATE: u64 = 40;

/// Delay of an update until the last watcher has it.
pub(super) struct Propagation {
    pub(super) p50: Duration,
    pub(super) p99: Duration,
}

/// The clients, which end on drop.
pub(super) struct Watchers {
    heard: mpsc::UnboundedReceiver<(String, Instant)>,
    calling: Arc<AtomicBool>,
    end: watch::Sender<bool>,
    threads: Vec<JoinHandle<()>>,
}

/// The services that a client watches.
fn watched(client: usize, services: usize) -> HashSet<usize> {
    let own = (0..SHARED_SERVICES).map(|number| {
        SHARED_SERVICES + (client * SHARED_SERVICES + number) % (services - SHARED_SERVICES)
    });
    (0..SHARED_SERVICES).chain(own).collect()
}

impl Watchers {
    /// Starts the clients, and waits until each has the nodes that it watches.
    pub(super) async fn start(url: &str, services: usize) -> Result<Self> {
        let (tell, heard) = mpsc::unbounded_channel();
        let (end, ended) = watch::channel(false);
        let calling = Arc::new(AtomicBool::new(false));
        let (know, mut knowing) = mpsc::channel(CLIENTS);
        let mut threads = Vec::new();
        for client in 0..CLIENTS {
            let (url, tell, know) = (url.to_owned(), tell.clone(), know.clone());
            let (mut ended, calling) = (ended.clone(), calling.clone());
            threads.push(thread::spawn(move || {
                let Ok(runtime) = crate::runtime::runtime(1) else {
                    return;
                };
                runtime.block_on(async {
                    let ended = tokio::select! {
                        // The receiver is gone.
                        _ = ended.changed() => Ok(()),
                        ended = watch_all(&url, client, services, &tell, &know) => ended,
                        ended = call_at_rest(&url, &calling) => ended,
                    };
                    // Received only during the start.
                    let _unread = know.try_send(ended);
                });
            }));
        }
        let watchers = Watchers {
            heard,
            calling,
            end,
            threads,
        };
        for _ in 0..CLIENTS {
            let known = timeout(Duration::from_secs(120), knowing.recv()).await?;
            known.context("a watcher ended")??;
        }
        Ok(watchers)
    }

    /// Starts or stops the calls of each client.
    pub(super) fn call(&self, calling: bool) {
        self.calling.store(calling, Ordering::Relaxed);
    }

    /// Registers nodes in shared and other services, and measures the delay until the last watcher has them.
    pub(super) async fn measure_propagation(
        mut self,
        registry: &dyn Registry,
        services: usize,
    ) -> Result<Propagation> {
        let mut times = Vec::with_capacity(JOINING_NODES);
        let sets: Vec<_> = (0..CLIENTS)
            .map(|client| watched(client, services))
            .collect();
        for number in 0..JOINING_NODES {
            let of = if number % 2 == 0 {
                number / 2 % SHARED_SERVICES
            } else {
                SHARED_SERVICES + number * 7 % (services - SHARED_SERVICES)
            };
            let watching = sets.iter().filter(|set| set.contains(&of)).count();
            if watching == 0 {
                continue;
            }
            let node = node(&service(of), of, NODES + number);
            while self.heard.try_recv().is_ok() {}
            let begun = Instant::now();
            registry
                .register(&node, None)
                .await
                .map_err(|error| anyhow!("{error}"))?;
            let mut latest = begun;
            let mut left = watching;
            while left > 0 {
                let heard = timeout(Duration::from_secs(10), self.heard.recv()).await;
                let Ok(Some((id, at))) = heard else {
                    bail!("{left} of {watching} watchers never received `{}`", node.id);
                };
                if id == node.id {
                    latest = latest.max(at);
                    left -= 1;
                }
            }
            times.push(latest - begun);
            sleep(JOIN_INTERVAL).await;
        }
        times.sort();
        ensure!(!times.is_empty(), "nobody watched anything");
        let at = |share: usize| times[(times.len() - 1) * share / 100];
        Ok(Propagation {
            p50: at(50),
            p99: at(99),
        })
    }
}

impl Drop for Watchers {
    fn drop(&mut self) {
        self.end.send_replace(true);
        for thread in self.threads.drain(..) {
            // A panic has been printed.
            let _panicked = thread.join();
        }
    }
}

/// Watches until an error; sends to `know` once it has all nodes, and each new node to `tell`.
async fn watch_all(
    url: &str,
    client: usize,
    services: usize,
    tell: &mpsc::UnboundedSender<(String, Instant)>,
    know: &mpsc::Sender<Result<()>>,
) -> Result<()> {
    let registry = open(url)?;
    let mut updates = SelectAll::new();
    for number in watched(client, services) {
        let watch = registry.watch(Some(&service(number))).await;
        updates.push(watch.map_err(|error| anyhow!("{error}"))?);
    }
    let expected = updates.len() * NODES;
    let (mut known, mut knows) = (HashSet::new(), false);
    while let Some(update) = updates.next().await {
        let now = Instant::now();
        // The registry may refuse some of many concurrent requests, which are repeated.
        if let Update::Set { nodes, .. } = update {
            for node in nodes {
                if !known.contains(&node.id) {
                    known.insert(node.id.clone());
                    if knows {
                        tell.send((node.id.clone(), now))?;
                    }
                }
            }
        }
        if !knows && known.len() == expected {
            knows = true;
            know.send(Ok(())).await?;
        }
    }
    bail!("the watches ended")
}

/// Makes calls while `calling` is set. Never ends.
async fn call_at_rest(url: &str, calling: &AtomicBool) -> Result<()> {
    let parts = Plugins::new().discovery(|discovery| discovery.snapshots = Snapshots::Off);
    let client = plugins(url, parts)?.client();
    let client = client.map_err(|error| anyhow!("{error}"))?;
    // From the first call on, the client watches this service, too.
    call(&client, 0).await.map_err(|error| anyhow!("{error}"))?;
    loop {
        sleep(Duration::from_millis(1000 / CALL_RATE)).await;
        if calling.load(Ordering::Relaxed) {
            call(&client, 1).await.map_err(|error| anyhow!("{error}"))?;
        }
    }
}
