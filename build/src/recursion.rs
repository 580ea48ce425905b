//! Boxes fields of recursive messages, since a Rust type cannot contain itself.
//!
//! prost boxes them, too, but misses cycles through groups.

use std::collections::{BTreeMap, BTreeSet};

use prost_build::Config;
use prost_types::{DescriptorProto, FileDescriptorSet, field_descriptor_proto::Type};

use crate::rust::{full_name, is_repeated, oneof_index, scope};

/// A field, with the messages that it connects.
struct Edge {
    path: String,
    from: String,
    to: String,
}

/// Boxes the fields that need it.
pub(crate) fn tell(set: &FileDescriptorSet, config: &mut Config) {
    let mut edges = Vec::new();
    let mut has_group = false;
    for file in &set.file {
        let scope = scope(file.package());
        for message in &file.message_type {
            note(message, &scope, &mut edges, &mut has_group);
        }
    }
    if !has_group {
        return;
    }
    let mut ways: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for edge in &edges {
        ways.entry(&edge.from).or_default().push(&edge.to);
    }
    for edge in &edges {
        if leads(&ways, &edge.to, &edge.from) {
            config.boxed(&edge.path);
        }
    }
}

fn note(message: &DescriptorProto, scope: &str, edges: &mut Vec<Edge>, has_group: &mut bool) {
    let scope = full_name(scope, message.name());
    for field in &message.field {
        if !matches!(field.r#type(), Type::Message | Type::Group) || is_repeated(field) {
            continue;
        }
        *has_group |= field.r#type() == Type::Group;
        let oneof = oneof_index(field).and_then(|index| message.oneof_decl.get(index));
        let path = match oneof {
            Some(oneof) => format!("{scope}.{}.{}", oneof.name(), field.name()),
            None => format!("{scope}.{}", field.name()),
        };
        edges.push(Edge {
            path,
            from: scope.clone(),
            to: field.type_name().to_owned(),
        });
    }
    for nested in &message.nested_type {
        note(nested, &scope, edges, has_group);
    }
}

fn leads(ways: &BTreeMap<&str, Vec<&str>>, from: &str, to: &str) -> bool {
    let mut seen = BTreeSet::new();
    let mut next = vec![from];
    while let Some(place) = next.pop() {
        if place == to {
            return true;
        }
        if seen.insert(place)
            && let Some((_, on)) = ways.get_key_value(place)
        {
            next.extend(on);
        }
    }
    false
}
