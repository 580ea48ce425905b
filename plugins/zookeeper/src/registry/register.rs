//! The registrations of a handle: written again after a lost session, deleted if not renewed in time.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::{
    sync::Notify,
    task::JoinHandle,
    time::{Instant, sleep},
};

use super::records::{Overwrite, Records, node};
use micro_core::{
    Result,
    node::Node,
    wait::{Backoff, until},
};

/// Maximal backoff between two attempts.
const MAX_BACKOFF: Duration = Duration::from_secs(1);

/// A record that is kept in the tree until its TTL ends.
#[derive(Clone, PartialEq, Eq)]
struct Registration {
    data: Bytes,
    until: Instant,
    /// Whether to delete the record: it was deregistered while ZooKeeper was not reachable.
    is_leaving: bool,
}

/// The registrations of a handle. Its task starts with the first one.
pub(super) struct Registrar {
    state: Arc<State>,
    running: Mutex<Option<JoinHandle<()>>>,
}

struct State {
    records: Arc<Records>,
    kept: Mutex<BTreeMap<String, Registration>>,
    sooner: Notify,
}

impl Registrar {
    pub(super) fn new(records: Arc<Records>) -> Self {
        let state = State {
            records,
            kept: Mutex::default(),
            sooner: Notify::new(),
        };
        Registrar {
            state: Arc::new(state),
            running: Mutex::default(),
        }
    }

    /// Writes a record and keeps it for `ttl`.
    pub(super) async fn register(&self, path: &str, data: Bytes, ttl: Duration) -> Result<()> {
        let until = Instant::now() + ttl;
        let kept = Registration {
            data: data.clone(),
            until,
            is_leaving: false,
        };
        let address = |data: &Bytes| node(data).map(|node| node.address);
        let mut over = Overwrite::Any;
        // A stored record is changed first, so that the task cannot overwrite it with the old one.
        if let Some(before) = self.state.kept.lock().get_mut(path) {
            if address(&before.data) == address(&data) {
                over = Overwrite::Own;
            }
            *before = kept.clone();
        }
        self.state.records.write(path, &data, true, over).await?;
        self.state.kept.lock().insert(path.to_owned(), kept);
        self.run();
        self.state.sooner.notify_one();
        Ok(())
    }

    /// Deregisters a record, later if ZooKeeper is not reachable and the record is kept here.
    pub(super) async fn deregister(&self, path: &str, node: &Node) -> Result<()> {
        if let Some(kept) = self.state.kept.lock().get_mut(path) {
            kept.is_leaving = true;
        }
        self.state.records.take_out(path, node).await?;
        self.state.forget_left(path);
        Ok(())
    }

    /// Stops keeping a record, as it became persistent.
    pub(super) fn forget(&self, path: &str) {
        self.state.kept.lock().remove(path);
    }

    fn run(&self) {
        let mut running = self.running.lock();
        if running.as_ref().is_none_or(JoinHandle::is_finished) {
            *running = Some(tokio::spawn(self.state.clone().run()));
        }
    }
}

impl Drop for Registrar {
    fn drop(&mut self) {
        if let Some(task) = self.running.get_mut().take() {
            task.abort();
        }
    }
}

impl State {
    async fn run(self: Arc<Self>) {
        let mut losses = self.records.client.shared.losses.subscribe();
        let mut backoff = Backoff::up_to(MAX_BACKOFF);
        loop {
            let next = self.kept.lock().values().map(|kept| kept.until).min();
            tokio::select! {
                () = until(next) => self.take_out(&mut backoff).await,
                // The sender lives as long as this task.
                _ = losses.changed() => self.write_all(&mut backoff).await,
                () = self.sooner.notified() => {}
            }
        }
    }

    /// Writes all records again until every write succeeded. In a live session this is one read each.
    async fn write_all(&self, backoff: &mut Backoff) {
        let mut done: BTreeMap<String, Registration> = BTreeMap::new();
        loop {
            let due = self.kept.lock().iter().find_map(|(path, kept)| {
                let is_due = done.get(path) != Some(kept) && kept.until > Instant::now();
                is_due.then(|| (path.clone(), kept.clone()))
            });
            let Some((path, kept)) = due else { return };
            match self.settle(&path, &kept).await {
                Ok(()) => backoff.reset(),
                Err(error) if error.code().is_retryable() => {
                    sleep(backoff.next_wait()).await;
                    continue;
                }
                Err(error) => {
                    tracing::warn!(path, %error, "a node could not be registered again");
                }
            }
            done.insert(path, kept);
        }
    }

    /// Writes or deletes a record as its state demands.
    async fn settle(&self, path: &str, kept: &Registration) -> Result<()> {
        if !kept.is_leaving {
            self.records
                .write(path, &kept.data, true, Overwrite::Own)
                .await?;
            if self
                .kept
                .lock()
                .get(path)
                .is_some_and(|now| !now.is_leaving)
            {
                return Ok(());
            }
            // Deregistered meanwhile, perhaps before the write.
        }
        if let Some(node) = node(&kept.data) {
            self.records.take_out(path, &node).await?;
        }
        self.forget_left(path);
        Ok(())
    }

    fn forget_left(&self, path: &str) {
        let mut kept = self.kept.lock();
        if kept.get(path).is_some_and(|kept| kept.is_leaving) {
            kept.remove(path);
        }
    }

    /// Deletes records that were not renewed in time.
    async fn take_out(&self, backoff: &mut Backoff) {
        for (path, overdue) in self.overdue() {
            if self.records.expire(&path).await.is_err() {
                sleep(backoff.next_wait()).await;
                return;
            }
            backoff.reset();
            // If it was renewed just now, the delete may have removed the new registration.
            if let Some(data) = self.drop_or_keep(&path, &overdue) {
                let _ = self.records.write(&path, &data, true, Overwrite::Own).await;
            }
        }
    }

    fn overdue(&self) -> Vec<(String, Registration)> {
        let now = Instant::now();
        let kept = self.kept.lock();
        let due = kept.iter().filter(|(_, kept)| kept.until <= now);
        due.map(|(path, kept)| (path.clone(), kept.clone()))
            .collect()
    }

    /// Removes an overdue record. Returns its data if it was renewed meanwhile.
    fn drop_or_keep(&self, path: &str, overdue: &Registration) -> Option<Bytes> {
        let mut kept = self.kept.lock();
        let now = kept.get(path)?;
        if now != overdue {
            return Some(now.data.clone());
        }
        kept.remove(path);
        None
    }
}
