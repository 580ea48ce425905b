//! The atomics of what a pick reads, in one place so that a model checker can put its own there.

pub(crate) use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
