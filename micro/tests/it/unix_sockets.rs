//! Listening at Unix sockets: what stands at the path already, and what is left there.
#![cfg(unix)]

use std::{
    fs,
    os::unix::net::{UnixDatagram, UnixListener, UnixStream},
    path::{Path, PathBuf},
    sync::Arc,
};

use micro::{
    Answer, Call, Code, Request, Result, Socket,
    transport::{Listener, Transport},
};

struct Nobody;

impl Call for Nobody {
    fn call(&self, _: Request) -> Answer {
        Box::pin(std::future::pending())
    }
}

/// A directory of a test's own.
struct Directory(PathBuf);

impl Directory {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("micro-unix-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Directory(path)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

async fn listen(path: &Path) -> Result<Box<dyn Listener>> {
    let address = format!("unix:{}", path.display());
    Socket::new().listen(&address, Arc::new(Nobody)).await
}

async fn refused(path: &Path) -> String {
    let error = listen(path).await.err().unwrap().to_string();
    assert!(error.contains(&*path.display().to_string()), "{error}");
    error
}

/// What a killed process leaves behind.
fn leave_dead_socket(path: &Path) {
    drop(UnixListener::bind(path).unwrap());
}

#[tokio::test]
async fn only_a_dead_stream_socket_is_replaced() {
    let directory = Directory::new("others");
    let file = directory.path("file");
    fs::write(&file, "precious").unwrap();
    assert!(refused(&file).await.contains("is a regular file"));
    assert_eq!(fs::read_to_string(&file).unwrap(), "precious");

    let folder = directory.path("folder");
    fs::create_dir(&folder).unwrap();
    assert!(refused(&folder).await.contains("is a directory"));
    assert!(folder.is_dir());

    let dead = directory.path("dead");
    leave_dead_socket(&dead);
    for target in [&file, &dead, &directory.path("nothing")] {
        let link = directory.path("link");
        std::os::unix::fs::symlink(target, &link).unwrap();
        assert!(refused(&link).await.contains("is a symbolic link"));
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        fs::remove_file(&link).unwrap();
    }

    let pipe = directory.path("pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    if made.is_ok_and(|status| status.success()) {
        assert!(refused(&pipe).await.contains("is a named pipe"));
        assert!(pipe.exists());
    }

    let datagrams = directory.path("datagrams");
    let theirs = UnixDatagram::bind(&datagrams).unwrap();
    assert!(refused(&datagrams).await.contains("socket of another kind"));
    let sender = UnixDatagram::unbound().unwrap();
    sender.send_to(b"x", &datagrams).unwrap();
    assert_eq!(theirs.recv(&mut [0; 8]).unwrap(), 1);

    let listener = listen(&dead).await.unwrap();
    assert!(UnixStream::connect(&dead).is_ok());
    listener.close().await;
}

#[tokio::test]
async fn live_stream_socket_is_in_use() {
    let directory = Directory::new("live");
    let path = directory.path("socket");
    let theirs = UnixListener::bind(&path).unwrap();
    assert!(refused(&path).await.contains("is in use"));
    drop(theirs);
    // One whose queue is full takes no connection, and lives all the same.
    fs::remove_file(&path).unwrap();
    let full = socket2::Socket::new(socket2::Domain::UNIX, socket2::Type::STREAM, None).unwrap();
    full.bind(&socket2::SockAddr::unix(&path).unwrap()).unwrap();
    full.listen(0).unwrap();
    let _waiting = UnixStream::connect(&path).unwrap();
    assert!(refused(&path).await.contains("is in use"));
    assert!(path.exists());
}

#[tokio::test]
async fn invalid_socket_path_is_an_error() {
    let long = format!("unix:/{}", "x".repeat(200));
    for (address, reason) in [
        ("unix:", "`unix:` names no path"),
        ("unix:@name", "abstract sockets"),
        (&*long, "has 201 bytes"),
    ] {
        let error = Socket::new().listen(address, Arc::new(Nobody)).await;
        let error = error.err().unwrap();
        assert_eq!(error.code(), Code::InvalidArgument, "{error}");
        assert!(error.to_string().contains(reason), "{address}: {error}");
    }
}

#[tokio::test]
async fn relative_path_is_registered_as_an_absolute_one() {
    let name = format!("micro-relative-{}", std::process::id());
    let listener = listen(Path::new(&name)).await.unwrap();
    let expected = std::env::current_dir().unwrap().join(&name);
    assert_eq!(
        listener.address(),
        format!("unix:{}", expected.display()),
        "callers run in other directories"
    );
    assert!(UnixStream::connect(&expected).is_ok());
    listener.close().await;
    assert!(!expected.exists());
}

#[tokio::test]
async fn only_its_own_socket_file_is_removed() {
    let directory = Directory::new("own");
    let path = directory.path("socket");
    let old = listen(&path).await.unwrap();
    fs::remove_file(&path).unwrap();
    let new = listen(&path).await.unwrap();
    old.close().await;
    assert!(UnixStream::connect(&path).is_ok(), "it is the new one's");
    new.close().await;
    assert!(!path.exists());
    let third = listen(&path).await.unwrap();
    fs::remove_file(&path).unwrap();
    fs::write(&path, "precious").unwrap();
    third.close().await;
    assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
}
