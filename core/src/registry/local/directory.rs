//! The directory: what is in it, read whole or name by name.

use std::{
    collections::HashSet,
    fs, io,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use parking_lot::Mutex;

use super::{
    file_name, place,
    record::{self, Found, Hold},
};
use crate::{
    error::{Error, Result},
    node::Node,
};

/// How old an unfinished file is when its writer is taken to be dead: writing one takes a millisecond.
const LEFT_BEHIND: Duration = Duration::from_secs(60);

/// A directory of records. All that it does may wait for the disk.
#[derive(Debug)]
pub(super) struct Directory {
    path: PathBuf,
    /// Whether it is the user's own by rule, not by choice of a path.
    private: bool,
    /// The one that it is within by rule, which has to be ours as well.
    above: Option<PathBuf>,
    /// The corrupt files warned about, until they are mended or gone.
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

    /// A directory within this one.
    pub(super) fn within(&self, name: &str) -> Self {
        Directory {
            above: Some(self.path.clone()),
            ..Directory::new(self.path.join(name), self.private)
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Makes sure that it exists and is ours.
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

    /// Whether it exists; fails if it is another's.
    pub(super) fn exists(&self) -> Result<bool> {
        if let Some(above) = &self.above
            && !place::check(above, self.private)?
        {
            return Ok(false);
        }
        place::check(&self.path, self.private)
    }

    /// An I/O failure of the directory or of what is in it.
    pub(super) fn unusable(&self, error: io::Error) -> Error {
        place::unusable(&self.path, error)
    }

    /// The names of all files that may be records, sorted; what dead writers left is swept.
    pub(super) fn names(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            // A record's name is plain text, so another's is none.
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

    /// The living record under a name. A dead one is removed, a corrupt one warned about once.
    pub(super) fn read(&self, name: &str) -> io::Result<Option<(Node, Hold)>> {
        match record::read(&self.path.join(name))? {
            Found::Living(node, hold) => {
                self.warned.lock().remove(name);
                return Ok(Some((*node, hold)));
            }
            Found::Dead => self.bury(name),
            Found::Gone | Found::Replaced => {
                self.warned.lock().remove(name);
            }
            Found::Corrupt(reason) => {
                if self.warned.lock().insert(name.to_owned()) {
                    let file = self.path.join(name);
                    tracing::warn!(file = %file.display(), reason, "skipped a corrupt record; remove the file if nothing mends it");
                }
            }
        }
        Ok(None)
    }

    /// Removes a dead record. Where that fails it stays dead, and whoever sees it next tries again.
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
            // Another may be faster, or it is not ours to remove.
            let _ = fs::remove_file(&path);
        }
    }
}
