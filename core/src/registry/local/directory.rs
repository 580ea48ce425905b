//! The directory: reads all records, or one by name.

use std::{
    collections::HashSet,
    fs, io,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use parking_lot::Mutex;

use super::{
    file_name, place,
    record::{self, Lifetime, RecordState},
};
use crate::{
    error::{Error, Result},
    node::Node,
};

/// The age at which the writer of an unfinished file counts as dead: writing one takes a millisecond.
const LEFT_BEHIND: Duration = Duration::from_secs(60);

/// A directory of records. All its methods may wait for the disk.
#[derive(Debug)]
pub(super) struct Directory {
    path: PathBuf,
    /// Whether it is the user's default directory, not a chosen path.
    private: bool,
    /// The default directory that contains it, which must belong to the user as well.
    above: Option<PathBuf>,
    /// The corrupt files that were warned about, until they are repaired or removed.
    warned: Mutex<HashSet<String>>,
}

impl Directory {
    pub(super) fn new(path: PathBuf, private: bool) -> Self {
        Directory {
            path,
            private,
            above: None,
            warned: Mutex::default(),
        }
    }

    /// A subdirectory of this directory.
    pub(super) fn within(&self, name: &str) -> Self {
        Directory {
            above: Some(self.path.clone()),
            ..Directory::new(self.path.join(name), self.private)
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Creates the directory if it is missing, and checks that it belongs to the user.
    pub(super) fn open(&self) -> Result<()> {
        if !self.exists()? {
            if let Some(above) = &self.above {
                place::create(above)?;
                place::check(above, self.private)?;
            }
            place::create(&self.path)?;
            self.exists()?;
        }
        Ok(())
    }

    /// Whether the directory exists; fails if it belongs to another user.
    pub(super) fn exists(&self) -> Result<bool> {
        if let Some(above) = &self.above
            && !place::check(above, self.private)?
        {
            return Ok(false);
        }
        place::check(&self.path, self.private)
    }

    /// The error for an I/O failure of the directory or of a file in it.
    pub(super) fn unusable(&self, error: io::Error) -> Error {
        place::unusable(&self.path, error)
    }

    /// The names of all files that may be records, sorted. Removes what dead writers left.
    pub(super) fn names(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            // Names of records are UTF-8, so another name is not one.
            let Ok(name) = entry?.file_name().into_string() else {
                continue;
            };
            if file_name::is_hidden(&name) {
                self.sweep(&name);
            } else if file_name::may_be_record(&name) {
                names.push(name);
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    /// The living record with a name. A dead one is removed; a corrupt one is logged once.
    pub(super) fn read(&self, name: &str) -> io::Result<Option<(Node, Lifetime)>> {
        match record::read(&self.path.join(name))? {
            RecordState::Living(node, hold) => {
                self.warned.lock().remove(name);
                return Ok(Some((*node, hold)));
            }
            RecordState::Dead => self.bury(name),
            RecordState::Gone | RecordState::Replaced => {
                self.warned.lock().remove(name);
            }
            RecordState::Corrupt(reason) => {
                if self.warned.lock().insert(name.to_owned()) {
                    let file = self.path.join(name);
                    tracing::warn!(file = %file.display(), reason, "skipped a corrupt record; remove the file if nothing mends it");
                }
            }
        }
        Ok(None)
    }

    /// Removes a dead record. If that fails, the next process that reads it tries again.
    fn bury(&self, name: &str) {
        if let Err(error) = record::remove(&self.path, name) {
            tracing::debug!(file = name, %error, "cannot remove a dead record");
        }
    }

    fn sweep(&self, name: &str) {
        let path = self.path.join(name);
        let is_old = |path: &Path| {
            let age = SystemTime::now().duration_since(fs::metadata(path)?.modified()?);
            Ok::<_, io::Error>(age.is_ok_and(|age| age > LEFT_BEHIND))
        };
        if is_old(&path).unwrap_or(false) && !record::is_held(&path).unwrap_or(true) {
            // Another process may have been faster, or the record may belong to another user.
            let _ = fs::remove_file(&path);
        }
    }
}
