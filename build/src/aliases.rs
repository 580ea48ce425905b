//! Enumeration values with several names: all names are read, the first is written.

use std::collections::BTreeMap;

use prost_build::Module;
use prost_types::{DescriptorProto, EnumDescriptorProto, FileDescriptorSet};

use crate::rust::{snake, upper_camel};

/// The other names of enumeration values, by the path of the enumeration in its package's code.
pub(crate) type Aliases = BTreeMap<String, Vec<Alias>>;

/// Another name of a value.
#[derive(Debug, PartialEq)]
pub(crate) struct Alias {
    /// The name that is written.
    pub(crate) first: String,
    pub(crate) name: String,
}

/// The aliases in a package.
pub(crate) fn of(set: &FileDescriptorSet, module: &Module) -> Aliases {
    let mut all = Aliases::new();
    let files = set
        .file
        .iter()
        .filter(|file| Module::from_protobuf_package_name(file.package()) == *module);
    for file in files {
        of_enums(&file.enum_type, "", &mut all);
        for message in &file.message_type {
            of_message(message, "", &mut all);
        }
    }
    all
}

fn of_message(message: &DescriptorProto, scope: &str, all: &mut Aliases) {
    let scope = format!("{scope}{}::", snake(message.name()));
    of_enums(&message.enum_type, &scope, all);
    for nested in &message.nested_type {
        of_message(nested, &scope, all);
    }
}

fn of_enums(enums: &[EnumDescriptorProto], scope: &str, all: &mut Aliases) {
    for one in enums {
        let mut first_names: BTreeMap<i32, &str> = BTreeMap::new();
        let mut aliases = Vec::new();
        for value in &one.value {
            let first = *first_names
                .entry(value.number())
                .or_insert_with(|| value.name());
            if first != value.name() {
                aliases.push(Alias {
                    first: first.to_owned(),
                    name: value.name().to_owned(),
                });
            }
        }
        if !aliases.is_empty() {
            all.insert(format!("{scope}{}", upper_camel(one.name())), aliases);
        }
    }
}
