//! The registrations of a handle and their leases.
//!
//! A renewal keeps the lease alive and checks that the record is still there: at rest nothing is written and no watch
//! is notified. A task does the same between two renewals, after a third of the TTL and after each lost connection. So
//! a hung server does not let the lease expire, and a server that lost its data gets the record again within a second.
//! The task stops when the TTL ends without a renewal: the node then expires after 4/3 of its TTL, or twice its TTL if
//! the connection was lost as well.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::{
    sync::Notify,
    time::{Instant, sleep},
};

use super::{
    client::Client,
    failure::Failure,
    message::{Grant, KeepAlive, KeyValue, Put, Range},
    ownership,
    single_flight::Task,
};
use micro_core::{
    node::Node,
    registry::id_in_use,
    wait::{jitter, until},
};

/// Delay between two attempts to keep a lease alive.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);
/// Maximal random delay of keepalives after a lost connection, so that many processes do not reconnect at once.
const MAX_RENEWAL_JITTER: Duration = Duration::from_millis(500);

/// The leases of one handle. Dropping it ends the task.
pub(super) struct Leases {
    held: Arc<State>,
    task: Mutex<Option<Task>>,
}

struct State {
    client: Arc<Client>,
    records: Mutex<HashMap<Bytes, Record>>,
    changed: Notify,
}

/// The record of a node as it was last written.
#[derive(Clone)]
pub(super) struct Record {
    node: Node,
    value: Bytes,
    /// In seconds.
    ttl: Option<i64>,
    pub(super) lease: i64,
    /// The revision of the write; 0 if unknown.
    revision: i64,
    /// When the task keeps the lease alive next, and until when it may.
    due: Option<Instant>,
    until: Option<Instant>,
}

impl Leases {
    pub(super) fn new(client: Arc<Client>) -> Self {
        Leases {
            held: Arc::new(State {
                client,
                records: Mutex::default(),
                changed: Notify::new(),
            }),
            task: Mutex::new(None),
        }
    }

    /// Writes a record unless it is there unchanged, and restarts its TTL.
    ///
    /// Fails if another instance has overwritten the record.
    pub(super) async fn register(
        &self,
        key: Bytes,
        node: &Node,
        value: Bytes,
        ttl: Option<Duration>,
    ) -> Result<(), Failure> {
        let begun = Instant::now();
        let seconds = ttl.map(seconds);
        let before = self.held.records.lock().get(&key).cloned();
        let is_renewal = before
            .as_ref()
            .is_some_and(|before| before.node.address == node.address);
        let mut record = match before {
            Some(record) if record.ttl == seconds => record,
            _ => Record {
                node: node.clone(),
                value: value.clone(),
                ttl: seconds,
                lease: 0,
                revision: 0,
                due: None,
                until: None,
            },
        };
        let is_kept = self.held.keep(&mut record).await?;
        let is_there = is_kept && record.value == value && self.held.has(&key, &record).await?;
        if !is_there {
            if is_renewal {
                self.held.yields(&key, &record).await?;
            }
            (record.value, record.revision) = (value, 0);
            record.node = node.clone();
            self.held.records.lock().insert(key.clone(), record.clone());
            self.held.write(&key, &mut record).await?;
        }
        if let Some(ttl) = ttl {
            record.until = Some(begun + ttl);
            record.due = Some(begun + ttl / 3);
        }
        self.held.records.lock().insert(key, record);
        if ttl.is_some() {
            self.held.changed.notify_one();
            self.run();
        }
        Ok(())
    }

    /// Removes a record from the task. Returns its last state.
    pub(super) fn forget(&self, key: &Bytes) -> Option<Record> {
        self.held.records.lock().remove(key)
    }

    /// Starts the task if it is not running.
    fn run(&self) {
        let mut task = self.task.lock();
        if task.as_ref().is_none_or(Task::is_finished) {
            *task = Some(Task::spawn(self.held.clone().look_after()));
        }
    }
}

impl State {
    /// Keeps the lease alive for its full TTL. Returns whether the lease still exists.
    async fn keep(&self, record: &mut Record) -> Result<bool, Failure> {
        if record.ttl.is_none() {
            return Ok(true);
        }
        if record.lease == 0 {
            return Ok(false);
        }
        let lease = self.client.ask(&KeepAlive { id: record.lease }).await?;
        if lease.ttl <= 0 {
            record.lease = 0;
        }
        Ok(lease.ttl > 0)
    }

    /// Whether the record is unchanged in the store.
    async fn has(&self, key: &Bytes, record: &Record) -> Result<bool, Failure> {
        if record.revision == 0 {
            return Ok(false);
        }
        let found = self.client.ask(&Range::of(key, true)).await?;
        let is_same = |kv: &KeyValue| kv.modified == record.revision && kv.lease == record.lease;
        Ok(found.kvs.first().is_some_and(is_same))
    }

    /// Fails if another instance has written its record over this one.
    async fn yields(&self, key: &Bytes, record: &Record) -> Result<(), Failure> {
        let found = self.client.ask(&Range::of(key, false)).await?;
        let Some(kv) = found.kvs.first() else {
            return Ok(());
        };
        // An older record comes from a restored backup.
        let is_newer = kv.modified > record.revision;
        match ownership::another(kv, &record.node).filter(|_| is_newer) {
            Some(address) => Err(Failure::Unusable(id_in_use(&record.node, &address))),
            None => Ok(()),
        }
    }

    /// Writes the record, with a new lease if the old one is gone.
    async fn write(&self, key: &Bytes, record: &mut Record) -> Result<(), Failure> {
        if record.lease != 0 {
            match self.put(key, record).await {
                // The lease expired after it was checked.
                Err(failure) if failure.says("lease not found") => {}
                written => return written,
            }
        }
        if let Some(ttl) = record.ttl {
            record.lease = self.client.ask(&Grant { ttl }).await?.id;
            // Stored before the write: if that fails, the next attempt uses this lease.
            if let Some(kept) = self.records.lock().get_mut(key) {
                (kept.lease, kept.revision) = (record.lease, 0);
            }
        }
        self.put(key, record).await
    }

    async fn put(&self, key: &Bytes, record: &mut Record) -> Result<(), Failure> {
        let put = Put {
            key: key.clone(),
            value: record.value.clone(),
            lease: record.lease,
        };
        let written = self.client.ask(&put).await?;
        record.revision = written.header.unwrap_or_default().revision;
        Ok(())
    }

    async fn look_after(self: Arc<Self>) {
        loop {
            let (due, may) = self.plans();
            let connection = self.client.now().filter(|connection| connection.is_alive());
            tokio::select! {
                () = until(due) => {}
                () = self.changed.notified() => continue,
                () = ended(connection.as_deref()), if may => {
                    sleep(jitter(MAX_RENEWAL_JITTER)).await;
                    self.all_due();
                }
            }
            self.beat().await;
        }
    }

    /// When the next record is due, and whether any record may be kept alive.
    fn plans(&self) -> (Option<Instant>, bool) {
        let records = self.records.lock();
        let due = records.values().filter_map(|record| record.due).min();
        (due, records.values().any(|record| record.until.is_some()))
    }

    /// After a lost connection every record is due, after a random delay.
    fn all_due(&self) {
        let now = Instant::now();
        for record in self.records.lock().values_mut() {
            record.due = record.until.filter(|until| now < *until).map(|_| now);
        }
    }

    /// Keeps all due records alive.
    async fn beat(&self) {
        let now = Instant::now();
        let mut due: HashSet<Bytes> = HashSet::new();
        for (key, record) in &mut *self.records.lock() {
            if record.until.is_some_and(|until| until <= now) {
                // Not renewed in time: the lease is left to expire.
                (record.due, record.until) = (None, None);
            } else if record.due.is_some_and(|due| due <= now) {
                due.insert(key.clone());
            }
        }
        for key in due {
            let Some(record) = self.records.lock().get(&key).cloned() else {
                continue;
            };
            let looked = self.look(&key, record.clone()).await;
            let is_down =
                matches!(&looked, Err(failure) if !matches!(failure, Failure::Unusable(_)));
            let mut records = self.records.lock();
            // The record was registered again or removed meanwhile: discard the result.
            if let Some(kept) = records.get_mut(&key)
                && kept.due == record.due
            {
                match looked {
                    Ok(looked) => *kept = looked,
                    // The next renewal reports the error.
                    Err(Failure::Unusable(_)) => kept.due = None,
                    Err(_) => kept.due = Some(Instant::now() + RETRY_INTERVAL),
                }
            }
            if is_down {
                return;
            }
        }
    }

    /// Keeps the lease of a record alive, or writes the record again if the server lost it.
    async fn look(&self, key: &Bytes, mut record: Record) -> Result<Record, Failure> {
        if !self.keep(&mut record).await? {
            self.yields(key, &record).await?;
            self.write(key, &mut record).await?;
            if !self.records.lock().contains_key(key) {
                ownership::delete(&self.client, key, &record.node, record.lease).await?;
            }
        }
        record.due = None;
        Ok(record)
    }
}

/// Whole seconds, rounded up: etcd refuses 0.
fn seconds(ttl: Duration) -> i64 {
    let up = u64::from(ttl.subsec_nanos() > 0);
    i64::try_from(ttl.as_secs() + up).unwrap_or(i64::MAX).max(1)
}

async fn ended(connection: Option<&super::connection::Connection>) {
    match connection {
        Some(connection) => connection.ended().await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ttl_is_at_least_one_second() {
        for (millis, expected) in [(0, 1), (1, 1), (1000, 1), (1001, 2), (60_000, 60)] {
            assert_eq!(seconds(Duration::from_millis(millis)), expected);
        }
    }
}
