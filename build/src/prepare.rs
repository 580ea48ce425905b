//! Changes descriptors so that prost generates valid code.

use std::collections::{BTreeMap, HashMap};

use prost_types::{
    DescriptorProto, EnumDescriptorProto, FileDescriptorSet, field_descriptor_proto::Type,
};

use crate::rust::{full_name, oneof_index, scope, snake};

/// The descriptors, and the attributes of renamed fields.
pub(crate) struct Prepared {
    pub(crate) set: FileDescriptorSet,
    /// By the path of the field.
    pub(crate) attributes: BTreeMap<String, String>,
}

/// Renames fields and oneofs that consist of underscores, and changes defaults to the first name of an enumeration's
/// number, which is the only one with a variant.
pub(crate) fn prepare(set: &FileDescriptorSet) -> Prepared {
    let mut enums = HashMap::new();
    for file in &set.file {
        let scope = scope(file.package());
        note_enums(&file.enum_type, &scope, &mut enums);
        for message in &file.message_type {
            note_enums_of(message, &scope, &mut enums);
        }
    }
    let mut prepared = Prepared {
        set: set.clone(),
        attributes: BTreeMap::new(),
    };
    for file in &mut prepared.set.file {
        let scope = scope(file.package());
        for message in &mut file.message_type {
            change(message, &scope, &enums, &mut prepared.attributes);
        }
    }
    prepared
}

/// For each enumeration, the first name of each number, by all its names.
type FirstNames = HashMap<String, HashMap<String, String>>;

fn note_enums(enums: &[EnumDescriptorProto], scope: &str, all: &mut FirstNames) {
    for one in enums {
        let mut by_number = HashMap::new();
        let mut first = HashMap::new();
        for value in &one.value {
            let name: &mut String = by_number
                .entry(value.number())
                .or_insert_with(|| value.name().to_owned());
            first.insert(value.name().to_owned(), name.clone());
        }
        all.insert(full_name(scope, one.name()), first);
    }
}

fn note_enums_of(message: &DescriptorProto, scope: &str, all: &mut FirstNames) {
    let scope = full_name(scope, message.name());
    note_enums(&message.enum_type, &scope, all);
    for nested in &message.nested_type {
        note_enums_of(nested, &scope, all);
    }
}

fn change(
    message: &mut DescriptorProto,
    scope: &str,
    enums: &FirstNames,
    attributes: &mut BTreeMap<String, String>,
) {
    let scope = full_name(scope, message.name());
    for (index, oneof) in message.oneof_decl.iter_mut().enumerate() {
        if snake(oneof.name()).is_empty() {
            oneof.name = Some(format!("underscore_{index}"));
        }
    }
    for field in &mut message.field {
        if field.r#type() == Type::Enum
            && let Some(default) = field.default_value.as_mut()
            && let Some(first) = enums
                .get(field.type_name.as_deref().unwrap_or_default())
                .and_then(|names| names.get(default.as_str()))
        {
            default.clone_from(first);
        }
        if snake(field.name()).is_empty() {
            let attribute = format!(
                "#[message(original = {:?}, name = {:?})]",
                field.name(),
                field.json_name()
            );
            let name = format!("underscore_{}", field.number());
            let oneof = oneof_index(field).and_then(|index| message.oneof_decl.get(index));
            let path = match oneof {
                Some(oneof) => format!("{scope}.{}.{name}", oneof.name()),
                None => format!("{scope}.{name}"),
            };
            attributes.insert(path, attribute);
            field.name = Some(name);
        }
    }
    for nested in &mut message.nested_type {
        change(nested, &scope, enums, attributes);
    }
}
