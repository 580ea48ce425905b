//! What all commands have in common: help, exit codes, pipes.

use std::{io::Read, process::Stdio};

use crate::sandbox::Sandbox;

#[test]
fn help_describes_each_command_in_one_line() {
    let help = Sandbox::new().micro(&["--help"]).ok();
    let commands = help
        .split("Commands:\n")
        .nth(1)
        .expect("help lists the commands");
    let commands = commands.split("\n\n").next().expect("and ends the list");
    for name in [
        "list",
        "get",
        "watch",
        "call",
        "stream",
        "health",
        "stats",
        "register",
        "deregister",
        "weight",
        "new",
        #[cfg(feature = "cert")]
        "cert",
        "completions",
        "man",
    ] {
        let line = commands
            .lines()
            .find(|line| line.trim_start().starts_with(&format!("{name} ")));
        let line = line.unwrap_or_else(|| panic!("`{name}` is not in\n{commands}"));
        assert!(
            line.trim().len() > name.len() + 10,
            "`{name}` says nothing of itself: {line}"
        );
        assert!(line.len() <= 100, "`{name}` says too much: {line}");
    }
}

#[test]
fn help_of_call_is_up_to_date() {
    let help = Sandbox::new().micro(&["call", "--help"]).ok();
    let expected = include_str!("help/call.txt");
    assert_eq!(
        help, expected,
        "if it is right, write it to tests/it/help/call.txt"
    );
}

#[test]
fn unreachable_registry_has_its_own_exit_code() {
    let said = |arguments: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_micro"));
        command.args(arguments).arg("--registry=local:/dev/null/x");
        let output = command.output().expect("the command runs");
        assert_eq!(output.status.code(), Some(4), "{arguments:?}");
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    for arguments in [
        &["list"][..],
        &["get", "a"],
        &["watch"],
        &["call", "a", "A.B", "{}"],
        &["health", "a"],
    ] {
        let text = said(arguments);
        assert!(text.contains("/dev/null/x"), "{text}");
    }
}

#[test]
fn unknown_registry_or_command_is_wrong_usage() {
    let sandbox = Sandbox::new();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_micro"));
    let output = command.args(["list", "--registry", "nonsense"]).output();
    let output = output.expect("the command runs");
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("registry `nonsense`"), "{said}");
    let said = sandbox.micro(&["lst"]).failed(2);
    assert!(said.contains("list"), "{said}");
}

#[test]
fn closed_stdout_is_no_failure() {
    let sandbox = Sandbox::new();
    sandbox.micro(&["register", r#"{"service":"a","id":"a-1","address":"h:1"}"#]);
    for arguments in [
        &["list"][..],
        &["list", "--json"],
        &["completions", "bash"],
        &["man"],
    ] {
        let mut command = sandbox.command(arguments);
        let command = command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the command runs");
        drop(child.stdout.take());
        let mut said = String::new();
        let stderr = child.stderr.as_mut().expect("stderr is piped");
        stderr.read_to_string(&mut said).expect("it writes text");
        let status = child.wait().expect("it ends");
        assert_eq!(
            (status.code(), said.as_str()),
            (Some(0), ""),
            "{arguments:?}"
        );
    }
}

#[test]
fn completions_are_made_for_every_shell() {
    let sandbox = Sandbox::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = sandbox.micro(&["completions", shell]).ok();
        assert!(script.contains("deregister"), "{shell}");
    }
    assert!(
        sandbox
            .micro(&["completions", "dos"])
            .failed(2)
            .contains("bash")
    );
    assert!(sandbox.micro(&["man"]).ok().contains(".TH micro 1"));
}

#[test]
fn what_the_library_warns_of_is_on_stderr() {
    let sandbox = Sandbox::new();
    assert_eq!(sandbox.micro(&["list"]).code, 0);
    let services = sandbox.directory().join("registry");
    let record = r#"{"service":"old","id":"old-1","address":"10.0.0.1:80"}"#;
    assert_eq!(sandbox.micro(&["register", record]).code, 0);
    let mut corrupted = 0;
    for file in files(&services) {
        if file.to_string_lossy().contains("old-1") {
            std::fs::write(&file, "{").expect("it can be written");
            corrupted += 1;
        }
    }
    assert!(corrupted > 0, "no record was found");
    let ran = sandbox.micro(&["list", "--json"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "[]\n"));
    let said = ran.stderr;
    assert!(
        said.starts_with("warning: skipped a corrupt record") && said.contains("; file: "),
        "{said}"
    );
}

/// The files below a directory.
fn files(directory: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).expect("it can be read") {
        let path = entry.expect("it can be read").path();
        match path.is_dir() {
            true => found.extend(files(&path)),
            false => found.push(path),
        }
    }
    found
}

#[test]
fn what_others_wrote_cannot_steer_the_terminal() {
    use micro::{Context, Error, Result, Service};

    async fn fail(_: Context, _: ()) -> Result<()> {
        Err(Error::aborted("\u{1b}]0;owned\u{7}\u{9b}2J"))
    }
    async fn echo(_: Context, _: ()) -> Result<String> {
        Ok("\u{9b}2J\u{202e}".to_owned())
    }
    let sandbox = Sandbox::new();
    let service = Service::new("foe")
        .metadata("note", "\u{1b}[2J\r")
        .handle("Foe.Fail", fail)
        .handle("Foe.Echo", echo);
    sandbox.serve(service);
    let harmful = |text: &str| {
        text.chars()
            .any(|c| c != '\n' && (c.is_control() || c == '\u{202e}'))
    };
    let commands: [&[&str]; 5] = [
        &["get", "foe"],
        &["get", "foe", "--json"],
        &["call", "foe", "Foe.Fail", "null"],
        &["call", "foe", "Foe.Echo", "null"],
        &["stats", "foe"],
    ];
    for command in commands {
        let ran = sandbox.micro(command);
        assert!(!harmful(&ran.stdout), "{command:?}: {:?}", ran.stdout);
        assert!(!harmful(&ran.stderr), "{command:?}: {:?}", ran.stderr);
    }
    let shown = sandbox.micro(&["get", "foe"]).ok();
    assert!(shown.contains(r"note=\u001b[2J\u000d"), "{shown}");
    let reply = sandbox.micro(&["call", "foe", "Foe.Echo", "null"]).json();
    assert_eq!(reply, "\u{9b}2J\u{202e}");
}
