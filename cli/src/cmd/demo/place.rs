//! A directory for the demo's registry, apart from any other.

use std::path::{Path, PathBuf};

use crate::failure::{Failure, Result};

/// A directory that is removed when this is dropped.
pub(super) struct Place(PathBuf);

impl Place {
    pub(super) fn new() -> Result<Self> {
        let name = format!("micro-demo-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        // One that is left of a process of the same number is nobody's any more.
        let _ = std::fs::remove_dir_all(&path);
        let what = format!("`{}` could not be made", path.display());
        std::fs::create_dir_all(&path).map_err(Failure::because(&what))?;
        Ok(Place(path))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
