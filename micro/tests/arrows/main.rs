//! Who may import whom: the table of rooms in `ARCHITECTURE.md`, held against every path in the source.
#![allow(clippy::unwrap_used, missing_docs, reason = "these are tests")]

mod source;
mod table;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use source::{File, Import};
use table::{Grant, Table};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// The library's files and their texts, by the path of the module.
type Sources = BTreeMap<Vec<String>, String>;

fn sources() -> Sources {
    let mut sources = Sources::new();
    collect(&Path::new(ROOT).join("src"), &[], &mut sources);
    sources
}

fn collect(directory: &Path, module: &[String], into: &mut Sources) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let own = [module, std::slice::from_ref(&name)].concat();
        if path.is_dir() {
            collect(&path, &own, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let module = if matches!(name.as_str(), "lib" | "mod") {
                module.to_vec()
            } else {
                own
            };
            into.insert(module, fs::read_to_string(&path).unwrap());
        }
    }
}

/// What was found: imports without leave, and the grants that were needed.
#[derive(Default)]
struct Found {
    wrong: Vec<String>,
    used: BTreeSet<(String, Grant)>,
}

fn check(table: &Table, sources: &Sources) -> Found {
    let exports = exports(&sources[&[][..]]);
    let rooms: BTreeSet<&String> = sources.keys().filter_map(|module| module.first()).collect();
    let files: BTreeMap<_, _> = sources
        .iter()
        .map(|(module, text)| (module, File::read(text, module)))
        .collect();
    let for_tests: Vec<_> = files.values().flat_map(|file| &file.test_modules).collect();
    let mut found = Found::default();
    for (module, file) in &files {
        let Some(room) = module.first() else { continue };
        if for_tests.iter().any(|test| module.starts_with(test)) {
            continue;
        }
        for Import { path, line } in &file.imports {
            let first = path.first().cloned().unwrap_or_default();
            // A name at the crate's root belongs to the rooms that it comes from.
            let paths: Vec<Vec<String>> = match exports.get(&first) {
                _ if rooms.contains(&first) => vec![path.clone()],
                Some(homes) => homes
                    .iter()
                    .map(|home| [std::slice::from_ref(home), &path[..]].concat())
                    .collect(),
                None => Vec::new(),
            };
            match paths.iter().find_map(|path| table.leave(room, path)) {
                Some(Some(grant)) => drop(found.used.insert((room.clone(), grant.clone()))),
                Some(None) => {}
                None => found.wrong.push(format!(
                    "module `{}`, line {line}: `{room}` may not use `{}`",
                    module.join("::"),
                    path.join("::")
                )),
            }
        }
    }
    found
}

/// Where each name at the crate's root comes from.
fn exports(lib: &str) -> BTreeMap<String, Vec<String>> {
    let mut exports: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for statement in lib
        .split(';')
        .filter_map(|text| text.trim().strip_prefix("pub use "))
    {
        for Import { path, .. } in File::read(&format!("crate::{statement}"), &[]).imports {
            if let [room, .., name] = &path[..] {
                exports.entry(name.clone()).or_default().push(room.clone());
            }
        }
    }
    exports
}

fn page() -> String {
    let page = Path::new(ROOT).join("../ARCHITECTURE.md");
    fs::read_to_string(page).expect("the table of rooms stands in ARCHITECTURE.md")
}

#[test]
fn rooms_use_only_what_the_table_says() {
    let wrong = check(&Table::read(&page()), &sources()).wrong;
    assert!(
        wrong.is_empty(),
        "move it, or change the table in ARCHITECTURE.md:\n{}",
        wrong.join("\n")
    );
}

#[test]
fn the_table_says_no_more_than_is_used() {
    let table = Table::read(&page());
    let used = check(&table, &sources()).used;
    for row in &table.0 {
        for grant in &row.grants {
            let needed = row
                .rooms
                .iter()
                .any(|room| used.contains(&(room.clone(), grant.clone())));
            assert!(
                needed,
                "{:?} does not use {grant:?}; take it out of ARCHITECTURE.md",
                row.rooms
            );
        }
    }
}

#[test]
fn the_table_names_every_room_and_each_uses_only_those_above() {
    let (sources, page) = (sources(), page());
    let table = Table::read(&page);
    let rooms: BTreeSet<&str> = sources
        .keys()
        .filter_map(|module| module.first())
        .map(String::as_str)
        .collect();
    assert_eq!(
        table.rooms(),
        rooms,
        "ARCHITECTURE.md (left) and micro/src (right) differ"
    );
    assert_eq!(table.upward(), Vec::<String>::new());
}

/// A crate of a core and two rooms, with `file` as a module of the second.
fn verdict(file: &str) -> Vec<String> {
    let table = Table::read(
        "| room | uses, besides the core | what it is |\n|---|---|---|\n| `error` | – | |\n\
         | `registry` | – | |\n| `server` | `registry::{Node}` | |\n| `client` | `server` | |\n",
    );
    let lib = "pub use error::{Error, Result};\npub use client::Client;\npub use registry::Node;";
    let module = |path: &[&str]| path.iter().map(|name| (*name).to_owned()).collect();
    let sources = Sources::from([
        (module(&[]), lib.to_owned()),
        (module(&["error"]), String::new()),
        (module(&["registry"]), String::new()),
        (module(&["client"]), String::new()),
        (
            module(&["server"]),
            "#[cfg(test)]\nmod tests;\nmod port;".to_owned(),
        ),
        (module(&["server", "port"]), file.to_owned()),
        (
            module(&["server", "tests"]),
            "use crate::client::Client;".to_owned(),
        ),
    ]);
    check(&table, &sources).wrong
}

#[test]
fn an_import_without_leave_is_told_with_its_line() {
    let told = "module `server::port`, line 2: `server` may not use `client::Client`";
    assert_eq!(verdict("use std::fmt;\nuse crate::client::Client;"), [told]);
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
