//! A temporary directory for the demo's registry.

use std::{fs, io, path::Path, path::PathBuf};

use crate::failure::{Failure, Result};

/// A temporary directory, removed on drop.
pub(super) struct TempDir(PathBuf);

const MAX_ATTEMPTS: usize = 8;

impl TempDir {
    /// Creates a directory with an unpredictable name that only this user can enter.
    pub(super) fn new() -> Result<Self> {
        let parent = std::env::temp_dir();
        for _ in 0..MAX_ATTEMPTS {
            let path = parent.join(format!("micro-demo-{:016x}", random()));
            match make(&path) {
                Ok(()) => return Ok(TempDir(path)),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => {
                    let what = format!("`{}` could not be created", path.display());
                    return Err(Failure::because(&what)(error));
                }
            }
        }
        Err(Failure::Failed(format!(
            "no directory could be made in `{}`: every name tried exists",
            parent.display()
        )))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

/// Creates the directory; fails if the path exists, even as a symbolic link.
fn make(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// A number from the system's source of random keys.
fn random() -> u64 {
    use std::hash::{BuildHasher, Hasher, RandomState};
    RandomState::new().build_hasher().finish()
}

impl Drop for TempDir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn directory_is_private_new_and_removed() {
        let directory = TempDir::new().expect("a directory can be made");
        let mode = fs::metadata(directory.path())
            .expect("it is there")
            .permissions();
        assert_eq!(mode.mode() & 0o777, 0o700);
        let taken = make(directory.path()).expect_err("it is taken");
        assert_eq!(taken.kind(), io::ErrorKind::AlreadyExists);
        let other = TempDir::new().expect("a directory can be made");
        assert_ne!(other.path(), directory.path());
        let path = directory.path().to_owned();
        drop(directory);
        assert!(!path.exists());
    }
}
