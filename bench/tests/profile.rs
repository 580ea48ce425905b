//! The benchmark as a program.

use std::{path::Path, process::Command};

#[test]
fn benchmark_of_another_profile_refuses_to_measure() {
    let program = env!("CARGO_BIN_EXE_micro-rs-bench");
    if Path::new(program)
        .parent()
        .is_some_and(|folder| folder.ends_with("dist"))
    {
        return;
    }
    for arguments in [
        &["--quick"][..],
        &["outage"],
        &["scale"],
        &["--one", "floor"],
    ] {
        let ran = Command::new(program).args(arguments).output();
        let ran = ran.expect("cargo has built it");
        let said = String::from_utf8_lossy(&ran.stderr);
        assert_eq!(ran.status.code(), Some(1), "{arguments:?}: {said}");
        assert!(said.contains("--profile dist"), "{arguments:?}: {said}");
        assert!(ran.stdout.is_empty(), "{arguments:?}: {:?}", ran.stdout);
    }
}
