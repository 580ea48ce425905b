//! Values made of files: read when first needed, and again when the files have changed.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use parking_lot::Mutex;

use crate::{
    error::Result,
    time::{self, Nanos, nanos},
};

/// How often files are checked, while connections are made.
const FILE_CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// A value made of files. A check costs one system call a file; a file is read only if
/// its time or length has changed.
pub(super) struct FileCache<T> {
    files: Vec<PathBuf>,
    make: Box<dyn Fn() -> Result<T> + Send + Sync>,
    state: Mutex<State<T>>,
}

struct State<T> {
    value: Option<Arc<T>>,
    stamps: Vec<Option<Stamp>>,
    looked: Nanos,
}

/// What tells that a file has changed.
type Stamp = (SystemTime, u64);

impl<T> FileCache<T> {
    pub(super) fn of(
        files: Vec<PathBuf>,
        make: impl Fn() -> Result<T> + Send + Sync + 'static,
    ) -> Self {
        FileCache {
            files,
            make: Box::new(make),
            state: Mutex::new(State {
                value: None,
                stamps: Vec::new(),
                looked: 0,
            }),
        }
    }

    /// Returns the value of the files at the last check. If they cannot be used any more, the
    /// last value stays, and one warning gives the reason.
    pub(super) fn get(&self) -> Result<Arc<T>> {
        let now = time::now();
        let mut state = self.state.lock();
        if let Some(value) = &state.value {
            if now < state.looked + nanos(FILE_CHECK_INTERVAL) {
                return Ok(value.clone());
            }
            state.looked = now;
        }
        // Before they are read: a change meanwhile is then seen the next time.
        let stamps: Vec<_> = self.files.iter().map(|file| stamp(file)).collect();
        if let Some(value) = &state.value
            && stamps == state.stamps
        {
            return Ok(value.clone());
        }
        state.stamps = stamps;
        let before = state.value.clone();
        match ((self.make)(), before) {
            (Ok(value), before) => {
                if before.is_some() {
                    tracing::info!(files = ?self.files, "certificates were read again");
                }
                let value = Arc::new(value);
                state.value = Some(value.clone());
                state.looked = now;
                Ok(value)
            }
            (Err(error), Some(before)) => {
                tracing::warn!(%error, "changed certificates cannot be used; keeping those from before");
                Ok(before)
            }
            (Err(error), None) => Err(error),
        }
    }
}

fn stamp(file: &Path) -> Option<Stamp> {
    let about = fs::metadata(file).ok()?;
    Some((about.modified().ok()?, about.len()))
}
