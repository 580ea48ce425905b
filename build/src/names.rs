//! Names that Rust has otherwise than the `.proto`, told to the derive by attributes.
//!
//! The derive makes a field's names of the Rust field's: `display_name` is that in the `.proto`, `displayName`
//! in JSON. Where prost spells a field otherwise, or a file gives a `json_name`, it must be told.

use heck::{ToSnakeCase, ToUpperCamelCase};
use prost_build::Config;
use prost_types::{DescriptorProto, FieldDescriptorProto, FileDescriptorSet};

/// Adds `#[message(…)]` to the fields that need it.
pub(crate) fn tell(set: &FileDescriptorSet, config: &mut Config) {
    for file in &set.file {
        let scope = match file.package() {
            "" => String::new(),
            package => format!(".{package}"),
        };
        for message in &file.message_type {
            of_message(message, &scope, config);
        }
    }
}

fn of_message(message: &DescriptorProto, scope: &str, config: &mut Config) {
    let scope = format!("{scope}.{}", message.name());
    for field in &message.field {
        let name = field.name();
        let (path, plain) = match oneof(message, field) {
            Some(oneof) => (format!("{scope}.{oneof}.{name}"), of_variant(name)),
            None => (format!("{scope}.{name}"), of_field(name)),
        };
        if let Some(attribute) = attribute(name, field.json_name(), &plain) {
            config.field_attribute(path, attribute);
        }
    }
    for nested in &message.nested_type {
        of_message(nested, &scope, config);
    }
}

/// The oneof that a field stands in, unless it is there for an `optional`.
fn oneof<'a>(message: &'a DescriptorProto, field: &FieldDescriptorProto) -> Option<&'a str> {
    if field.proto3_optional() {
        return None;
    }
    let index = usize::try_from(field.oneof_index?).ok()?;
    Some(message.oneof_decl.get(index)?.name())
}

/// What the derive takes for the name of a field in the `.proto`.
fn of_field(name: &str) -> String {
    let name = name.to_snake_case();
    match name.as_str() {
        "" | "_" | "super" | "self" | "extern" | "crate" => format!("{name}_"),
        name if name.starts_with(char::is_numeric) => format!("_{name}"),
        _ => name,
    }
}

/// What the derive takes for the name of a oneof's variant in the `.proto`.
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

/// As the derive has it.
fn lower_camel(snake: &str) -> String {
    let mut words = snake.split('_').filter(|word| !word.is_empty());
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |name, word| name + &capitalized(word))
}

/// The endpoint's name that `#[micro::service]` makes of a method's.
pub(crate) fn upper_camel(snake: &str) -> String {
    snake.split('_').map(capitalized).collect()
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
    fn only_what_the_derive_cannot_know_is_told() {
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
