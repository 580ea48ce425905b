//! This test binary as a process of its own, which runs one of its ignored tests.
#![allow(clippy::print_stdout, reason = "the process is heard over a pipe")]

use std::{
    ffi::OsStr,
    io::{BufRead, BufReader, Read, Write},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

/// The process, killed when dropped.
pub(crate) struct Process {
    child: Child,
    /// Open for as long as the process is wanted.
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Process {
    /// Runs an ignored test, with these variables.
    pub(crate) fn start(test: &str, variables: &[(&str, &OsStr)]) -> Self {
        let own = Command::new(std::env::current_exe().unwrap());
        Process::start_by(own, test, variables)
    }

    /// The same, by a command that ends in this binary, such as for another user.
    pub(crate) fn start_by(mut command: Command, test: &str, variables: &[(&str, &OsStr)]) -> Self {
        let mut child = command
            .args([test, "--exact", "--ignored", "--nocapture"])
            .envs(variables.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        Process {
            input: child.stdin.take(),
            output: BufReader::new(child.stdout.take().unwrap()),
            child,
        }
    }

    /// Waits until it says so.
    pub(crate) fn until(&mut self, what: &str) {
        let mut line = String::new();
        while line.trim() != what {
            line.clear();
            let read = self.output.read_line(&mut line).unwrap();
            assert_ne!(read, 0, "the process ended before it said `{what}`");
        }
    }

    /// Waits until it says something that begins so, and gives the rest.
    #[cfg(unix)]
    pub(crate) fn says(&mut self, prefix: &str) -> String {
        loop {
            let mut line = String::new();
            let read = self.output.read_line(&mut line).unwrap();
            assert_ne!(read, 0, "the process ended before it said `{prefix}`");
            if let Some(rest) = line.trim().strip_prefix(prefix) {
                return rest.to_owned();
            }
        }
    }

    /// Its number, to send signals to.
    pub(crate) fn child(&self) -> &Child {
        &self.child
    }

    /// Kills it as the kernel does.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits for it to end by itself, and says whether it ended well.
    pub(crate) fn ends_well(&mut self) -> bool {
        self.child.wait().unwrap().success()
    }

    /// Ends its standard input, and says whether it found all as it should be.
    pub(crate) fn finish(mut self) -> bool {
        drop(self.input.take());
        self.ends_well()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// In the process: tells the test, on a line of its own among those of the test runner.
pub(crate) fn say(what: &str) {
    let mut output = std::io::stdout();
    output.write_all(format!("\n{what}\n").as_bytes()).unwrap();
    output.flush().unwrap();
}

/// In the process: calls `end`, on a thread of its own, once the test that started it wants it no more.
pub(crate) fn when_unwanted(end: impl FnOnce() + Send + 'static) {
    std::thread::spawn(|| {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        end();
    });
}
