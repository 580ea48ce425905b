//! Decides which of Protobuf's own types come from `prost-types`, and which are generated.
//!
//! Well-known types have a JSON form of their own, which Micro implements for those of `prost-types`. The others are
//! plain messages: descriptors, `Api`, `Type`, `SourceContext`. Where a contract has a field of one,
//! its file is generated like any other, since the types of `prost-types` have no JSON form.

use std::collections::BTreeSet;

use prost_types::{
    DescriptorProto, FileDescriptorProto, FileDescriptorSet, field_descriptor_proto::Type,
};

use crate::rust::{full_name, scope, upper_camel};

const SCOPE: &str = ".google.protobuf";

/// Well-known types, and their Rust types.
const KNOWN: [(&str, &str); 18] = [
    ("Any", "::prost_types::Any"),
    ("BoolValue", "bool"),
    ("BytesValue", "::prost::alloc::vec::Vec<u8>"),
    ("DoubleValue", "f64"),
    ("Duration", "::prost_types::Duration"),
    ("Empty", "()"),
    ("FieldMask", "::prost_types::FieldMask"),
    ("FloatValue", "f32"),
    ("Int32Value", "i32"),
    ("Int64Value", "i64"),
    ("ListValue", "::prost_types::ListValue"),
    ("NullValue", "::prost_types::NullValue"),
    ("StringValue", "::prost::alloc::string::String"),
    ("Struct", "::prost_types::Struct"),
    ("Timestamp", "::prost_types::Timestamp"),
    ("UInt32Value", "u32"),
    ("UInt64Value", "u64"),
    ("Value", "::prost_types::Value"),
];

/// What is generated of Protobuf's own types.
pub(crate) struct Plan {
    /// The types that are not generated, and their Rust types; all of `google.protobuf` if empty.
    pub(crate) externs: Vec<(String, String)>,
    /// The files that are generated.
    files: BTreeSet<String>,
}

impl Plan {
    pub(crate) fn of(set: &FileDescriptorSet) -> Self {
        let files = wanted(set);
        if files.is_empty() {
            return Plan {
                externs: Vec::new(),
                files,
            };
        }
        let mut externs: Vec<_> = KNOWN
            .iter()
            .map(|(name, rust)| (full_name(SCOPE, name), (*rust).to_owned()))
            .collect();
        let others = set
            .file
            .iter()
            .filter(|file| is_protobufs(file) && !files.contains(file.name()));
        for file in others {
            let scope = scope(file.package());
            let module = scope[SCOPE.len()..].replace('.', "::");
            for name in names(file) {
                let full = full_name(&scope, name);
                if !is_known(&full) {
                    externs.push((
                        full,
                        format!("::prost_types{module}::{}", upper_camel(name)),
                    ));
                }
            }
        }
        Plan { externs, files }
    }

    /// Whether the types of a file are generated, except those in `externs`.
    pub(crate) fn generates(&self, file: &FileDescriptorProto) -> bool {
        !is_protobufs(file) || self.files.contains(file.name())
    }

    /// Whether prost needs a file: one of Protobuf's own only if a type of it is generated or well known.
    pub(crate) fn keeps(&self, file: &FileDescriptorProto) -> bool {
        let scope = scope(file.package());
        self.generates(file) || names(file).any(|name| is_known(&full_name(&scope, name)))
    }

    /// Whether no file of Protobuf's own is generated.
    pub(crate) fn is_empty(&self) -> bool {
        self.files.is_empty()
    }
}

fn is_protobufs(file: &FileDescriptorProto) -> bool {
    scope(file.package())
        .strip_prefix(SCOPE)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// Whether the type with a full name is well known.
fn is_known(name: &str) -> bool {
    let name = name
        .strip_prefix(SCOPE)
        .and_then(|name| name.strip_prefix('.'));
    KNOWN.iter().any(|(known, _)| Some(*known) == name)
}

/// Whether a type with a full name, or a type around it, is in a file.
fn has(file: &FileDescriptorProto, name: &str) -> bool {
    let scope = scope(file.package());
    names(file).any(|outermost| {
        let rest = name.strip_prefix(&full_name(&scope, outermost));
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    })
}

/// The names of a file's types.
fn names(file: &FileDescriptorProto) -> impl Iterator<Item = &str> {
    let enums = file.enum_type.iter().map(|one| one.name());
    file.message_type.iter().map(|one| one.name()).chain(enums)
}

/// The files of Protobuf's own with a message that a field or method of another file uses.
fn wanted(set: &FileDescriptorSet) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    // Importers follow their imports.
    for file in set.file.iter().rev() {
        if is_protobufs(file) && !found.contains(file.name()) {
            continue;
        }
        let mut types = Vec::new();
        for message in &file.message_type {
            messages(message, &mut types);
        }
        let methods = file.service.iter().flat_map(|service| &service.method);
        types.extend(methods.flat_map(|method| [method.input_type(), method.output_type()]));
        for name in types.into_iter().filter(|name| !is_known(name)) {
            let home = set
                .file
                .iter()
                .find(|file| is_protobufs(file) && has(file, name));
            found.extend(home.map(|home| home.name().to_owned()));
        }
    }
    found
}

/// The message types of a message's fields.
fn messages<'a>(message: &'a DescriptorProto, types: &mut Vec<&'a str>) {
    let fields = message.field.iter();
    let fields = fields.filter(|field| matches!(field.r#type(), Type::Message | Type::Group));
    types.extend(fields.map(|field| field.type_name()));
    for nested in &message.nested_type {
        messages(nested, types);
    }
}
