//! A registry of its own, services in it, and the command run beside them.

use std::{
    ffi::OsStr,
    fs,
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
    sync::{
        Mutex,
        atomic::{AtomicU32, Ordering},
    },
};

use micro::{Plugins, Running, Service, registry::Local, transport::Tls};
use tokio::runtime::Runtime;

/// Where services and commands of one test meet.
pub(crate) struct Sandbox {
    directory: PathBuf,
    runtime: Runtime,
    running: Mutex<Vec<Running>>,
}

/// What a command wrote and how it ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Sandbox {
    pub(crate) fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("micro-cli-{}-{number}", std::process::id());
        let directory = std::env::temp_dir().join(name);
        fs::create_dir_all(&directory).expect("a directory can be made");
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build();
        Sandbox {
            directory,
            runtime: runtime.expect("a runtime can be started"),
            running: Mutex::default(),
        }
    }

    /// A directory for files.
    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// The registry of this sandbox, as the flag takes it.
    pub(crate) fn registry(&self) -> String {
        format!("local:{}", self.directory.join("registry").display())
    }

    /// Starts a service, and gives its address.
    pub(crate) fn serve(&self, service: Service) -> String {
        self.serve_over(Tls::new(), service)
    }

    /// The same with TLS.
    pub(crate) fn serve_over(&self, tls: Tls, service: Service) -> String {
        let registry = Local::at(self.directory.join("registry"));
        let service = service.plugins(Plugins::new().registry(registry).tls(tls));
        let running = self.runtime.block_on(service.serve());
        let running = running.expect("the service starts");
        let address = running.node().address.clone();
        self.running
            .lock()
            .expect("no test panics in it")
            .push(running);
        address
    }

    /// The command with these arguments, not yet run.
    pub(crate) fn command<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Command {
        self.command_at(&self.registry(), arguments)
    }

    /// The same with another registry.
    fn command_at<S: AsRef<OsStr>>(&self, registry: &str, arguments: &[S]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_micro"));
        command.args(arguments).current_dir(&self.directory);
        command.env("XDG_RUNTIME_DIR", &self.directory);
        command.arg("--registry").arg(registry);
        command
    }

    /// Runs the command to its end.
    pub(crate) fn micro<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Ran {
        self.micro_with(arguments, "")
    }

    /// Runs the command to its end with another registry.
    pub(crate) fn micro_at<S: AsRef<OsStr>>(&self, registry: &str, arguments: &[S]) -> Ran {
        Self::run(self.command_at(registry, arguments), "")
    }

    /// Runs the command to its end with this on stdin.
    pub(crate) fn micro_with<S: AsRef<OsStr>>(&self, arguments: &[S], stdin: &str) -> Ran {
        Self::run(self.command(arguments), stdin)
    }

    fn run(mut command: Command, stdin: &str) -> Ran {
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().expect("the command runs");
        let mut input = child.stdin.take().expect("stdin is piped");
        // It may end without reading it.
        let _ = input.write_all(stdin.as_bytes());
        drop(input);
        let output = child.wait_with_output().expect("the command ends");
        let text = |bytes| String::from_utf8(bytes).expect("it writes text");
        Ran {
            code: output.status.code().expect("it ends by itself"),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }

    /// Starts the command, to be read line by line.
    pub(crate) fn start<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Started {
        self.start_at(&self.registry(), arguments)
    }

    /// The same with another registry.
    pub(crate) fn start_at<S: AsRef<OsStr>>(&self, registry: &str, arguments: &[S]) -> Started {
        let mut command = self.command_at(registry, arguments);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut child = command.spawn().expect("the command runs");
        let stdout = child.stdout.take().expect("stdout is piped");
        Started {
            child,
            stdout: BufReader::new(stdout),
        }
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.directory);
    }
}

impl Ran {
    /// What it wrote, for it ended well and had nothing to say.
    #[track_caller]
    pub(crate) fn ok(self) -> String {
        assert_eq!(
            (self.code, self.stderr.as_str()),
            (0, ""),
            "{}",
            self.stdout
        );
        self.stdout
    }

    /// The same as JSON.
    #[track_caller]
    pub(crate) fn json(self) -> serde_json::Value {
        serde_json::from_str(&self.ok()).expect("it prints JSON")
    }

    /// What it said of its failure, having printed no data.
    #[track_caller]
    pub(crate) fn failed(self, code: i32) -> String {
        assert_eq!(
            (self.code, self.stdout.as_str()),
            (code, ""),
            "{}",
            self.stderr
        );
        self.stderr
    }
}

/// A command that runs; it is killed when the test has ended.
pub(crate) struct Started {
    child: Child,
    stdout: BufReader<ChildStdout>,
}

impl Started {
    /// The next line it prints.
    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        let read = self.stdout.read_line(&mut line);
        assert!(read.expect("it can be read") > 0, "it ended");
        line.trim_end().to_owned()
    }

    /// Writes a line on its stdin.
    pub(crate) fn write(&mut self, line: &str) {
        let stdin = self.child.stdin.as_mut().expect("stdin is open");
        writeln!(stdin, "{line}").expect("it reads");
    }

    /// Does as Ctrl-C does.
    #[cfg(unix)]
    pub(crate) fn interrupt(&self) {
        use rustix::process::{Pid, Signal, kill_process};
        kill_process(Pid::from_child(&self.child), Signal::INT).expect("it runs");
    }

    /// Ends its stdin, and gives its exit code.
    pub(crate) fn end(mut self) -> Option<i32> {
        self.child.stdin = None;
        self.child.wait().expect("it ends").code()
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The service of most tests: `Greeter.Hello`, as version `1.0.0`.
pub(crate) fn greeter() -> Service {
    use micro::{Context, Error, Handler, Message, Result};
    use serde::{Deserialize, Serialize};

    #[derive(Serialize, Deserialize, Message)]
    struct Hello {
        name: String,
        times: Option<u8>,
    }

    #[derive(Serialize, Deserialize, Message)]
    struct Greeting {
        msg: String,
    }

    async fn hello(cx: Context, hello: Hello) -> Result<Greeting> {
        if hello.name == "nobody" {
            return Err(Error::not_found("nobody is not here"));
        }
        let title = cx.metadata().get("title").unwrap_or_default();
        let msg = format!("Hello {title}{}", hello.name);
        let msg = vec![msg; hello.times.unwrap_or(1).into()].join(", ");
        Ok(Greeting { msg })
    }

    async fn slow(_: Context, _: Hello) -> Result<Greeting> {
        std::future::pending().await
    }

    Service::new("greeter")
        .version("1.0.0")
        .id("1")
        .handle("Greeter.Hello", hello.idempotent())
        .handle("Greeter.Slow", slow)
}
