//! The runtimes that servers and clients run on unless a system has its own.

use anyhow::Result;
use tokio::runtime::{Builder, Runtime};

/// One thread: all on the caller's. More: tokio's work-stealing runtime.
pub(crate) fn runtime(threads: usize) -> Result<Runtime> {
    let mut builder = if threads == 1 {
        Builder::new_current_thread()
    } else {
        Builder::new_multi_thread()
    };
    Ok(builder.worker_threads(threads).enable_all().build()?)
}
