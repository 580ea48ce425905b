//! The Rust names of a `.proto`'s names, as prost makes them.

use heck::ToUpperCamelCase;
use prost_build::Module;
use prost_types::{
    DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, field_descriptor_proto::Label,
};

/// The name of a field, method or module.
pub(crate) fn snake(name: &str) -> String {
    let module = Module::from_protobuf_package_name(name);
    module.parts().next().unwrap_or_default().to_owned()
}

/// The name of a type or variant.
pub(crate) fn upper_camel(name: &str) -> String {
    sanitized(name.to_upper_camel_case())
}

fn sanitized(name: String) -> String {
    match name.as_str() {
        "Self" => "Self_".to_owned(),
        digits if digits.starts_with(char::is_numeric) => format!("_{name}"),
        _ => name,
    }
}

/// The variant of an enumeration's value: without the enumeration's name, if that leaves a valid name.
pub(crate) fn variant(enumeration: &str, value: &str) -> String {
    let whole = upper_camel(value);
    let prefix = upper_camel(enumeration);
    match whole.strip_prefix(&prefix) {
        Some(rest) if rest.starts_with(char::is_uppercase) => sanitized(rest.to_owned()),
        _ => whole,
    }
}

/// The type of a oneof in its message.
pub(crate) fn oneof(message: &DescriptorProto, oneof: &str) -> String {
    let name = upper_camel(oneof);
    let messages = message.nested_type.iter().map(DescriptorProto::name);
    let enums = message.enum_type.iter().map(EnumDescriptorProto::name);
    match messages
        .chain(enums)
        .any(|other| upper_camel(other) == name)
    {
        true => format!("{name}OneOf"),
        false => name,
    }
}

/// The method of a service's trait; `new` is the constructor of a client.
pub(crate) fn method(name: &str) -> String {
    match snake(name).as_str() {
        "new" => "new_".to_owned(),
        name => name.to_owned(),
    }
}

/// The index of a field's oneof, unless it exists for an `optional`.
pub(crate) fn oneof_index(field: &FieldDescriptorProto) -> Option<usize> {
    match field.proto3_optional() {
        true => None,
        false => usize::try_from(field.oneof_index?).ok(),
    }
}

/// Whether a message represents the entries of a map.
pub(crate) fn is_map_entry(message: &DescriptorProto) -> bool {
    message
        .options
        .as_ref()
        .is_some_and(|options| options.map_entry())
}

/// Whether a message has a module for its nested types.
pub(crate) fn has_module(message: &DescriptorProto) -> bool {
    !message.enum_type.is_empty()
        || message
            .nested_type
            .iter()
            .any(|nested| !is_map_entry(nested))
        || message
            .field
            .iter()
            .any(|field| oneof_index(field).is_some())
}

/// Whether a field is `repeated`, which includes maps.
pub(crate) fn is_repeated(field: &FieldDescriptorProto) -> bool {
    field.label() == Label::Repeated
}

/// The full name of an item in a scope, with a leading dot.
pub(crate) fn full_name(scope: &str, name: &str) -> String {
    format!("{scope}.{name}")
}

/// The scope of a package: its name with a leading dot, or empty.
pub(crate) fn scope(package: &str) -> String {
    match package {
        "" => String::new(),
        package => format!(".{package}"),
    }
}
