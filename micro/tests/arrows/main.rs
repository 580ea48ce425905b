//! Which crate and which module may use which: the tables of `ARCHITECTURE.md`, held against the source.
#![allow(clippy::unwrap_used, missing_docs, reason = "these are tests")]

mod circles;
mod manifest;
mod plugins;
mod source;
mod table;
mod tree;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use circles::circles;
use table::{Grant, Table};
use tree::Tree;

const CRATES: &str = "| crate | package | uses | why it is a crate |";
const CORE: &str = "| module of `core` | uses, besides the records | what it is |";
const MICRO: &str = "| module of `micro` | uses, besides `core` | what it is |";

/// Circles that stay, by crate and parent module, and why.
const ALLOWED: &[(&str, &str, &str)] = &[];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn page() -> String {
    fs::read_to_string(root().join("ARCHITECTURE.md")).expect("the tables stand in it")
}

/// The modules of the core and of the facade, and the table of each.
fn crates() -> [(&'static str, Tree, Table); 2] {
    let page = page();
    let tree = |folder: &str| Tree::read(&root().join(folder).join("src"));
    [
        (
            "core",
            tree("core"),
            Table::read(&page, CORE, 2).with_records(),
        ),
        ("micro", tree("micro"), Table::read(&page, MICRO, 2)),
    ]
}

/// What was found: imports without leave, and the grants that were needed.
#[derive(Default)]
struct Found {
    wrong: Vec<String>,
    used: BTreeSet<(String, Grant)>,
}

fn check(table: &Table, tree: &Tree) -> Found {
    let mut found = Found::default();
    for arrow in tree.arrows() {
        let module = &arrow.from[0];
        let paths = tree.behind_root(&arrow.import.path);
        // What `lib.rs` re-exports of another crate is beside the table.
        let leave = paths
            .iter()
            .find_map(|path| match path[0].starts_with("micro_") {
                true => Some(None),
                false => table.leave(module, path),
            });
        match leave {
            Some(Some(grant)) => drop(found.used.insert((module.clone(), grant.clone()))),
            Some(None) => {}
            None => found.wrong.push(format!(
                "module `{}`, line {}: `{module}` may not use `{}`",
                arrow.from.join("::"),
                arrow.import.line,
                arrow.import.path.join("::")
            )),
        }
    }
    found
}

#[test]
fn modules_use_only_what_their_table_says() {
    for (name, tree, table) in crates() {
        let wrong = check(&table, &tree).wrong;
        assert!(
            wrong.is_empty(),
            "`{name}`: move it, or change the table in ARCHITECTURE.md:\n{}",
            wrong.join("\n")
        );
    }
}

#[test]
fn tables_of_modules_say_no_more_than_is_used() {
    for (name, tree, table) in crates() {
        let used = check(&table, &tree).used;
        for row in &table.rows {
            for grant in &row.grants {
                let is_used = |module: &String| used.contains(&(module.clone(), grant.clone()));
                assert!(
                    row.names.iter().any(is_used),
                    "`{name}`: {:?} does not use {grant:?}; take it out of ARCHITECTURE.md",
                    row.names
                );
            }
        }
    }
}

#[test]
fn tables_name_every_module_and_point_down_only() {
    for (name, tree, table) in crates() {
        assert_eq!(
            table.names(),
            tree.roots(),
            "ARCHITECTURE.md (left) and {name}/src (right) differ"
        );
        assert_eq!(table.upward(), Vec::<String>::new(), "in `{name}`");
    }
}

#[test]
fn crates_depend_only_on_what_their_table_says() {
    let (crates, table) = (manifest::crates(&root()), Table::read(&page(), CRATES, 3));
    for (name, used) in &crates {
        let row = table
            .row(name)
            .unwrap_or_else(|| panic!("no row for the crate `{name}`"));
        let granted: BTreeSet<&String> = row.grants.iter().map(|grant| &grant.name).collect();
        // All plugins are one name in the table.
        let used: BTreeSet<String> = used
            .iter()
            .map(|name| match table.names().contains(name.as_str()) {
                true => name.clone(),
                false => name.split_once('/').map(|(f, _)| format!("{f}/*")).unwrap(),
            })
            .collect();
        assert_eq!(
            granted,
            used.iter().collect(),
            "ARCHITECTURE.md (left) and {name}/Cargo.toml (right) differ"
        );
    }
    assert_eq!(table.upward(), Vec::<String>::new());
    for name in table.names() {
        let exists = crates.contains_key(name) || name.ends_with("/*");
        assert!(exists, "there is no crate `{name}`");
    }
}

#[test]
fn published_plugin_is_listed_everywhere() {
    let missing = plugins::missing(&root());
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}

#[test]
fn modules_side_by_side_form_no_circle() {
    let mut left: BTreeSet<(&str, &str)> = ALLOWED.iter().map(|(c, p, _)| (*c, *p)).collect();
    let mut wrong = Vec::new();
    let crates = manifest::crates(&root());
    let has_source = |name: &&String| root().join(name).join("src").exists();
    for name in crates.keys().filter(has_source) {
        for circle in circles(&Tree::read(&root().join(name).join("src"))) {
            let allowed = ALLOWED
                .iter()
                .find(|(c, p, _)| c == name && *p == circle.parent);
            match allowed {
                Some((name, parent, _)) => drop(left.remove(&(*name, *parent))),
                None => wrong.push(format!(
                    "`{name}`, in `{}`: {}\n{}",
                    circle.parent,
                    circle.children.join(" "),
                    circle.arrows.join("\n")
                )),
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "move what both need into a file of its own:\n{}",
        wrong.join("\n")
    );
    assert!(left.is_empty(), "circles that are no more: {left:?}");
}

/// A crate with `file` as a module of its server, which may use the node of its registry alone.
fn small(file: &str) -> Tree {
    let module = |path: &str| -> Vec<String> {
        let parts = path.split("::").filter(|part| !part.is_empty());
        parts.map(str::to_owned).collect()
    };
    let lib = "pub use error::{Error, Result};\npub use client::Client;\npub use registry::Node;";
    let texts = [
        ("", lib),
        ("time", ""),
        ("error", ""),
        (
            "registry",
            "pub use node::Node;\npub use crate::error::Error as Fault;",
        ),
        ("registry::node", ""),
        ("client", "use crate::server;"),
        (
            "server",
            "#[cfg(test)]\nmod tests;\nmod port;\npub use port::Port;\npub use router::*;",
        ),
        ("server::port", file),
        ("server::router", "use super::Port;"),
        ("server::tests", "use crate::client::Client;"),
    ];
    let texts = texts.map(|(path, text)| (module(path), text.to_owned()));
    Tree::of(&BTreeMap::from(texts))
}

fn verdict(file: &str) -> Vec<String> {
    let page = format!(
        "{CORE}\n|---|---|---|\n| `time` `error` | – | |\n| `registry` | – | |\n\
         | `server` | `registry::{{Node}}` | |\n| `client` | `server` | |\n"
    );
    check(&Table::read(&page, CORE, 2).with_records(), &small(file)).wrong
}

#[test]
fn import_without_leave_is_reported_with_its_line() {
    let report = "module `server::port`, line 2: `server` may not use `client::Client`";
    assert_eq!(
        verdict("use std::fmt;\nuse crate::client::Client;"),
        [report]
    );
}

#[test]
fn no_way_of_writing_a_forbidden_import_escapes() {
    for file in [
        "use crate::{error::Result, client::{self, Client}};",
        "use crate::Client;",
        "use crate::{Error, Client as Other};",
        "use super::super::client;",
        "use super::{super::client::Client};",
        "mod inner { use super::super::super::client::Client; }",
        "fn f() -> crate::client::Client { todo!() }",
        "fn f(_: &'static str) { micro::client::make::<u8>() }",
        "use crate::registry::Registry;",
        "use crate::registry::{Node, Registry};",
        "use crate::registry;",
        "use crate::*;",
        "use crate::unheard_of;",
        "const C: char = '\\''; const S: &str = r#\"\" \"#; use crate::client::Client;",
        "/* /* nested */ */ use crate::client::Client;",
    ] {
        assert!(!verdict(file).is_empty(), "not found in: {file}");
    }
}

#[test]
fn what_is_allowed_or_no_import_is_left_alone() {
    for file in [
        "use crate::{Error, error::Result, registry::Node};",
        "use crate::Node;",
        "use super::{Table, other::Thing}; pub(crate) mod inner { use super::super::Table; }",
        "// use crate::client::Client;\n/// [`crate::client`]\nconst S: &str = \"crate::client\";",
        "#[cfg(test)]\nmod tests { use crate::client::Client; fn f() {} }\nuse crate::Error;",
        "const S: &str = r#\"use crate::client::Client; \" \"#;",
    ] {
        assert_eq!(verdict(file), Vec::<String>::new(), "in: {file}");
    }
}

#[test]
fn records_use_only_those_before_them() {
    let page = format!("{CORE}\n|---|---|---|\n| `time` `error` | – | |\n| `net` | – | |\n");
    let table = Table::read(&page, CORE, 2).with_records();
    let leave = |module: &str, target: &str| table.leave(module, &[target.to_owned()]).is_some();
    assert!(leave("error", "time") && leave("net", "error"));
    assert!(!leave("time", "error") && !leave("error", "net"));
}

#[test]
fn circles_are_found_behind_re_exports() {
    let found = |file: &str| -> Vec<String> {
        let circles = circles(&small(file)).into_iter();
        let names = circles.map(|circle| circle.children.join(" "));
        names.collect()
    };
    assert_eq!(found("use super::router::Router;"), ["port router"]);
    assert_eq!(found("use crate::{client::Client};"), ["client server"]);
    assert_eq!(
        found("use crate::registry::Fault; use super::Other;"),
        [""; 0]
    );
}
