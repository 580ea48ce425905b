//! The number of a client's connections, counted over all nodes; at the limit, the longest idle one is closed.

use std::{
    collections::HashMap,
    sync::{Arc, Weak},
};

use parking_lot::Mutex;

use crate::{
    error::{Error, Outcome, Result},
    time::Nanos,
};

/// A connection that may be closed for a new one.
pub(crate) trait Pooled: Send + Sync {
    /// Since when no call has been in progress; `None` while one is.
    fn idle_since(&self) -> Option<Nanos>;

    /// Accepts no new calls, and closes when those in progress have ended.
    fn retire(&self);
}

/// The open connections of one transport. Used only when a connection opens or ends, never for a call.
pub(crate) struct Pool {
    limit: usize,
    open: Mutex<OpenConnections>,
}

#[derive(Default)]
struct OpenConnections {
    connections: HashMap<u64, Weak<dyn Pooled>>,
    next: u64,
}

/// A connection's place in a pool, until dropped.
pub(crate) struct PoolPermit {
    pool: Arc<Pool>,
    number: u64,
}

impl Pool {
    /// Creates a pool of `limit` connections.
    pub(crate) fn new(limit: usize) -> Arc<Self> {
        Arc::new(Pool {
            limit,
            open: Mutex::default(),
        })
    }

    /// Returns a place for a connection; at the limit, the connection idle for longest is closed.
    pub(crate) fn admit(self: &Arc<Self>, connection: Weak<dyn Pooled>) -> Result<PoolPermit> {
        let mut open = self.open.lock();
        let retired = if open.connections.len() < self.limit {
            None
        } else {
            let (number, idle) = open.longest_idle().ok_or_else(|| self.full())?;
            // It closes a moment later; its place is free from now on.
            open.connections.remove(&number);
            Some(idle)
        };
        let number = open.next;
        open.next += 1;
        open.connections.insert(number, connection);
        drop(open);
        if let Some(retired) = retired {
            retired.retire();
        }
        Ok(PoolPermit {
            pool: self.clone(),
            number,
        })
    }

    fn full(&self) -> Error {
        Error::resource_exhausted(format!(
            "{0} connections are open and none is idle, which is the limit `max_connections` of {0}",
            self.limit
        ))
        .with_outcome(Outcome::NotSent)
    }
}

impl OpenConnections {
    fn longest_idle(&self) -> Option<(u64, Arc<dyn Pooled>)> {
        self.connections
            .iter()
            .filter_map(|(number, connection)| {
                let connection = connection.upgrade()?;
                Some((connection.idle_since()?, *number, connection))
            })
            .min_by_key(|(since, number, _)| (*since, *number))
            .map(|(_, number, connection)| (number, connection))
    }
}

impl Drop for PoolPermit {
    fn drop(&mut self) {
        self.pool.open.lock().connections.remove(&self.number);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may end in a panic")]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

    struct TestConnection {
        idle: Option<Nanos>,
        retired: AtomicBool,
    }

    impl Pooled for TestConnection {
        fn idle_since(&self) -> Option<Nanos> {
            self.idle
        }
        fn retire(&self) {
            self.retired.store(true, Relaxed);
        }
    }

    fn one(idle: Option<Nanos>) -> Arc<TestConnection> {
        Arc::new(TestConnection {
            idle,
            retired: AtomicBool::new(false),
        })
    }

    fn admit(pool: &Arc<Pool>, one: &Arc<TestConnection>) -> Result<PoolPermit> {
        let one: Arc<dyn Pooled> = one.clone();
        pool.admit(Arc::downgrade(&one))
    }

    #[test]
    fn longest_idle_connection_is_closed_at_the_limit() {
        let pool = Pool::new(3);
        let all = [one(None), one(Some(7)), one(Some(5))];
        let _places: Vec<_> = all.iter().map(|one| admit(&pool, one).unwrap()).collect();
        let _fourth = admit(&pool, &one(None)).unwrap();
        let retired: Vec<_> = all.iter().map(|one| one.retired.load(Relaxed)).collect();
        assert_eq!(retired, [false, false, true]);
    }

    #[test]
    fn full_pool_without_an_idle_connection_returns_the_limit_error() {
        let pool = Pool::new(1);
        let busy = one(None);
        let place = admit(&pool, &busy).unwrap();
        let error = admit(&pool, &busy).err().unwrap();
        assert_eq!(error.outcome(), Outcome::NotSent);
        assert!(
            error.message().contains("`max_connections` of 1"),
            "{error}"
        );
        drop(place);
        assert!(admit(&pool, &busy).is_ok());
    }
}
