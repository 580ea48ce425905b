//! What a test says when it cannot run here.
#![allow(dead_code, reason = "which of it is used depends on the features")]

use std::io::Write;

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
