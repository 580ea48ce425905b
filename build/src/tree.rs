//! Packages as nested modules.

use std::fmt::Write;

use prost_build::Module;

/// The text of `mod.rs`: a module a package, each with its file; `None` if there is one file, which can
/// stand for itself.
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
