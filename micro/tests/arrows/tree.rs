//! The source of a crate as a tree of modules, and which file a path leads to.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use crate::source::{File, Import};

/// The path of a module: `["selector", "cache"]`.
pub(crate) type Module = Vec<String>;

/// The modules of a crate that have files of their own, without those that are compiled for tests only.
pub(crate) struct Tree(BTreeMap<Module, File>);

/// A path in the source: where it stands, what it says, and the modules in whose files that is defined.
pub(crate) struct Arrow<'a> {
    pub(crate) from: &'a Module,
    pub(crate) import: &'a Import,
    pub(crate) to: Vec<&'a Module>,
}

impl Tree {
    /// Reads a folder, such as `core/src`.
    pub(crate) fn read(folder: &Path) -> Self {
        let mut texts = BTreeMap::new();
        collect(folder, &[], &mut texts);
        Self::of(&texts)
    }

    /// Reads texts by the module of each.
    pub(crate) fn of(texts: &BTreeMap<Module, String>) -> Self {
        let read = texts
            .iter()
            .map(|(module, text)| (module.clone(), File::read(text, module)));
        let mut files: BTreeMap<_, _> = read.collect();
        let tests: Vec<Module> = files
            .values()
            .flat_map(|f| f.test_modules.clone())
            .collect();
        files.retain(|module, _| !tests.iter().any(|test| module.starts_with(test)));
        Tree(files)
    }

    /// The modules at the crate's root.
    pub(crate) fn roots(&self) -> BTreeSet<&str> {
        let roots = self.0.keys().filter_map(|module| module.first());
        roots.map(String::as_str).collect()
    }

    /// Every path in the source that leads into the crate, but for those of `lib.rs`, which only re-exports.
    pub(crate) fn arrows(&self) -> impl Iterator<Item = Arrow<'_>> {
        let files = self.0.iter().filter(|(module, _)| !module.is_empty());
        files.flat_map(move |(from, file)| {
            file.imports.iter().map(move |import| {
                let mut to = Vec::new();
                self.resolve(&import.path, &mut BTreeSet::new(), &mut to);
                Arrow { from, import, to }
            })
        })
    }

    /// What a path from the root names, where its first part is a name that `lib.rs` re-exports; else the path.
    pub(crate) fn behind_root(&self, path: &[String]) -> Vec<Vec<String>> {
        let Some((first, rest)) = path.split_first() else {
            return Vec::new();
        };
        if self.roots().contains(first.as_str()) {
            return vec![path.to_vec()];
        }
        let names = self.0[&[][..]].names.iter();
        let named = names.filter(|name| name.name == *first);
        named.map(|name| [&name.path[..], rest].concat()).collect()
    }

    /// The modules that define what a path names: re-exports are followed.
    fn resolve<'a>(
        &'a self,
        path: &[String],
        passed: &mut BTreeSet<Vec<String>>,
        into: &mut Vec<&'a Module>,
    ) {
        if !passed.insert(path.to_vec()) {
            return;
        }
        let prefixes = (0..=path.len()).rev();
        let Some((module, file)) = prefixes
            .filter_map(|length| self.0.get_key_value(&path[..length]))
            .next()
        else {
            return;
        };
        let rest = &path[module.len()..];
        let Some((name, rest)) = rest.split_first() else {
            return into.push(module);
        };
        let mut is_defined_here = true;
        for named in file
            .names
            .iter()
            .filter(|named| named.name == *name && name != "*")
        {
            if self.0.contains_key(&named.path[..1]) {
                is_defined_here = false;
                self.resolve(&[&named.path[..], rest].concat(), passed, into);
            }
        }
        if is_defined_here {
            into.push(module);
        }
    }

    /// Every module that has modules in files below it, the root first.
    pub(crate) fn parents(&self) -> BTreeSet<&[String]> {
        let modules = self.0.keys().filter(|module| !module.is_empty());
        modules.map(|module| &module[..module.len() - 1]).collect()
    }
}

fn collect(folder: &Path, module: &[String], into: &mut BTreeMap<Module, String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let own = [module, std::slice::from_ref(&name)].concat();
        if path.is_dir() {
            collect(&path, &own, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let module = if matches!(name.as_str(), "lib" | "mod" | "main") {
                module.to_vec()
            } else {
                own
            };
            into.insert(module, fs::read_to_string(&path).unwrap());
        }
    }
}
