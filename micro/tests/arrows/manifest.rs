//! The crates of the repository and which of them each depends on, from their `Cargo.toml`.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

/// The crates by their folder, such as `plugins/etcd`; each with the folders of the crates that it depends on, other
/// than for tests alone.
pub(crate) fn crates(root: &Path) -> BTreeMap<String, BTreeSet<String>> {
    let workspace = read(root, ".");
    let members = list(&workspace, "members").chain(list(&workspace, "exclude"));
    let folders: Vec<String> = members.flat_map(|member| expand(root, member)).collect();
    let manifests: BTreeMap<String, String> = folders
        .into_iter()
        .map(|folder| (folder.clone(), read(root, &folder)))
        .collect();
    let by_package: BTreeMap<&str, &String> = manifests
        .iter()
        .map(|(folder, text)| (value(text, "name").expect("a package has a name"), folder))
        .collect();
    // What a crate is called in `[workspace.dependencies]` may differ from its package.
    let renamed: BTreeMap<&str, &str> =
        section(&workspace, |head| head == "workspace.dependencies")
            .filter_map(|line| Some((key(line), value(line, "package")?)))
            .collect();
    let depends = |text: &str| -> BTreeSet<String> {
        let is_used = |head: &str| head.ends_with("dependencies") && !head.contains("dev-");
        section(text, is_used)
            .filter_map(|line| {
                let name = value(line, "package").unwrap_or(key(line));
                let name = renamed.get(name).unwrap_or(&name);
                by_package.get(name).map(|folder| (*folder).clone())
            })
            .collect()
    };
    manifests
        .iter()
        .map(|(folder, text)| (folder.clone(), depends(text)))
        .collect()
}

fn read(root: &Path, folder: &str) -> String {
    let path = root.join(folder).join("Cargo.toml");
    fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// The folders that a member names, such as `plugins/*`.
fn expand(root: &Path, member: &str) -> Vec<String> {
    let Some(folder) = member.strip_suffix("/*") else {
        return vec![member.to_owned()];
    };
    let entries = fs::read_dir(root.join(folder)).unwrap().map(Result::unwrap);
    entries
        .filter(|entry| entry.path().join("Cargo.toml").exists())
        .map(|entry| format!("{folder}/{}", entry.file_name().to_str().unwrap()))
        .collect()
}

/// The lines of the sections whose heads are wanted, without comments.
fn section<'a>(
    text: &'a str,
    is_wanted: impl Fn(&str) -> bool + 'a,
) -> impl Iterator<Item = &'a str> {
    let mut wanted = false;
    text.lines().filter(move |line| {
        if let Some(head) = line.strip_prefix('[') {
            wanted = is_wanted(head.trim_end_matches(']'));
            return false;
        }
        wanted && line.contains('=') && !line.starts_with('#')
    })
}

/// The key of a line: `micro` of `micro.workspace = true`.
fn key(line: &str) -> &str {
    line.split(['.', ' ', '=']).next().unwrap_or(line)
}

/// The first text that a key is given: `micro-rs` of `package = "micro-rs"`.
fn value<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(&format!("{key} = \""))?;
    rest.split('"').next()
}

/// The texts in a list: `core` of `members = ["core"]`.
pub(crate) fn list<'a>(text: &'a str, key: &str) -> impl Iterator<Item = &'a str> {
    let rest = text
        .split_once(&format!("\n{key} = ["))
        .map_or("", |(_, rest)| rest);
    let list = rest.split(']').next().unwrap_or(rest);
    list.split('"').skip(1).step_by(2)
}
