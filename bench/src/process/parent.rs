//! The parent: starts this binary as server and as client.

use super::{Sample, usage};
use crate::{cell::Cell, system::Kind};
use anyhow::{Context as _, Result, bail};
use nix::{
    sys::signal::{Signal, killpg},
    unistd::Pid,
};
use std::{
    env,
    io::{BufRead, BufReader, Write},
    os::unix::process::CommandExt,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    time::{Duration, Instant},
};

/// A child, leader of a process group, and its two pipes; the group is killed when this is dropped.
pub(crate) struct Process {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Process {
    pub(crate) fn start(arguments: &[String]) -> Result<Self> {
        let mut child = Command::new(env::current_exe()?)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .process_group(0)
            .spawn()?;
        let input = child.stdin.take().context("the child has no input")?;
        let output = child.stdout.take().context("the child has no output")?;
        Ok(Self {
            child,
            input,
            output: BufReader::new(output),
        })
    }

    /// Reads a line of its output.
    pub(crate) fn read(&mut self) -> Result<String> {
        let mut line = String::new();
        if self.output.read_line(&mut line)? == 0 {
            bail!("a child of the benchmark ended early");
        }
        Ok(line.trim_end().to_owned())
    }

    /// Its resident memory, in KiB.
    pub(crate) fn resident_kib(&self) -> Result<u64> {
        usage::resident_kib(self.child.id())
    }

    fn write(&mut self, line: &str) -> Result<()> {
        Ok(writeln!(self.input, "{line}")?)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Fails only if the whole group has ended.
        let group = Pid::from_raw(self.child.id().cast_signed());
        let _ended = killpg(group, Signal::SIGKILL);
        let _status = self.child.wait();
    }
}

/// The process of a server.
pub(crate) struct Server {
    process: Process,
    pub(crate) port: u16,
    /// From the process's start to its listening socket.
    pub(crate) start: Duration,
}

impl Server {
    pub(crate) fn start(kind: Kind, cell: &Cell) -> Result<Self> {
        let begun = Instant::now();
        let mut process = Process::start(&["serve".into(), kind.name().into(), cell.name.into()])?;
        let port = process.read()?.parse()?;
        Ok(Self {
            process,
            port,
            start: begun.elapsed(),
        })
    }

    /// Its resident memory, in KiB.
    pub(crate) fn resident_kib(&self) -> Result<u64> {
        self.process.resident_kib()
    }
}

/// One measurement: a new server, a new client, one window.
pub(crate) fn visit(
    kind: Kind,
    cell: &Cell,
    warm_up: Duration,
    window: Duration,
) -> Result<Sample> {
    let mut server = Server::start(kind, cell)?;
    let mut client = Process::start(&[
        "load".into(),
        kind.name().into(),
        cell.name.into(),
        server.port.to_string(),
        warm_up.as_millis().to_string(),
        window.as_millis().to_string(),
    ])?;
    loop {
        let line = client.read()?;
        if line != "usage" {
            return Ok(serde_json::from_str(&line)?);
        }
        server.process.write("usage")?;
        client.write(&server.process.read()?)?;
    }
}
