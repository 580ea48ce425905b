//! What a mistake is told, by the compiler.

use std::io::Write;

/// The compiler whose words stand in the `.stderr` files; another says the same in other words.
const COMPILER: &str = "rustc 1.95.";

/// After a change that is meant: `TRYBUILD=overwrite cargo test -p micro-rs --test it ui::`.
#[test]
fn mistakes_are_told_what_to_do() {
    let rustc = std::process::Command::new("rustc")
        .arg("--version")
        .output()
        .expect("cargo, which runs this, brings rustc");
    if !String::from_utf8_lossy(&rustc.stdout).starts_with(COMPILER) {
        // Not by `println!`, which is heard of failed tests only.
        let told = "skip: compile-fail tests: their words are those of";
        writeln!(std::io::stderr(), "{told} {COMPILER}x").expect("stderr is open");
        return;
    }
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}
