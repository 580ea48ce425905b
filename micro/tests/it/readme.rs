//! What the README shows is what the repository holds.

use std::{fs, path::Path};

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

#[test]
fn the_service_in_the_readme_is_the_example() {
    let readme = read("../README.md");
    let (_, behind) = readme.split_once("```rust\n").unwrap();
    let (shown, _) = behind.split_once("```").unwrap();
    let example = read("examples/greeter.rs");
    let code: String = example
        .split_inclusive('\n')
        .skip_while(|line| line.starts_with("//!") || line.trim().is_empty())
        .collect();
    assert_eq!(
        shown, code,
        "README.md (left) and examples/greeter.rs (right)"
    );
}

#[test]
fn every_page_that_is_linked_is_there() {
    for page in [
        "README.md",
        "ARCHITECTURE.md",
        "CONTRIBUTING.md",
        "CHANGELOG.md",
        "docs/resilience.md",
        "docs/settings.md",
        "docs/tls.md",
    ] {
        let text = read(&format!("../{page}"));
        let directory = Path::new("..").join(page);
        let links = text
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split(')').next());
        for link in links.filter(|link| !link.contains("://") && !link.starts_with('#')) {
            let file = link.split('#').next().unwrap();
            let target = directory.parent().unwrap().join(file);
            let found = Path::new(env!("CARGO_MANIFEST_DIR")).join(&target).exists();
            assert!(found, "{page} links to `{link}`, which is not there");
        }
    }
}
