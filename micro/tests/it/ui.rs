//! What a mistake is told, by the compiler.

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
        let why = format!("their words are those of {COMPILER}x");
        crate::skip::skip("compile-fail tests", why);
        return;
    }
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}
