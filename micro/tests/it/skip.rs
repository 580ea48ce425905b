//! What a test says when it cannot run here.
#![allow(dead_code, reason = "which of it is used depends on the features")]

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// Tells that `what` is left out, and why; `./test` counts the line.
///
/// It writes to the stream itself: the test harness keeps what a passing test prints by `eprintln!`.
pub(crate) fn skip(what: &str, why: impl std::fmt::Display) {
    writeln!(std::io::stderr(), "skip: {what}: {why}").expect("stderr is open");
}

/// Whether slow tests are wanted; if not, says that `what` is left out.
pub(crate) fn is_slow_wanted(what: &str) -> bool {
    let wanted = std::env::var_os("MICRO_TEST_SLOW").is_some();
    if !wanted {
        skip(what, "it is slow; `MICRO_TEST_SLOW=1` runs it");
    }
    wanted
}

/// Whether nothing may be left out: in a whole run of CI.
pub(crate) fn must_be_complete() -> bool {
    std::env::var("CI").is_ok_and(|ci| ci == "true")
        && std::env::var_os("MICRO_TEST_SLOW").is_some()
}

/// Where `tests/tools` has put a program, in a slow run (`MICRO_TEST_SLOW=1`) and if it can be had.
pub(crate) fn tool(name: &str) -> Option<PathBuf> {
    if !is_slow_wanted(name) {
        return None;
    }
    let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/tools");
    let mut get = Command::new(tools);
    let got = get.arg(name).stdin(Stdio::null()).output();
    let why = match got {
        Ok(got) if got.status.success() => {
            let path = String::from_utf8(got.stdout).unwrap();
            return Some(PathBuf::from(path.trim_end()));
        }
        Ok(got) => String::from_utf8_lossy(&got.stderr).into_owned(),
        Err(error) => error.to_string(),
    };
    assert!(
        std::env::var_os("CI").is_none(),
        "{name} cannot be had: {why}"
    );
    skip(name, format_args!("it cannot be had: {why}"));
    None
}
