//! Services as processes of their own, which a test kills, stops and replaces from outside.

use std::{
    io::{BufRead, BufReader, Read},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
    sync::atomic::{AtomicUsize, Ordering},
    thread::sleep,
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// Three nodes of one sample service in a registry of their own. Dropping it kills them.
pub(crate) struct Fleet {
    service: &'static str,
    registry: PathBuf,
    pub(crate) nodes: Vec<Process>,
    /// Calls that the processes that ended well have said they ran.
    pub(crate) executed: u64,
}

/// A node's process.
pub(crate) struct Process {
    child: Child,
    stdout: BufReader<ChildStdout>,
}

impl Fleet {
    pub(crate) fn start(service: &'static str) -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("micro-faults-{}-{number}", std::process::id());
        let registry = std::env::temp_dir().join(name);
        let nodes = (1..=3).map(|id| Process::start(service, &registry, id));
        Fleet {
            service,
            nodes: nodes.collect(),
            registry,
            executed: 0,
        }
    }

    /// SIGKILL, and a new process in its place.
    pub(crate) fn kill(&mut self, index: usize) {
        self.nodes[index].kill();
        self.nodes[index] = Process::start(self.service, &self.registry, index + 1);
    }

    /// SIGSTOP for so long.
    pub(crate) fn stop(&mut self, index: usize, length: Duration) {
        self.nodes[index].signal(Signal::STOP);
        sleep(length);
        self.nodes[index].signal(Signal::CONT);
    }

    /// SIGTERM, and a new process once the old one has ended well.
    pub(crate) fn roll(&mut self, index: usize) {
        self.executed += self.nodes[index].end();
        self.nodes[index] = Process::start(self.service, &self.registry, index + 1);
    }

    /// Ends all of them well; the calls that were run, by these and those rolled before.
    pub(crate) fn end(mut self) -> u64 {
        for node in &self.nodes {
            node.signal(Signal::TERM);
        }
        let executed: u64 = self.nodes.iter_mut().map(Process::last_words).sum();
        self.executed + executed
    }

    /// The command under test, in this registry.
    pub(crate) fn micro(&self, arguments: &[&str]) -> Command {
        let mut command = micro(&self.registry);
        command.args(arguments);
        command
    }

    /// Starts `micro bench` of the service for so many seconds.
    pub(crate) fn bench(&self, endpoint: &str, request: &str, rate: u32, seconds: u64) -> Bench {
        let (rate, duration) = (rate.to_string(), format!("{seconds}s"));
        let arguments = [
            "bench",
            self.service,
            endpoint,
            request,
            "--rate",
            &rate,
            "--duration",
            &duration,
            "--json",
        ];
        Bench::start(self.micro(&arguments))
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        for node in &mut self.nodes {
            node.kill();
        }
        let _ = std::fs::remove_dir_all(&self.registry);
    }
}

fn micro(registry: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_micro"));
    command.arg("--registry");
    command.arg(format!("local:{}", registry.display()));
    command
}

impl Process {
    fn start(service: &str, registry: &Path, id: usize) -> Self {
        let mut child = micro(registry)
            .args(["sample", service, "--id", &id.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let mut stdout = BufReader::new(child.stdout.take().expect("its stdout is piped"));
        let mut line = String::new();
        stdout.read_line(&mut line).expect("it speaks UTF-8");
        assert!(line.starts_with("ready "), "{line}");
        Process { child, stdout }
    }

    fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        kill_process(pid.expect("a child has a number"), signal)
            .expect("it has not been waited for");
    }

    fn kill(&mut self) {
        // An error says that it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    fn end(&mut self) -> u64 {
        self.signal(Signal::TERM);
        self.last_words()
    }

    /// What it says it has executed, once it has ended with exit code 0.
    fn last_words(&mut self) -> u64 {
        let mut words = String::new();
        self.stdout
            .read_to_string(&mut words)
            .expect("it speaks UTF-8");
        let status = self.child.wait().expect("it is waited for once");
        assert!(status.success(), "{status} {words}");
        let number = words.trim().strip_prefix("executed ");
        number
            .and_then(|number| number.parse().ok())
            .expect("it says how many it executed")
    }
}

/// A `micro bench` that runs.
pub(crate) struct Bench(Child);

impl Bench {
    pub(crate) fn start(mut command: Command) -> Self {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        Bench(command.spawn().expect("the binary starts"))
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.0.try_wait().expect("it is waited for once").is_none()
    }

    /// Waits for its end: exit code, the last line of its output as JSON, its words.
    pub(crate) fn end(self) -> (i32, Value, String) {
        let output = self.0.wait_with_output().expect("its output is read");
        let words = String::from_utf8_lossy(&output.stderr).into_owned();
        let stdout = String::from_utf8_lossy(&output.stdout);
        let last = stdout.lines().last().unwrap_or_default();
        let value = serde_json::from_str(last);
        let value = value.unwrap_or_else(|error| panic!("{error}: {stdout} {words}"));
        (output.status.code().unwrap_or(-1), value, words)
    }
}
