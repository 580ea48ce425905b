//! Plugins use the documented public API of the core alone, and the core names no product.
#![allow(clippy::unwrap_used, missing_docs, reason = "these are tests")]

mod api;
#[path = "../arrows/source.rs"]
#[allow(dead_code, reason = "`arrows` needs more of it")]
mod source;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use api::Api;
use source::File;

/// Systems that plugins are for. Docs may name them; code may not.
const PRODUCTS: [&str; 8] = [
    "consul",
    "etcd",
    "zookeeper",
    "kubernetes",
    "nats",
    "rabbitmq",
    "kafka",
    "redis",
];

/// The text of each file by its module.
type Sources = BTreeMap<Vec<String>, String>;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn sources(folder: &Path) -> Sources {
    let mut sources = Sources::new();
    collect(folder, &[], &mut sources);
    sources
}

fn collect(folder: &Path, module: &[String], into: &mut Sources) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let own = [module, std::slice::from_ref(&name)].concat();
        if path.is_dir() {
            collect(&path, &own, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let module = match name.as_str() {
                "lib" | "mod" | "main" => module.to_vec(),
                _ => own,
            };
            into.insert(module, fs::read_to_string(&path).unwrap());
        }
    }
}

/// The text with other words in the place of some.
fn renamed(text: &str, words: &[(&str, &str)]) -> String {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let parts = text.split_inclusive(|c| !is_word(c)).map(|part| {
        let word = part.trim_end_matches(|c| !is_word(c));
        let other = words.iter().find(|(from, _)| *from == word);
        other.map_or(part.to_owned(), |(_, to)| {
            format!("{to}{}", &part[word.len()..])
        })
    });
    parts.collect()
}

/// The paths into the core in a plugin's file that lead to something hidden, each with its line.
fn hidden(api: &Api, text: &str) -> Vec<String> {
    // The reader follows paths that begin with `crate`: those into the core take their place.
    let own = renamed(text, &[("crate", "own_crate"), ("micro_core", "crate")]);
    // Paths that begin with `self` and `super` stay in here.
    let place = [
        "own".to_owned(),
        "own".to_owned(),
        "own".to_owned(),
        "own".to_owned(),
    ];
    let imports = File::read(&own, &place).imports.into_iter();
    let outside = imports.filter(|import| import.path.first().is_some_and(|name| name != "own"));
    let wrong = outside.filter_map(|import| {
        let why = api.refuses(&import.path)?;
        let path = import.path.join("::");
        Some(format!("line {}: `micro_core::{path}`: {why}", import.line))
    });
    wrong.collect()
}

#[test]
fn plugins_use_documented_public_items_only() {
    let api = Api::read(&sources(&root().join("core/src")));
    let (mut wrong, mut files) = (Vec::new(), 0);
    for plugin in fs::read_dir(root().join("plugins")).unwrap() {
        let plugin = plugin.unwrap().path();
        for (module, text) in sources(&plugin.join("src")) {
            files += 1;
            let place = format!("{} `{}`", plugin.display(), module.join("::"));
            let told = hidden(&api, &text).into_iter();
            wrong.extend(told.map(|why| format!("{place}, {why}")));
        }
    }
    assert!(files > 50, "the plugins were found: {files} files");
    assert!(
        wrong.is_empty(),
        "make it public or do without:\n{}",
        wrong.join("\n")
    );
}

/// The words of a file outside comments and what is compiled for tests only, texts included, that contain a product.
fn products(text: &str) -> Vec<String> {
    let code = source::without_tests(text);
    let words = code.split(|c: char| !c.is_alphanumeric());
    let named = words.filter(|word| {
        let word = word.to_lowercase();
        PRODUCTS.iter().any(|product| word == *product)
    });
    named.map(str::to_owned).collect()
}

#[test]
fn core_names_no_product_outside_docs() {
    let core = root().join("core");
    let mut wrong = Vec::new();
    let sources = sources(&core.join("src"));
    let files = sources
        .iter()
        .map(|(module, text)| File::read(text, module));
    let tests: Vec<_> = files.flat_map(|file| file.test_modules).collect();
    for (module, text) in &sources {
        if tests.iter().any(|test| module.starts_with(test)) {
            continue;
        }
        let place = module.join("::");
        wrong.extend(
            products(&place)
                .into_iter()
                .map(|word| format!("module `{place}`: {word}")),
        );
        wrong.extend(
            products(text)
                .into_iter()
                .map(|word| format!("in `{place}`: {word}")),
        );
    }
    let manifest = fs::read_to_string(core.join("Cargo.toml")).unwrap();
    let lines = manifest.lines().filter(|line| !line.starts_with('#'));
    let features = lines.flat_map(products);
    wrong.extend(features.map(|word| format!("Cargo.toml: {word}")));
    assert_eq!(wrong, Vec::<String>::new());
}

/// What is told of a plugin's file, where the core is this.
fn verdict(file: &str) -> Vec<String> {
    let module = |path: &str| {
        path.split("::")
            .filter(|p| !p.is_empty())
            .map(Into::into)
            .collect()
    };
    let core = [
        (
            "",
            "#[doc(hidden)]\npub mod time;\npub mod node;\nmod error;\npub use error::{Error, Code as Kind};\n#[doc(hidden)] pub use error::secret;",
        ),
        ("time", "pub fn now() {}"),
        (
            "node",
            "#[derive(Clone)]\n#[non_exhaustive]\npub struct Node {}\n#[doc(hidden)]\n#[derive(Debug)]\npub struct Inner;\npub(crate) fn own() {}",
        ),
        ("error", ""),
    ];
    let core = core.map(|(path, text)| (module(path), text.to_owned()));
    hidden(&Api::read(&core.into_iter().collect()), file)
}

#[test]
fn hidden_and_private_items_are_told_with_their_lines() {
    for (file, path) in [
        ("use std::fmt;\nuse micro_core::time;", "time"),
        ("\nfn f() { micro_core::time::now() }", "time::now"),
        ("\nuse micro_core::{Error, secret};", "secret"),
        (
            "\nuse micro_core::node::{Inner as Own, Node};",
            "node::Inner",
        ),
        ("\nuse micro_core::node::own;", "node::own"),
        ("\nuse micro_core::error::Error;", "error::Error"),
        ("\nuse micro_core::Code;", "Code"),
        ("\nuse micro_core::node::*;", "node::*"),
    ] {
        let told = verdict(file);
        let expected = format!("line 2: `micro_core::{path}`: ");
        assert!(
            told.len() == 1 && told[0].starts_with(&expected),
            "{file}: {told:?}"
        );
    }
}

#[test]
fn documented_items_and_own_modules_are_left_alone() {
    for file in [
        "use micro_core::{Error, Kind, node::{self, Node}};",
        "use crate::time; use super::time; use super::super::time::now;",
        "// use micro_core::time;\nconst S: &str = \"micro_core::time\";",
        "fn f() { micro_core::node::Node::new() }",
        "#[cfg(test)]\nmod tests { use micro_core::time; }",
    ] {
        assert_eq!(verdict(file), Vec::<String>::new(), "{file}");
    }
}

#[test]
fn products_are_found_in_code_and_not_in_docs_or_tests() {
    for file in [
        "struct Etcd;",
        "const A: &str = \"consul://\";",
        "mod nats;",
    ] {
        assert_eq!(products(file).len(), 1, "{file}");
    }
    for file in [
        "/// As etcd does.\nstruct A;",
        "/* redis */ struct Alternates;",
        "#[cfg(test)]\nmod tests { const A: &str = \"etcd\"; }\nstruct B;",
    ] {
        assert_eq!(products(file), Vec::<String>::new(), "{file}");
    }
}
