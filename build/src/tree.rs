//! Packages as nested modules.

use std::{collections::BTreeSet, fmt::Write};

use prost_build::Module;
use prost_types::FileDescriptorSet;

use crate::rust::{has_module, snake};

/// A package inside a module that a message of another package has.
pub(crate) struct Guest {
    /// The module of that other package.
    pub(crate) host: Module,
    /// The path from there to the package's own module.
    pub(crate) path: Vec<String>,
    pub(crate) file: String,
}

/// The packages whose module is that of a message: `package acme.cluster` beside `message Cluster` of `package acme`.
pub(crate) fn guests(set: &FileDescriptorSet, files: &[(Module, String)]) -> Vec<Guest> {
    let mut of_messages: BTreeSet<(Module, String)> = BTreeSet::new();
    for file in &set.file {
        let module = Module::from_protobuf_package_name(file.package());
        let messages = file
            .message_type
            .iter()
            .filter(|message| has_module(message));
        of_messages.extend(messages.map(|message| (module.clone(), snake(message.name()))));
    }
    let host = |(module, file): &(Module, String)| {
        let parts: Vec<String> = module.parts().map(str::to_owned).collect();
        (0..parts.len()).rev().find_map(|length| {
            let host = Module::from_parts(&parts[..length]);
            let is_file = files.iter().any(|(module, _)| *module == host);
            let hosts = is_file && of_messages.contains(&(host.clone(), parts[length].clone()));
            hosts.then(|| Guest {
                host,
                path: parts[length..].to_vec(),
                file: file.clone(),
            })
        })
    };
    files.iter().filter_map(host).collect()
}

/// The text of `mod.rs`: a module for each package, with its file; `None` if there is a single file that
/// needs no tree.
pub(crate) fn modules(files: &[(Module, String)]) -> Option<String> {
    if let [(module, _)] = files
        && module.len() <= 1
    {
        return None;
    }
    let mut text = String::new();
    let mut open: Vec<&str> = Vec::new();
    // Sorted, so that a package comes before those within it.
    for (module, file) in files {
        let parts: Vec<&str> = module.parts().collect();
        let common = open.iter().zip(&parts).take_while(|(a, b)| a == b).count();
        close(&mut text, &mut open, common);
        for part in &parts[common..] {
            line(&mut text, open.len(), &format!("pub mod {part} {{"));
            open.push(part);
        }
        line(&mut text, open.len(), &format!("include!({file:?});"));
    }
    close(&mut text, &mut open, 0);
    Some(text)
}

fn close(text: &mut String, open: &mut Vec<&str>, depth: usize) {
    while open.len() > depth {
        open.pop();
        line(text, open.len(), "}");
    }
}

fn line(text: &mut String, depth: usize, what: &str) {
    writeln!(text, "{:1$}{what}", "", depth * 4).expect("a string takes all that is written");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(packages: &[&str]) -> Option<String> {
        let files: Vec<_> = packages
            .iter()
            .map(|name| {
                (
                    Module::from_protobuf_package_name(name),
                    format!("{name}.rs"),
                )
            })
            .collect();
        modules(&files)
    }

    #[test]
    fn one_plain_package_needs_no_tree() {
        assert_eq!(tree(&["greeter"]), None);
    }

    #[test]
    fn packages_within_packages_are_modules_within_modules() {
        let expected = "\
pub mod shop {
    include!(\"shop.rs\");
    pub mod v1 {
        include!(\"shop.v1.rs\");
    }
}
pub mod stock {
    include!(\"stock.rs\");
}
";
        assert_eq!(
            tree(&["shop", "shop.v1", "stock"]).as_deref(),
            Some(expected)
        );
    }
}
