//! Makes generated code readable: short paths, one list of derives, empty lines between items.

use std::collections::BTreeSet;

use syn::{
    Arm, Attribute, ExprLit, File, Ident, Item, ItemEnum, ItemImpl, ItemMod, ItemStruct, Lit, Pat,
    Path, PathSegment, Token, Type, parse_quote,
    punctuated::Punctuated,
    visit::Visit,
    visit_mut::{self, VisitMut},
};

use crate::{
    Error,
    aliases::{Alias, Aliases},
};

/// What other files contribute to a module.
pub(crate) struct Given {
    /// Names in the module's scope that other files define.
    pub(crate) hidden: BTreeSet<String>,
    pub(crate) aliases: Aliases,
    /// Files to include, each as a module inside this one.
    pub(crate) includes: Vec<(Vec<String>, String)>,
}

/// Formats the code, and adds the derive that makes its types messages.
pub(crate) fn polish(code: &str, given: Given) -> Result<String, Error> {
    let mut file = parse(code)?;
    let mut names = Names(given.hidden);
    names.visit_file(&file);
    let mut polish = Polish {
        names,
        aliases: given.aliases,
        path: Vec::new(),
        others: Vec::new(),
    };
    polish.visit_file_mut(&mut file);
    for (path, name) in given.includes {
        include(&mut file.items, &path, &name);
    }
    Ok(spaced(&prettyplease::unparse(&file)))
}

/// The names of types and modules in the code.
pub(crate) fn names(code: &str) -> Result<BTreeSet<String>, Error> {
    let mut names = Names::default();
    names.visit_file(&parse(code)?);
    Ok(names.0)
}

fn parse(code: &str) -> Result<File, Error> {
    syn::parse_file(code).map_err(|error| {
        Error::new(format!(
            "generated code is not Rust ({error}); please report the file"
        ))
    })
}

/// Includes a file as a module, which may exist already.
fn include(items: &mut Vec<Item>, path: &[String], file: &str) {
    let [first, rest @ ..] = path else {
        items.push(parse_quote!(include!(#file);));
        return;
    };
    let found = items.iter_mut().find_map(|item| match item {
        Item::Mod(module) if module.ident == first.as_str() => module.content.as_mut(),
        _ => None,
    });
    if let Some((_, items)) = found {
        return include(items, rest, file);
    }
    let mut module: ItemMod = syn::parse_str(&format!("pub mod {first} {{}}"))
        .expect("a package's part is a name of Rust");
    let inner = &mut module.content.get_or_insert_default().1;
    include(inner, rest, file);
    items.push(Item::Mod(module));
}

/// The types and modules of a file, which may hide others with the same names.
#[derive(Default)]
struct Names(BTreeSet<String>);

impl Names {
    fn add(&mut self, ident: &Ident) {
        self.0.insert(ident.to_string());
    }
}

impl<'ast> Visit<'ast> for Names {
    fn visit_item_struct(&mut self, item: &'ast ItemStruct) {
        self.add(&item.ident);
    }

    fn visit_item_enum(&mut self, item: &'ast ItemEnum) {
        self.add(&item.ident);
    }

    fn visit_item_mod(&mut self, item: &'ast ItemMod) {
        self.add(&item.ident);
        syn::visit::visit_item_mod(self, item);
    }

    fn visit_item_trait(&mut self, item: &'ast syn::ItemTrait) {
        self.add(&item.ident);
    }
}

struct Polish {
    names: Names,
    aliases: Aliases,
    /// The modules around the visited item.
    path: Vec<String>,
    /// The other names of the visited enumeration's values.
    others: Vec<Alias>,
}

/// Paths that are in the prelude.
const PRELUDE: [&str; 4] = [
    "prost::alloc::string::String",
    "prost::alloc::vec::Vec",
    "prost::alloc::boxed::Box",
    "core::option::Option",
];

const CRATES: [&str; 4] = ["micro", "prost", "prost_types", "std"];

impl Polish {
    fn free(&self, name: &str) -> bool {
        !self.names.0.contains(name)
    }

    /// Adds our derive to prost's, with the attributes it needs.
    fn message(&self, attributes: &mut Vec<Attribute>, told: impl Fn(&str) -> Option<Attribute>) {
        let Some(place) = attributes
            .iter()
            .position(|one| one.path().is_ident("derive"))
        else {
            return;
        };
        let list =
            attributes[place].parse_args_with(Punctuated::<Path, Token![,]>::parse_terminated);
        let Ok(mut list) = list else { return };
        let Some(prost) = list.iter().find(|path| path.segments[0].ident == "prost") else {
            return;
        };
        let kind = prost.segments.last().map(|last| last.ident.to_string());
        let told = told(&kind.unwrap_or_default());
        list.push(parse_quote!(::micro::Message));
        for path in &mut list {
            self.shorten(path);
        }
        attributes[place] = parse_quote!(#[derive(#list)]);
        if let Some(told) = told {
            attributes.insert(place + 1, told);
        }
    }

    fn shorten(&self, path: &mut Path) {
        if path.leading_colon.is_none() {
            return;
        }
        let names: Vec<_> = path
            .segments
            .iter()
            .map(|segment| segment.ident.to_string())
            .collect();
        let text = names.join("::");
        let last = path.segments.len() - 1;
        if PRELUDE.contains(&text.as_str()) && self.free(&names[last]) {
            let segment = path.segments[last].clone();
            path.segments = Punctuated::from_iter([segment]);
            path.leading_colon = None;
        } else if text == "prost::alloc::collections::BTreeMap" && self.free("std") {
            let segment: PathSegment = path.segments[last].clone();
            *path = parse_quote!(std::collections::#segment);
        } else if CRATES.contains(&names[0].as_str()) && self.free(&names[0]) {
            path.leading_colon = None;
        }
    }
}

impl VisitMut for Polish {
    fn visit_path_mut(&mut self, path: &mut Path) {
        visit_mut::visit_path_mut(self, path);
        self.shorten(path);
    }

    fn visit_item_mod_mut(&mut self, module: &mut ItemMod) {
        self.path.push(module.ident.to_string());
        visit_mut::visit_item_mod_mut(self, module);
        self.path.pop();
    }

    fn visit_item_impl_mut(&mut self, item: &mut ItemImpl) {
        if let Type::Path(path) = &*item.self_ty
            && let Some(ident) = path.path.get_ident()
        {
            let key = [&self.path[..], &[ident.to_string()]].concat().join("::");
            self.others = self.aliases.remove(&key).unwrap_or_default();
        }
        visit_mut::visit_item_impl_mut(self, item);
        self.others.clear();
    }

    /// The names that `from_str_name` accepts for a value.
    fn visit_arm_mut(&mut self, arm: &mut Arm) {
        if let Pat::Lit(ExprLit {
            lit: Lit::Str(name),
            ..
        }) = &arm.pat
        {
            let name = name.value();
            let all = self.others.iter().filter(|other| other.first == name);
            let all: Vec<_> = all.map(|other| &other.name).collect();
            if !all.is_empty() {
                arm.pat = parse_quote!(#name #(| #all)*);
            }
        }
        visit_mut::visit_arm_mut(self, arm);
    }

    fn visit_item_struct_mut(&mut self, item: &mut ItemStruct) {
        let empty = item.fields.is_empty();
        self.message(&mut item.attrs, |_| {
            empty.then(|| parse_quote!(#[message(prost)]))
        });
        visit_mut::visit_item_struct_mut(self, item);
    }

    fn visit_item_enum_mut(&mut self, item: &mut ItemEnum) {
        self.message(&mut item.attrs, |kind| {
            (kind == "Enumeration").then(|| parse_quote!(#[message(prost, named)]))
        });
        visit_mut::visit_item_enum_mut(self, item);
    }
}

/// Puts an empty line between items.
fn spaced(code: &str) -> String {
    let mut text = String::with_capacity(code.len() + code.len() / 16);
    let mut before = "";
    for line in code.lines() {
        let ends = matches!(before.trim_start(), "}") || before.ends_with(';');
        let begins =
            !matches!(line.trim_start(), "}" | "") && indentation(line) == indentation(before);
        if ends && begins {
            text.push('\n');
        }
        text.push_str(line);
        text.push('\n');
        before = line;
    }
    text
}

fn indentation(line: &str) -> usize {
    line.len() - line.trim_start().len()
}
