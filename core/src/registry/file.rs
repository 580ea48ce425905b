//! Opens files that others may have put there.

use std::{
    fs::{File, OpenOptions},
    io,
    path::Path,
};

/// Opens a regular file for reading; `None` for anything else, links included.
///
/// Checks the opened file rather than the path, so that the file cannot be replaced meanwhile. Does not wait for a
/// pipe.
pub(crate) fn open_plain(path: &Path) -> io::Result<Option<File>> {
    let mut options = OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;

        use rustix::fs::OFlags;

        let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
        options.custom_flags(flags.bits().cast_signed());
    }
    match options.open(path) {
        Ok(file) => Ok(file.metadata()?.is_file().then_some(file)),
        Err(error) if is_other_kind(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether the file could not be opened because it is a link, a socket or a missing device.
#[cfg(unix)]
fn is_other_kind(error: &io::Error) -> bool {
    use rustix::io::Errno;

    let kinds = [Errno::LOOP, Errno::MLINK, Errno::NXIO, Errno::NODEV];
    let code = error.raw_os_error();
    kinds.iter().any(|kind| code == Some(kind.raw_os_error()))
}

#[cfg(not(unix))]
fn is_other_kind(_: &io::Error) -> bool {
    false
}

#[cfg(all(test, unix))]
#[allow(clippy::unwrap_used, reason = "a test may end in a panic")]
mod tests {
    use std::{env, fs, os::unix};

    use super::*;

    #[test]
    fn only_a_regular_file_is_opened() {
        let directory = env::temp_dir().join(format!("micro-open-{}", std::process::id()));
        let _ = fs::remove_dir_all(&directory);
        fs::create_dir_all(&directory).unwrap();
        let path = |name: &str| directory.join(name);
        fs::write(path("file"), "x").unwrap();
        assert!(open_plain(&path("file")).unwrap().is_some());
        unix::fs::symlink(path("file"), path("link")).unwrap();
        let _socket = unix::net::UnixListener::bind(path("socket")).unwrap();
        let made = std::process::Command::new("mkfifo")
            .arg(path("pipe"))
            .status();
        for name in ["link", "socket", "pipe", "."] {
            if name != "pipe" || made.as_ref().is_ok_and(|status| status.success()) {
                assert!(open_plain(&path(name)).unwrap().is_none(), "{name}");
            }
        }
        let error = open_plain(&path("none")).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        fs::remove_dir_all(&directory).unwrap();
    }
}
