//! A server of a test's own, to be stopped, killed and emptied: it has a folder, and ends with the test.
#![allow(
    dead_code,
    reason = "only the features of registries that need a server use it"
)]

use std::{
    fs,
    net::{TcpListener, TcpStream, UdpSocket},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering::Relaxed},
    time::Duration,
};

/// A server, killed when dropped.
pub(crate) struct Server {
    folder: PathBuf,
    command: Vec<String>,
    port: u16,
    child: Option<Child>,
}

impl Server {
    /// A server that is not started yet; `command` makes its command line of its folder and port. It runs in the
    /// folder, whose subfolder `data` is for what is to be lost.
    pub(crate) fn new(command: impl FnOnce(&Path, u16) -> Vec<String>) -> Self {
        let (folder, port) = place();
        fs::create_dir_all(folder.join("data")).unwrap();
        Server {
            command: command(&folder, port),
            folder,
            port,
            child: None,
        }
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Starts it, and waits until `is_ready` says so, half a minute at most.
    pub(crate) async fn start(&mut self, is_ready: impl Fn(&str) -> bool) {
        let log = fs::File::create(self.folder.join("log")).unwrap();
        let child = Command::new(&self.command[0])
            .args(&self.command[1..])
            .current_dir(&self.folder)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn();
        self.child = Some(child.unwrap_or_else(|error| panic!("{}: {error}", self.command[0])));
        for _ in 0..600 {
            if is_ready(&self.address()) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let log = fs::read_to_string(self.folder.join("log")).unwrap();
        panic!("{} is not ready: {log}", self.command[0]);
    }

    /// Kills it as the kernel does.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Forgets what it knew; it must not run.
    pub(crate) fn empty(&mut self) {
        assert!(self.child.is_none(), "it runs");
        fs::remove_dir_all(self.folder.join("data")).unwrap();
        fs::create_dir_all(self.folder.join("data")).unwrap();
    }

    /// Hangs it …
    pub(crate) fn hang(&self) {
        self.signal("STOP");
    }

    /// … and has it go on.
    pub(crate) fn go_on(&self) {
        self.signal("CONT");
    }

    fn signal(&self, signal: &str) {
        let id = self.child.as_ref().unwrap().id().to_string();
        let status = Command::new("kill").args(["-s", signal, &id]).status();
        assert!(status.unwrap().success());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

static NEXT: AtomicU32 = AtomicU32::new(0);

/// A new folder, and a port, for one server.
pub(crate) fn place() -> (PathBuf, u16) {
    let (process, number) = (std::process::id(), NEXT.fetch_add(1, Relaxed));
    let folder = std::env::temp_dir().join(format!("micro-server-{process}-{number}"));
    fs::create_dir_all(&folder).unwrap();
    (folder, port())
}

/// A port for a server, each another.
pub(crate) fn port() -> u16 {
    let (process, number) = (std::process::id(), NEXT.fetch_add(1, Relaxed));
    free_port(process.wrapping_mul(97).wrapping_add(number))
}

/// A port that is free, as is the one above it. Below those that Linux gives to clients: whoever connects again and
/// again to one of those, where nobody listens, is connected to itself in the end.
fn free_port(seed: u32) -> u16 {
    let is_free = |port: u16| {
        let address = ("127.0.0.1", port);
        TcpListener::bind(address).is_ok() && UdpSocket::bind(address).is_ok()
    };
    let ports = (0..2000).map(|tried| (seed + tried) % 2000 * 2 + 26_000);
    let mut ports = ports.filter_map(|port| u16::try_from(port).ok());
    let port = ports.find(|port| is_free(*port) && is_free(port + 1));
    port.expect("a port is free")
}

/// Whether something listens there.
pub(crate) fn listens(address: &str) -> bool {
    TcpStream::connect(address).is_ok()
}

/// A program that `tests/backends` has built, such as `nats`; says so where there is none.
pub(crate) fn built(name: &str) -> Option<String> {
    let variable = |name| std::env::var_os(name).map(PathBuf::from);
    let cache = variable("MICRO_BACKENDS_CACHE")
        .or_else(|| Some(variable("XDG_CACHE_HOME")?.join("micro-backends")))
        .or_else(|| Some(variable("HOME")?.join(".cache/micro-backends")))?;
    let programs = fs::read_dir(cache).into_iter().flatten().flatten();
    let mut programs: Vec<_> = programs
        .map(|entry| entry.path())
        .filter(|path| {
            let file = path.file_name().and_then(|file| file.to_str());
            file.is_some_and(|file| file.strip_prefix(name).is_some_and(|v| v.starts_with("-v")))
        })
        .collect();
    programs.sort();
    let program = programs.pop();
    if program.is_none() {
        let why = format!("it is not built; `tests/backends up {name}` does it");
        crate::skip::skip(name, why);
    }
    Some(program?.to_str()?.to_owned())
}
