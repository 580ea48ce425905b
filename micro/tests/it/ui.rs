//! The compiler's errors for common mistakes.

/// The compiler whose texts are in the `.stderr` files; other versions use other texts.
const COMPILER: &str = "rustc 1.95.";

/// After an intended change: `TRYBUILD=overwrite cargo test -p micro-rs --test it ui::`.
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
    let cases = trybuild::TestCases::new();
    for file in std::fs::read_dir("tests/ui").expect("the tests' own directory") {
        let path = file.expect("an entry of the directory").path();
        let name = path.file_name().and_then(|name| name.to_str());
        match name {
            Some("message_without_serde.rs") if cfg!(feature = "bson") => {
                cases.compile_fail("tests/ui/bson/message_without_serde.rs");
            }
            Some(name) if name.ends_with(".rs") => cases.compile_fail(&path),
            _ => {}
        }
    }
}
