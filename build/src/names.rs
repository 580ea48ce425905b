//! Names that differ between Rust and the `.proto`, as attributes for the derive.
//!
//! The derive computes a field's names from the Rust field: `display_name` is that in the `.proto`, `displayName`
//! that in JSON. If prost spells a field differently, or a file has a `json_name`, an attribute is needed.

use std::collections::{BTreeMap, BTreeSet};

use heck::{ToSnakeCase, ToUpperCamelCase};
use prost_build::{Config, Module};
use prost_types::{DescriptorProto, FieldDescriptorProto, FileDescriptorSet};

use crate::{
    prepare::Prepared,
    rust::{self, oneof_index, scope},
};

/// Adds `#[message(…)]` to the fields that need it.
pub(crate) fn tell(prepared: &Prepared, config: &mut Config) {
    for file in &prepared.set.file {
        let scope = scope(file.package());
        for message in &file.message_type {
            of_message(message, &scope, &prepared.attributes, config);
        }
    }
}

fn of_message(
    message: &DescriptorProto,
    scope: &str,
    given: &BTreeMap<String, String>,
    config: &mut Config,
) {
    let scope = format!("{scope}.{}", message.name());
    for field in &message.field {
        let name = field.name();
        let (path, plain) = match oneof(message, field) {
            Some(oneof) => (format!("{scope}.{oneof}.{name}"), of_variant(name)),
            None => (format!("{scope}.{name}"), of_field(name)),
        };
        if let Some(attribute) = given.get(&path) {
            config.field_attribute(path, attribute);
        } else if let Some(attribute) = attribute(name, field.json_name(), &plain) {
            config.field_attribute(path, attribute);
        }
    }
    for nested in &message.nested_type {
        of_message(nested, &scope, given, config);
    }
}

/// The oneof of a field, unless it exists for an `optional`.
fn oneof<'a>(message: &'a DescriptorProto, field: &FieldDescriptorProto) -> Option<&'a str> {
    let oneof = message.oneof_decl.get(oneof_index(field)?)?;
    Some(oneof.name())
}

/// The name of a field in the `.proto`, as the derive computes it.
fn of_field(name: &str) -> String {
    let name = name.to_snake_case();
    match name.as_str() {
        "" | "_" | "super" | "self" | "extern" | "crate" => format!("{name}_"),
        name if name.starts_with(char::is_numeric) => format!("_{name}"),
        _ => name,
    }
}

/// The name of a oneof's variant in the `.proto`, as the derive computes it.
fn of_variant(name: &str) -> String {
    let mut snake = String::new();
    for letter in name.to_upper_camel_case().chars() {
        if !snake.is_empty() && letter.is_uppercase() {
            snake.push('_');
        }
        snake.extend(letter.to_lowercase());
    }
    snake
}

fn attribute(name: &str, json: &str, plain: &str) -> Option<String> {
    let original = (plain != name && json != name).then(|| format!("original = {name:?}"));
    let known = if original.is_some() { name } else { plain };
    let json = (lower_camel(known) != json).then(|| format!("name = {json:?}"));
    let options: Vec<_> = original.into_iter().chain(json).collect();
    (!options.is_empty()).then(|| format!("#[message({})]", options.join(", ")))
}

/// As in the derive.
fn lower_camel(snake: &str) -> String {
    let mut words = snake.split('_').filter(|word| !word.is_empty());
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |name, word| name + &capitalized(word))
}

/// The endpoint's name that `#[micro::service]` computes from a method's.
pub(crate) fn upper_camel(snake: &str) -> String {
    snake.split('_').map(capitalized).collect()
}

/// The names of services' traits, by package and service.
///
/// A trait has the service's name, and so have its server and client, with a suffix. If the package has types with
/// one of these names already, `Service` is appended: `GameService`.
#[derive(Default)]
pub(crate) struct Traits(BTreeMap<(String, String), String>);

impl Traits {
    pub(crate) fn of(set: &FileDescriptorSet) -> Self {
        let mut taken: BTreeSet<(Module, String)> = BTreeSet::new();
        for file in &set.file {
            let module = Module::from_protobuf_package_name(file.package());
            let messages = file.message_type.iter().map(|message| message.name());
            let enums = file.enum_type.iter().map(|one| one.name());
            let services = file.service.iter().map(|service| service.name());
            let names = messages.chain(enums).chain(services);
            taken.extend(names.map(|name| (module.clone(), rust::upper_camel(name))));
        }
        let mut traits = Traits::default();
        for file in &set.file {
            let module = Module::from_protobuf_package_name(file.package());
            for service in &file.service {
                let plain = rust::upper_camel(service.name());
                let beside = ["Server", "Client"].map(|ending| format!("{plain}{ending}"));
                let is_taken = beside
                    .into_iter()
                    .any(|name| taken.contains(&(module.clone(), name)));
                if is_taken {
                    let key = (file.package().to_owned(), service.name().to_owned());
                    traits.0.insert(key, format!("{plain}Service"));
                }
            }
        }
        traits
    }

    pub(crate) fn name(&self, package: &str, service: &str) -> String {
        let key = (package.to_owned(), service.to_owned());
        let other = self.0.get(&key).cloned();
        other.unwrap_or_else(|| rust::upper_camel(service))
    }
}

fn capitalized(word: &str) -> String {
    let mut letters = word.chars();
    match letters.next() {
        Some(first) => first.to_uppercase().chain(letters).collect(),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_that_the_derive_cannot_compute_have_attributes() {
        for (name, json, told) in [
            ("display_name", "displayName", None),
            ("fooBar", "fooBar", None),
            ("type", "type", None),
            ("self", "self", None),
            ("URL", "URL", Some("name = \"URL\"")),
            ("display_name", "shown", Some("name = \"shown\"")),
            ("foo__bar", "fooBar", Some("original = \"foo__bar\"")),
            ("_id", "Id", Some("original = \"_id\", name = \"Id\"")),
        ] {
            let expected = told.map(|told| format!("#[message({told})]"));
            assert_eq!(attribute(name, json, &of_field(name)), expected, "{name}");
        }
        let line = attribute("line_1", "line1", &of_variant("line_1"));
        assert_eq!(line.as_deref(), Some("#[message(original = \"line_1\")]"));
        assert_eq!(
            attribute("big_text", "bigText", &of_variant("big_text")),
            None
        );
    }
}
