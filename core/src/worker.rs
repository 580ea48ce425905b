//! Which of a process's runtimes the calling thread belongs to.

use std::cell::Cell;

thread_local! {
    static CURRENT: Cell<usize> = const { Cell::new(0) };
}

/// The number of this thread's runtime; 0 outside a runtime a core, where all threads share.
pub(crate) fn current() -> usize {
    CURRENT.get()
}

/// Says that this thread is runtime `number` of a process that has one a core.
pub fn set(number: usize) {
    CURRENT.set(number);
}
