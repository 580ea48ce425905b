//! The places outside its own folder where a plugin of this repository is listed.

use std::{fs, path::Path};

use crate::manifest;

/// Where a plugin is missing: the file to edit, and what to add.
pub(crate) fn missing(root: &Path) -> Vec<String> {
    let read = |file: &str| {
        let path = root.join(file);
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    };
    let workspace = read("Cargo.toml");
    let default: Vec<&str> = manifest::list(&workspace, "default-members").collect();
    let (micro, cli) = (read("micro/Cargo.toml"), read("cli/Cargo.toml"));
    let all: Vec<&str> = manifest::list(&cli, "all").collect();
    let (settings, doctor) = (read("docs/settings.md"), read("cli/src/doctor/mod.rs"));
    let known = read("micro/src/settings/known.rs");
    let mut missing = Vec::new();
    for folder in manifest::crates(root).into_keys() {
        let Some(name) = folder.strip_prefix("plugins/") else {
            continue;
        };
        if read(&format!("{folder}/Cargo.toml")).contains("\npublish = false") {
            continue;
        }
        let mut need = |is_there: bool, file: &str, what: String| {
            if !is_there {
                missing.push(format!("{file}: add {what} for the plugin `{name}`"));
            }
        };
        let feature = |manifest: &str| manifest.contains(&format!("\n{name} = ["));
        need(
            default.contains(&&*folder),
            "Cargo.toml",
            format!("`{folder}` to `default-members`"),
        );
        need(
            feature(&micro),
            "micro/Cargo.toml",
            format!("the feature `{name}`"),
        );
        need(
            feature(&cli),
            "cli/Cargo.toml",
            format!("the feature `{name}`"),
        );
        need(
            all.contains(&name),
            "cli/Cargo.toml",
            format!("`{name}` to the feature `all`"),
        );
        if !read(&format!("{folder}/src/lib.rs")).contains("pub const REGISTRY") {
            continue;
        }
        need(
            known.contains(&format!("registry!(\"{name}\"")),
            "micro/src/settings/known.rs",
            "its row to `REGISTRIES`".to_owned(),
        );
        let page = format!("docs/registries/{name}.md");
        need(root.join(&page).exists(), &page, "this page".to_owned());
        need(
            settings.contains(&format!("(registries/{name}.md)")),
            "docs/settings.md",
            format!("a link to {page}"),
        );
        let pages = doctor
            .split_once("const PAGES")
            .map_or("", |(_, rest)| rest);
        let pages = pages.split_once(']').map_or("", |(_, rest)| rest);
        let pages = pages.split("];").next().unwrap_or(pages);
        need(
            pages.contains(&format!("\"{name}\"")),
            "cli/src/doctor/mod.rs",
            format!("`{name}` to `PAGES`"),
        );
    }
    missing
}
