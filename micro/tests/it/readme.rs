//! What the README shows is what the repository holds.

use std::{fs, path::Path};

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

#[test]
fn service_in_the_readme_is_the_example() {
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
fn every_link_between_pages_leads_somewhere() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut pages: Vec<_> = ["core/src/transport/mux/PROTOCOL.md", "bench/README.md"]
        .map(|page| root.join(page))
        .into();
    for folder in ["", "docs", "docs/registries", "interop", "micro/guide"] {
        let files = fs::read_dir(root.join(folder)).unwrap();
        let files = files.map(|entry| entry.unwrap().path());
        pages.extend(files.filter(|path| path.extension().is_some_and(|end| end == "md")));
    }
    assert!(pages.len() > 15, "{pages:?}");
    let mut wrong = Vec::new();
    for page in pages {
        let text = fs::read_to_string(&page).unwrap();
        for link in links(&text).filter(|link| !link.contains("://")) {
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = match file {
                "" => page.clone(),
                file => page.parent().unwrap().join(file),
            };
            let there = match anchor {
                "" => target.exists(),
                anchor => fs::read_to_string(&target)
                    .is_ok_and(|text| headings(&text).any(|heading| heading == anchor)),
            };
            if !there {
                wrong.push(format!("{}: `{link}`", page.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "links that lead nowhere: {wrong:#?}");
}

/// Targets of the inline links of a page, code left out.
fn links(text: &str) -> impl Iterator<Item = &str> {
    let prose = text.split("```").step_by(2);
    prose.flat_map(|prose| {
        let links = prose.split("](").skip(1);
        links.filter_map(|rest| rest.split(')').next())
    })
}

/// The anchors of a page's headings, as GitHub makes them.
fn headings(text: &str) -> impl Iterator<Item = String> {
    let lines = text.lines().filter(|line| line.starts_with('#'));
    lines.map(|line| {
        let title = line.trim_start_matches('#').trim().to_lowercase();
        let kept = title.chars().filter_map(|c| match c {
            ' ' => Some('-'),
            c if c.is_alphanumeric() || c == '-' || c == '_' => Some(c),
            _ => None,
        });
        kept.collect()
    })
}
