//! Unix sockets: a path is bound only where nothing stands, or where only a dead stream socket does.

use std::{
    fs,
    io::{Error, ErrorKind, Result},
    os::unix::fs::{FileTypeExt, MetadataExt},
    path::{Path, PathBuf, absolute},
    time::Duration,
};

use async_trait::async_trait;
use socket2::{Domain, SockAddr, Socket, Type};
use tokio::net::{UnixListener, UnixStream};

use super::{Acceptor, Io};

/// Longest path of a socket, in bytes: `sun_path` without the zero at its end.
const MAX_PATH_SIZE: usize = if cfg!(target_os = "linux") { 107 } else { 103 };
/// Between the two looks at a socket that refuses: a process that starts binds first and listens at once after it.
const REFUSED_RETRY_DELAY: Duration = Duration::from_millis(20);

/// Connects to the socket at a path.
pub(super) async fn connect(path: &str) -> Result<Io> {
    let path = checked(path)?;
    UnixStream::connect(path).await.map(Io::Unix)
}

/// Listens at a path; the file is removed when it is dropped, unless another has taken its place.
pub(super) async fn bind(path: &str) -> Result<Unix> {
    let path = checked(path)?;
    let listener = match UnixListener::bind(&path) {
        Err(error) if error.kind() == ErrorKind::AddrInUse => {
            remove_dead(&path).await?;
            UnixListener::bind(&path)?
        }
        bound => bound?,
    };
    let file = Identity::of(&path).ok();
    Ok(Unix {
        listener,
        path,
        file,
    })
}

/// The absolute path, as whoever reads it from a record runs in another directory.
fn checked(path: &str) -> Result<PathBuf> {
    let wrong = |why: String| Err(Error::new(ErrorKind::InvalidInput, why));
    if path.is_empty() {
        return wrong("`unix:` names no path; write it as in `unix:/run/greeter.sock`".to_owned());
    }
    if path.starts_with(['@', '\0']) {
        let name = &path[1..];
        return wrong(format!(
            "abstract sockets such as `@{name}` are not supported; name a file, as in `unix:./{name}`"
        ));
    }
    let path = absolute(path)?;
    let length = path.as_os_str().len();
    if length > MAX_PATH_SIZE {
        return wrong(format!(
            "the path `{}` has {length} bytes, and a Unix socket at most {MAX_PATH_SIZE}; choose a shorter directory",
            path.display()
        ));
    }
    Ok(path)
}

/// Removes the socket file that a killed process left behind; anything else at the path is an error that names it.
async fn remove_dead(path: &Path) -> Result<()> {
    let seen = dead_socket(path)?;
    tokio::time::sleep(REFUSED_RETRY_DELAY).await;
    // Another process may have begun to listen there meanwhile.
    if dead_socket(path)? != seen {
        return Err(in_use(path));
    }
    fs::remove_file(path)
}

/// The identity of the stream socket at a path that nobody listens at.
fn dead_socket(path: &Path) -> Result<Identity> {
    let metadata = fs::symlink_metadata(path)?;
    let kind = metadata.file_type();
    let name = if kind.is_socket() {
        None
    } else if kind.is_dir() {
        Some("a directory")
    } else if kind.is_symlink() {
        Some("a symbolic link")
    } else if kind.is_fifo() {
        Some("a named pipe")
    } else if kind.is_file() {
        Some("a regular file")
    } else {
        Some("a device")
    };
    if let Some(name) = name {
        return Err(Error::new(
            ErrorKind::AlreadyExists,
            format!(
                "`{}` is {name}, which is not replaced; remove it or choose another path",
                path.display()
            ),
        ));
    }
    // Without waiting: a listener whose queue is full would hold this up.
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    let Err(error) = socket.connect(&SockAddr::unix(path)?) else {
        return Err(in_use(path));
    };
    match error.kind() {
        ErrorKind::ConnectionRefused => Ok(Identity::from(&metadata)),
        ErrorKind::WouldBlock => Err(in_use(path)),
        kind => Err(Error::new(
            kind,
            format!(
                "`{}` is a socket of another kind or owner, which is not replaced ({error}); choose another path",
                path.display()
            ),
        )),
    }
}

fn in_use(path: &Path) -> Error {
    Error::new(
        ErrorKind::AddrInUse,
        format!(
            "`{}` is in use: another process listens there",
            path.display()
        ),
    )
}

/// Which file it is: the path alone does not tell a socket from its successor's.
#[derive(PartialEq, Eq)]
struct Identity {
    device: u64,
    inode: u64,
    changed: (i64, i64),
}

impl Identity {
    fn of(path: &Path) -> Result<Self> {
        fs::symlink_metadata(path).map(|metadata| Identity::from(&metadata))
    }
}

impl From<&fs::Metadata> for Identity {
    fn from(metadata: &fs::Metadata) -> Self {
        Identity {
            device: metadata.dev(),
            inode: metadata.ino(),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

/// A listener with its socket file.
pub(super) struct Unix {
    listener: UnixListener,
    path: PathBuf,
    /// The file that was bound.
    file: Option<Identity>,
}

#[async_trait]
impl Acceptor for Unix {
    fn address(&self) -> String {
        format!("unix:{}", self.path.display())
    }

    async fn accept(&self) -> Result<Io> {
        let (socket, _) = self.listener.accept().await?;
        Ok(Io::Unix(socket))
    }
}

impl Drop for Unix {
    fn drop(&mut self) {
        let bound = self.file.as_ref();
        let is_own = |now: Identity| {
            bound.is_some_and(|bound| (bound.device, bound.inode) == (now.device, now.inode))
        };
        // The listener is still open, so that its inode cannot be another file's.
        if Identity::of(&self.path).is_ok_and(is_own) {
            let _ = fs::remove_file(&self.path);
        }
    }
}
