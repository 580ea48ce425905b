//! `new`.

use std::{fs, path::Path, process::Command};

use crate::sandbox::Sandbox;

/// The checkout that this is built from.
fn checkout() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the package lies in the workspace")
}

#[test]
fn new_project_has_a_manifest_and_a_main() {
    let sandbox = Sandbox::new();
    let ran = sandbox.micro(&[
        "new",
        "my-shop",
        "--path",
        &checkout().display().to_string(),
    ]);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, ""), "{}", ran.stderr);
    assert!(
        ran.stderr.contains("micro call my-shop MyShop.Hello"),
        "{}",
        ran.stderr
    );
    let read = |name: &str| fs::read_to_string(sandbox.directory().join("my-shop").join(name));
    let manifest = read("Cargo.toml").expect("it has a manifest");
    assert!(
        manifest.contains("name = \"my-shop\"") && manifest.contains("path = \""),
        "{manifest}"
    );
    let main = read("src/main.rs").expect("it has a program");
    assert!(main.contains("Service::new(\"my-shop\")"), "{main}");
    assert!(!format!("{manifest}{main}").contains("{name}"));
}

#[test]
fn project_without_a_checkout_uses_the_release() {
    let sandbox = Sandbox::new();
    assert_eq!(sandbox.micro(&["new", "shop"]).code, 0);
    let manifest = fs::read_to_string(sandbox.directory().join("shop/Cargo.toml"));
    let version = format!("version = \"{}\" }}", env!("CARGO_PKG_VERSION"));
    assert!(manifest.expect("it has a manifest").contains(&version));
}

#[test]
fn nothing_is_overwritten_or_made_in_a_wrong_place() {
    let sandbox = Sandbox::new();
    assert_eq!(sandbox.micro(&["new", "shop"]).code, 0);
    assert!(
        sandbox
            .micro(&["new", "shop"])
            .failed(1)
            .contains("`shop` exists")
    );
    assert!(
        sandbox
            .micro(&["new", "../Shop"])
            .failed(2)
            .contains("lower-case letters")
    );
    let said = sandbox.micro(&["new", "other", "--path", "shop"]).failed(2);
    assert!(said.contains("`shop` is not a checkout of Micro"), "{said}");
    assert!(!sandbox.directory().join("other").exists());
}

/// Slow, so only where it is asked for: it builds the project against this checkout.
#[test]
fn new_project_builds() {
    if !crate::skip::is_slow_wanted("a new project's build") {
        return;
    }
    let sandbox = Sandbox::new();
    sandbox.micro(&["new", "shop", "--path", &checkout().display().to_string()]);
    let checked = Command::new(env!("CARGO"))
        .args(["check", "--offline", "--quiet"])
        .current_dir(sandbox.directory().join("shop"))
        .env("CARGO_TARGET_DIR", checkout().join("target/new-project"))
        .output()
        .expect("cargo runs");
    let said = String::from_utf8_lossy(&checked.stderr);
    assert!(
        checked.status.success() && !said.contains("warning"),
        "{said}"
    );
}
