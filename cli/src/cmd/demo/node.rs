//! One greeter: a process of this same binary, in one of its lives.

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

/// For a process to start and register on a busy machine.
const START_TIMEOUT: Duration = Duration::from_secs(10);
/// For a process that was told to end to have done so: a second to be forgotten by callers, ten for
/// its calls, and some.
const STOP_TIMEOUT: Duration = Duration::from_secs(15);

/// A node, whose process is replaced now and then. Dropping it kills the process.
pub(super) struct Node {
    pub(super) id: String,
    registry: PathBuf,
    /// With its stdin, which it watches: it ends when that closes.
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

    /// SIGKILL: it ends where it stands, whatever its state.
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

    /// SIGTERM, and waits until it has ended well.
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
                "`greeter-{id}` was told to end, and ended badly: {status}"
            ))),
            Ok(Err(error)) => Err(Failure::because(&format!("`greeter-{id}` is lost"))(error)),
            Err(_) => Err(Failure::Failed(format!(
                "`greeter-{id}` was told to end, and had not done so after {STOP_TIMEOUT:?}"
            ))),
        }
    }

    /// Starts a new process in the place of one that has ended.
    pub(super) async fn restart(&mut self) -> Result {
        *self = Node::start(self.id.clone(), &self.registry).await?;
        Ok(())
    }
}

/// A process that has said that it is ready.
async fn launch(id: &str, registry: &Path) -> io::Result<(Child, BufReader<ChildStdout>)> {
    let mut place = OsString::from("local:");
    place.push(registry);
    let mut command = Command::new(std::env::current_exe()?);
    // Settings of the person's own services, such as an address, are not meant for these.
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
