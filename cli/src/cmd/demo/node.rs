//! A greeter: a process of this binary.

use std::{
    ffi::OsString,
    io,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, BufReader},
    process::{Child, ChildStdout, Command},
    time::timeout,
};

use crate::{
    failure::{Failure, Result},
    signals::{self, Signal},
};

const START_TIMEOUT: Duration = Duration::from_secs(10);
/// A second until callers stop calling, ten seconds for its calls, and some more.
const STOP_TIMEOUT: Duration = Duration::from_secs(15);

/// A node, whose process can be replaced. Dropping it kills the process.
pub(super) struct Node {
    pub(super) id: String,
    registry: PathBuf,
    /// The process ends when its stdin closes.
    process: Child,
    stdout: BufReader<ChildStdout>,
}

impl Node {
    /// Starts the process and waits until it is registered.
    pub(super) async fn start(id: String, registry: &Path) -> Result<Self> {
        let what = format!("`greeter-{id}` could not be started");
        let launched = launch(&id, registry).await;
        let (process, stdout) = launched.map_err(Failure::because(&what))?;
        Ok(Node {
            id,
            registry: registry.to_owned(),
            process,
            stdout,
        })
    }

    /// Kills the process (SIGKILL).
    pub(super) async fn kill(&mut self) -> Result {
        let what = format!("`greeter-{}` could not be killed", self.id);
        let killed = self.process.kill().await;
        killed.map_err(Failure::because(&what))
    }

    /// Sends a signal to its process.
    pub(super) fn signal(&self, signal: Signal) -> Result {
        let Some(process) = self.process.id() else {
            let id = &self.id;
            return Err(Failure::Failed(format!(
                "`greeter-{id}` has ended by itself"
            )));
        };
        let what = format!("`greeter-{}` could not be sent a signal", self.id);
        signals::send(process, signal).map_err(Failure::because(&what))
    }

    /// Shuts the process down (SIGTERM) and waits for its end; fails if it ends with an error.
    pub(super) async fn end(&mut self) -> Result {
        self.signal(Signal::Terminate)?;
        let id = &self.id;
        let mut output = String::new();
        let ended = async {
            self.stdout.read_to_string(&mut output).await?;
            self.process.wait().await
        };
        match timeout(STOP_TIMEOUT, ended).await {
            Ok(Ok(status)) if status.success() => Ok(()),
            Ok(Ok(status)) => Err(Failure::Failed(format!(
                "`greeter-{id}` did not shut down cleanly: {status}"
            ))),
            Ok(Err(error)) => Err(Failure::because(&format!("`greeter-{id}` is lost"))(error)),
            Err(_) => Err(Failure::Failed(format!(
                "`greeter-{id}` did not shut down within {STOP_TIMEOUT:?}"
            ))),
        }
    }

    /// Starts a new process after the old one has ended.
    pub(super) async fn restart(&mut self) -> Result {
        *self = Node::start(self.id.clone(), &self.registry).await?;
        Ok(())
    }
}

/// Starts a process and waits until it is ready.
async fn launch(id: &str, registry: &Path) -> io::Result<(Child, BufReader<ChildStdout>)> {
    let mut place = OsString::from("local:");
    place.push(registry);
    let mut command = Command::new(std::env::current_exe()?);
    // The user's settings, such as an address, are for other services.
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("MICRO_") {
            command.env_remove(name);
        }
    }
    command
        .arg("--registry")
        .arg(place)
        .args(["sample", "greeter", "--id", id])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true);
    let mut process = command.spawn()?;
    let stdout = process.stdout.take().expect("its stdout is piped");
    let mut stdout = BufReader::new(stdout);
    let mut line = String::new();
    timeout(START_TIMEOUT, stdout.read_line(&mut line)).await??;
    if !line.starts_with("ready ") {
        return Err(io::Error::other("it ended before it was ready"));
    }
    Ok((process, stdout))
}
