//! The number of the runtime that the calling thread belongs to.

use std::cell::Cell;

thread_local! {
    static CURRENT: Cell<usize> = const { Cell::new(0) };
}

/// The number of this thread's runtime; 0 outside such a process, where all threads share.
pub(crate) fn current() -> usize {
    CURRENT.get()
}

/// Marks this thread as runtime `number` of a process with a runtime for each core.
pub fn set(number: usize) {
    CURRENT.set(number);
}
