//! An index of `.proto` files by name, symbol and extension.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use prost::Message;
use prost_types::{
    DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorProto,
};

use super::own;
use crate::call::Listing;

/// A `google.protobuf.FileDescriptorSet` whose files stay encoded.
#[derive(Clone, PartialEq, Message)]
struct DescriptorSet {
    #[prost(bytes = "bytes", repeated, tag = "1")]
    files: Vec<Bytes>,
}

/// Files by name, symbol and extension.
#[derive(Debug, Default)]
pub(crate) struct DescriptorIndex {
    /// By name: the encoded file and its imports.
    files: BTreeMap<String, (Bytes, Vec<String>)>,
    /// By fully qualified symbol: the name of the file.
    symbols: BTreeMap<String, String>,
    /// By extended type and field number: the name of the file.
    extensions: BTreeMap<(String, i32), String>,
    services: BTreeSet<String>,
}

impl DescriptorIndex {
    /// Indexes the descriptors of a server, and those of health and reflection.
    pub(super) fn new(listing: Listing) -> Self {
        let mut files = DescriptorIndex::default();
        for file in own::files() {
            let bytes = file.encode_to_vec().into();
            files.add(file, bytes);
        }
        for set in &listing.descriptors {
            match DescriptorSet::decode(*set) {
                Ok(set) => set.files.into_iter().for_each(|bytes| files.read(bytes)),
                Err(error) => tracing::warn!(%error, "a router has invalid descriptors"),
            }
        }
        // Endpoints without descriptors are listed too, except for `Debug.*`.
        for endpoint in &listing.endpoints {
            let kind = endpoint.split('.').next().unwrap_or_default();
            let dotted = format!(".{kind}");
            let described = |name: &String| name == kind || name.ends_with(&dotted);
            if kind != "Debug" && !files.services.iter().any(described) {
                files.services.insert(format!("{}.{kind}", listing.service));
            }
        }
        files
    }

    fn read(&mut self, bytes: Bytes) {
        match FileDescriptorProto::decode(&*bytes) {
            Ok(file) => self.add(file, bytes),
            Err(error) => tracing::warn!(%error, "a router has invalid descriptors"),
        }
    }

    fn add(&mut self, file: FileDescriptorProto, bytes: Bytes) {
        let name = file.name().to_owned();
        if self.files.contains_key(&name) {
            return;
        }
        let package = file.package();
        for service in &file.service {
            let service_name = joined(package, service.name());
            for method in &service.method {
                self.symbol(joined(&service_name, method.name()), &name);
            }
            self.symbol(service_name.clone(), &name);
            self.services.insert(service_name);
        }
        file.message_type
            .iter()
            .for_each(|message| self.message(package, message, &name));
        file.enum_type
            .iter()
            .for_each(|enumeration| self.enumeration(package, enumeration, &name));
        file.extension
            .iter()
            .for_each(|extension| self.extends(package, extension, &name));
        self.files.insert(name, (bytes, file.dependency));
    }

    fn symbol(&mut self, symbol: String, file: &str) {
        self.symbols.insert(symbol, file.to_owned());
    }

    fn message(&mut self, scope: &str, message: &DescriptorProto, file: &str) {
        let name = joined(scope, message.name());
        for field in &message.field {
            self.symbol(joined(&name, field.name()), file);
        }
        for oneof in &message.oneof_decl {
            self.symbol(joined(&name, oneof.name()), file);
        }
        for nested in &message.nested_type {
            self.message(&name, nested, file);
        }
        for enumeration in &message.enum_type {
            self.enumeration(&name, enumeration, file);
        }
        for extension in &message.extension {
            self.extends(&name, extension, file);
        }
        self.symbol(name, file);
    }

    fn enumeration(&mut self, scope: &str, enumeration: &EnumDescriptorProto, file: &str) {
        // In Protobuf, enum values belong to the scope of the enum.
        for value in &enumeration.value {
            self.symbol(joined(scope, value.name()), file);
        }
        self.symbol(joined(scope, enumeration.name()), file);
    }

    fn extends(&mut self, scope: &str, extension: &FieldDescriptorProto, file: &str) {
        let of = extension.extendee().trim_start_matches('.').to_owned();
        self.extensions
            .insert((of, extension.number()), file.to_owned());
        self.symbol(joined(scope, extension.name()), file);
    }

    /// The names of all services.
    pub(super) fn services(&self) -> Vec<String> {
        self.services.iter().cloned().collect()
    }

    /// A file, followed by all files that it imports.
    pub(super) fn named(&self, name: &str) -> Option<Vec<Bytes>> {
        let mut wanted = vec![name];
        let mut found = Vec::new();
        let mut next = 0;
        while let Some(name) = wanted.get(next) {
            next += 1;
            let Some((bytes, imports)) = self.files.get(*name) else {
                continue;
            };
            found.push(bytes.clone());
            for import in imports {
                if !wanted.contains(&&**import) {
                    wanted.push(import);
                }
            }
        }
        (!found.is_empty()).then_some(found)
    }

    /// The file that defines a symbol.
    pub(super) fn containing(&self, symbol: &str) -> Option<Vec<Bytes>> {
        let symbol = symbol.trim_start_matches('.');
        self.named(self.symbols.get(symbol)?)
    }

    /// The file with the extension of a type with a field number.
    pub(super) fn extension(&self, of: &str, number: i32) -> Option<Vec<Bytes>> {
        self.named(self.extensions.get(&(of.to_owned(), number))?)
    }

    /// The field numbers of all extensions of a type.
    pub(super) fn extensions(&self, of: &str) -> Vec<i32> {
        let numbers = self.extensions.keys().filter(|(base, _)| base == of);
        numbers.map(|(_, number)| *number).collect()
    }
}

/// Joins a scope, which may be empty, and a name.
fn joined(scope: &str, name: &str) -> String {
    match scope {
        "" => name.to_owned(),
        scope => format!("{scope}.{name}"),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may end in a panic")]
mod tests {
    use super::*;

    #[test]
    fn health_and_reflection_have_descriptors() {
        let files = DescriptorIndex::new(Listing::default());
        let names = [
            "grpc.health.v1.Health",
            "grpc.reflection.v1.ServerReflection",
            "grpc.reflection.v1alpha.ServerReflection",
        ];
        assert_eq!(files.services(), names);
        for name in names {
            let found = files.containing(name).unwrap();
            let file = FileDescriptorProto::decode(&*found[0]).unwrap();
            assert!(name.starts_with(file.package()), "{name}");
            assert_eq!(files.named(file.name()).unwrap(), found);
        }
        assert!(files.containing("grpc.health.v1.Health.Watch").is_some());
        assert!(files.containing("grpc.health.v1.Nothing").is_none());
    }

    #[test]
    fn file_includes_imports_and_service_without_file_is_listed() {
        let file = |name: &str, imports: &[&str]| FileDescriptorProto {
            name: Some(name.to_owned()),
            dependency: imports.iter().map(|import| (*import).to_owned()).collect(),
            message_type: vec![DescriptorProto {
                name: Some(format!("In{}", &name[..1])),
                ..DescriptorProto::default()
            }],
            ..FileDescriptorProto::default()
        };
        let all = [
            file("a", &["b", "c"]),
            file("b", &["a", "c"]),
            file("c", &[]),
        ];
        let set = DescriptorSet {
            files: all.iter().map(|file| file.encode_to_vec().into()).collect(),
        };
        let listing = Listing {
            service: "shop".to_owned(),
            endpoints: vec!["Orders.Place".into(), "Debug.Health".into()],
            descriptors: vec![set.encode_to_vec().leak()],
            ..Listing::default()
        };
        let files = DescriptorIndex::new(listing);
        assert_eq!(files.containing("Ina").unwrap().len(), 3);
        assert_eq!(files.containing(".Inc").unwrap().len(), 1);
        assert!(files.services().contains(&"shop.Orders".to_owned()));
    }
}
