//! The path of the directory, and whether it can be trusted.

use std::{
    env, fs, io,
    os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
};

use rustix::process::geteuid;

use crate::error::{Error, Result};

/// Only the owner may read, write and enter.
const PRIVATE: u32 = 0o700;

/// `$XDG_RUNTIME_DIR/micro`, if that directory belongs to the user, else `micro-UID` among the temporary files.
pub(super) fn of_user() -> PathBuf {
    let user = geteuid().as_raw();
    env::var_os("XDG_RUNTIME_DIR")
        .map(PathBuf::from)
        .filter(|path| path.is_absolute())
        // After `su` it may still be that of another user.
        .filter(|path| fs::metadata(path).is_ok_and(|it| it.is_dir() && it.uid() == user))
        .map_or_else(
            || env::temp_dir().join(format!("micro-{user}")),
            |path| path.join("micro"),
        )
}

/// Creates the directory if it is missing.
pub(super) fn create(path: &Path) -> Result<()> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(PRIVATE)
        .create(path)
        .map_err(|error| unusable(path, error))
}

/// Whether the directory exists. Fails if it is none or, where it has to be `private`, if another
/// user owns it: among temporary files anyone may have made it first.
pub(super) fn check(path: &Path, private: bool) -> Result<bool> {
    let metadata = if private {
        fs::symlink_metadata(path)
    } else {
        fs::metadata(path)
    };
    let metadata = match metadata {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(unusable(path, error)),
    };
    if !metadata.is_dir() {
        return Err(Error::failed_precondition(format!(
            "registry `{}` is not a directory; choose another with `local:PATH`",
            path.display()
        )));
    }
    if private && metadata.uid() != geteuid().as_raw() {
        return Err(Error::permission_denied(format!(
            "registry `{}` belongs to user {}; choose another with `local:PATH`",
            path.display(),
            metadata.uid()
        )));
    }
    if private && metadata.mode() & 0o077 != 0 {
        fs::set_permissions(path, fs::Permissions::from_mode(PRIVATE))
            .map_err(|error| unusable(path, error))?;
    }
    Ok(true)
}

/// An I/O failure of the directory or of what is in it.
pub(super) fn unusable(path: &Path, error: io::Error) -> Error {
    Error::unavailable(format!("registry `{}` cannot be used", path.display())).with_source(error)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may end in a panic")]
mod tests {
    use super::*;

    #[test]
    fn loose_directory_of_ours_is_made_private() {
        let path = env::temp_dir().join(format!("micro-place-{}", std::process::id()));
        create(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        assert!(check(&path, true).unwrap());
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, PRIVATE);
        fs::remove_dir(&path).unwrap();
        assert!(!check(&path, true).unwrap());
    }

    #[test]
    fn link_planted_where_the_private_directory_goes_is_refused() {
        let base = env::temp_dir().join(format!("micro-link-{}", std::process::id()));
        create(&base.join("target")).unwrap();
        std::os::unix::fs::symlink(base.join("target"), base.join("link")).unwrap();
        assert!(check(&base.join("link"), true).is_err());
        assert!(check(&base.join("link"), false).unwrap());
        fs::remove_dir_all(&base).unwrap();
    }

    #[test]
    fn directory_of_another_user_is_refused() {
        const NOBODY: u32 = 65_534;
        let own = env::temp_dir().join(format!("micro-foreign-{}", std::process::id()));
        create(&own).unwrap();
        // Only root can give a directory away, and the root directory is everybody else's stranger.
        let (foreign, user) = match geteuid().is_root() {
            true => (&*own, NOBODY),
            false => (Path::new("/"), 0),
        };
        if geteuid().is_root() {
            std::os::unix::fs::chown(foreign, Some(NOBODY), None).unwrap();
        }
        let refused = check(foreign, true).unwrap_err();
        fs::remove_dir(&own).unwrap();
        assert_eq!(refused.code(), crate::Code::PermissionDenied);
        assert!(
            refused.message().contains(&format!("user {user}")),
            "{refused}"
        );
    }
}
