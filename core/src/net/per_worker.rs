//! A value for each runtime of the process: connections belong to the thread that calls.

use parking_lot::Mutex;

use super::unconnected::has_left;
use crate::{error::Result, worker};

/// What each runtime has open to one node, until the node has left.
pub(crate) struct PerWorker<T> {
    table: Mutex<Table<T>>,
}

struct Table<T> {
    /// By the number of the calling thread's runtime.
    values: Vec<Option<T>>,
    closed: bool,
}

impl<T> PerWorker<T> {
    pub(crate) fn new() -> Self {
        PerWorker {
            table: Mutex::new(Table {
                values: Vec::new(),
                closed: false,
            }),
        }
    }

    /// What `usable` takes of this runtime's value; a fresh one of `open` where it takes nothing. `open` gives the value
    /// and what is taken of it.
    ///
    /// # Errors
    /// *Not sent* when the node at `address` has left; and those of `open`.
    #[inline]
    pub(crate) fn get_or_open<R>(
        &self,
        address: &str,
        usable: impl FnOnce(&T) -> Option<R>,
        open: impl FnOnce() -> Result<(T, R)>,
    ) -> Result<R> {
        let worker = worker::current();
        let mut table = self.table.lock();
        if let Some(Some(value)) = table.values.get(worker)
            && let Some(taken) = usable(value)
        {
            return Ok(taken);
        }
        if table.closed {
            return Err(has_left(address));
        }
        let (value, taken) = open()?;
        if table.values.len() <= worker {
            table.values.resize_with(worker + 1, || None);
        }
        table.values[worker] = Some(value);
        Ok(taken)
    }

    /// Opens nothing more, and gives `end` every value.
    pub(crate) fn close(&self, end: impl FnMut(T)) {
        let mut table = self.table.lock();
        table.closed = true;
        table.values.drain(..).flatten().for_each(end);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may end in a panic")]
mod tests {
    use super::*;
    use crate::error::Outcome;

    /// Opens `number` unless one is open.
    fn open(table: &PerWorker<u32>, number: u32) -> Result<u32> {
        table.get_or_open("a:1", |value| Some(*value), || Ok((number, number)))
    }

    #[test]
    fn each_runtime_has_its_own_value() {
        let table = PerWorker::new();
        assert_eq!(open(&table, 1).unwrap(), 1);
        assert_eq!(open(&table, 2).unwrap(), 1);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                worker::set(3);
                assert_eq!(open(&table, 4).unwrap(), 4);
            });
        });
        let mut ended = Vec::new();
        table.close(|value| ended.push(value));
        assert_eq!(ended, [1, 4]);
    }

    #[test]
    fn no_connection_opens_after_the_node_left() {
        let table = PerWorker::new();
        table.close(drop);
        let error = open(&table, 1).unwrap_err();
        assert_eq!(error.outcome(), Outcome::NotSent);
        assert_eq!(error.message(), "node at `a:1` has left");
    }

    #[test]
    fn unusable_value_is_replaced() {
        let table = PerWorker::new();
        assert_eq!(open(&table, 1).unwrap(), 1);
        let fresh = table.get_or_open("a:1", |_| None, || Ok((2, 2)));
        assert_eq!(fresh.unwrap(), 2);
        assert_eq!(open(&table, 3).unwrap(), 2);
    }
}
