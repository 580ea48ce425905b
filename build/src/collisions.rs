//! Finds names that differ in a `.proto` and are equal in Rust, before code is generated.

use std::collections::{BTreeMap, btree_map::Entry};

use prost_build::Module;
use prost_types::{
    DescriptorProto, EnumDescriptorProto, FileDescriptorProto, FileDescriptorSet,
    ServiceDescriptorProto, field_descriptor_proto::Type,
};

use crate::{
    Error,
    names::Traits,
    rust::{self, full_name, is_map_entry, is_repeated, oneof_index, snake, upper_camel},
};

/// An error for each name that has no valid form in Rust, or that of another name, with its position.
pub(crate) fn check(
    set: &FileDescriptorSet,
    traits: &Traits,
    generated: impl Fn(&FileDescriptorProto, &str) -> bool,
) -> Result<(), Error> {
    let mut names = Names::default();
    for file in &set.file {
        let scope = rust::scope(file.package());
        let module = Module::from_protobuf_package_name(file.package());
        let module: Vec<String> = module.parts().map(str::to_owned).collect();
        let mut place = Place {
            file,
            path: Vec::new(),
        };
        for (index, message) in file.message_type.iter().enumerate() {
            let full = full_name(&scope, message.name());
            if generated(file, &full) {
                place.within(4, index, |place| {
                    names.message(place, &module, &scope, message)
                });
            }
        }
        for (index, one) in file.enum_type.iter().enumerate() {
            let full = full_name(&scope, one.name());
            if generated(file, &full) {
                place.within(5, index, |place| {
                    names.enumeration(place, &module, &scope, one)
                });
            }
        }
        for (index, service) in file.service.iter().enumerate() {
            let name = traits.name(file.package(), service.name());
            place.within(6, index, |place| {
                names.service(place, &module, &scope, service, &name);
            });
        }
    }
    match names.wrong.is_empty() {
        true => Ok(()),
        false => Err(Error::new(names.wrong.join("\n"))),
    }
}

/// The position of a descriptor.
struct Place<'a> {
    file: &'a FileDescriptorProto,
    path: Vec<i32>,
}

impl Place<'_> {
    fn within(&mut self, field: i32, index: usize, check: impl FnOnce(&mut Self)) {
        self.path
            .extend([field, i32::try_from(index).unwrap_or(i32::MAX)]);
        check(self);
        self.path.truncate(self.path.len() - 2);
    }

    /// The file, and the line if it is known.
    fn text(&self) -> String {
        let info = self.file.source_code_info.as_ref();
        let mut locations = info.into_iter().flat_map(|info| &info.location);
        let location = locations.find(|location| location.path == self.path);
        match location.and_then(|location| location.span.first()) {
            Some(line) => format!("{}:{}", self.file.name(), line + 1),
            None => self.file.name().to_owned(),
        }
    }
}

#[derive(Default)]
struct Names {
    /// The named items, by their scope in Rust and their name.
    taken: BTreeMap<(String, String), String>,
    wrong: Vec<String>,
}

impl Names {
    /// Adds a name to a scope, for `what`.
    fn take(&mut self, place: &Place<'_>, scope: &str, name: &str, what: &str) {
        let what = format!("{what} ({})", place.text());
        let bare = name.trim_start_matches("r#");
        if bare.is_empty() {
            let text = format!("{what} has no name in Rust, which drops underscores; rename it");
            self.wrong.push(text);
            return;
        }
        match self.taken.entry((scope.to_owned(), bare.to_owned())) {
            Entry::Vacant(entry) => {
                entry.insert(what);
            }
            Entry::Occupied(entry) => {
                let path = match scope {
                    "" => bare.to_owned(),
                    scope => format!("{scope}::{bare}"),
                };
                let text = format!(
                    "{} and {what} are both `{path}` in Rust; rename one",
                    entry.get()
                );
                self.wrong.push(text);
            }
        }
    }

    fn message(
        &mut self,
        place: &mut Place<'_>,
        module: &[String],
        scope: &str,
        message: &DescriptorProto,
    ) {
        let full = full_name(scope, message.name());
        let shown = &full[1..];
        let name = upper_camel(message.name());
        self.take(
            place,
            &module.join("::"),
            &name,
            &format!("message `{shown}`"),
        );
        let mut inner = module.to_vec();
        inner.push(snake(message.name()));
        let own = within(module, &name);
        self.fields(place, message, &full, &own, &inner.join("::"));
        for (index, nested) in message.nested_type.iter().enumerate() {
            if !is_map_entry(nested) {
                place.within(3, index, |place| self.message(place, &inner, &full, nested));
            }
        }
        for (index, one) in message.enum_type.iter().enumerate() {
            place.within(4, index, |place| {
                self.enumeration(place, &inner, &full, one)
            });
        }
    }

    /// The fields of a message: `own` is its type, `inner` its module.
    fn fields(
        &mut self,
        place: &mut Place<'_>,
        message: &DescriptorProto,
        full: &str,
        own: &str,
        inner: &str,
    ) {
        let used = |index| {
            message
                .field
                .iter()
                .any(|field| oneof_index(field) == Some(index))
        };
        for (index, oneof) in message.oneof_decl.iter().enumerate() {
            if used(index) {
                let what = format!("oneof `{}.{}`", &full[1..], oneof.name());
                place.within(8, index, |place| {
                    self.take(place, own, &snake(oneof.name()), &what);
                    self.take(place, inner, &rust::oneof(message, oneof.name()), &what);
                });
            }
        }
        for (index, field) in message.field.iter().enumerate() {
            let what = format!("field `{}.{}`", &full[1..], field.name());
            let oneof = oneof_index(field).and_then(|index| message.oneof_decl.get(index));
            place.within(2, index, |place| match oneof {
                Some(oneof) => {
                    let scope = format!("{inner}::{}", rust::oneof(message, oneof.name()));
                    self.take(place, &scope, &upper_camel(field.name()), &what);
                }
                None => {
                    let name = snake(field.name());
                    self.take(place, own, &name, &what);
                    // What prost generates in addition to the field.
                    let name = name.trim_start_matches("r#");
                    if field.r#type() == Type::Enum {
                        let second = if is_repeated(field) { "push" } else { "set" };
                        let methods = format!("fn {own}");
                        self.take(place, &methods, name, &what);
                        self.take(place, &methods, &format!("{second}_{name}"), &what);
                    }
                }
            });
        }
    }

    fn enumeration(
        &mut self,
        place: &mut Place<'_>,
        module: &[String],
        scope: &str,
        one: &EnumDescriptorProto,
    ) {
        let full = full_name(scope, one.name());
        let name = upper_camel(one.name());
        self.take(
            place,
            &module.join("::"),
            &name,
            &format!("enum `{}`", &full[1..]),
        );
        let own = within(module, &name);
        let mut numbers = std::collections::BTreeSet::new();
        for (index, value) in one.value.iter().enumerate() {
            // Other names of a number are not variants.
            if numbers.insert(value.number()) {
                let what = format!("value `{}` of enum `{}`", value.name(), &full[1..]);
                let variant = rust::variant(one.name(), value.name());
                place.within(2, index, |place| self.take(place, &own, &variant, &what));
            }
        }
    }

    fn service(
        &mut self,
        place: &mut Place<'_>,
        module: &[String],
        scope: &str,
        service: &ServiceDescriptorProto,
        name: &str,
    ) {
        let full = full_name(scope, service.name());
        let what = format!("service `{}`", &full[1..]);
        let own = within(module, name);
        let module = module.join("::");
        self.take(place, &module, name, &what);
        for beside in ["Server", "Client"] {
            let what = format!("the {} of {what}", beside.to_lowercase());
            self.take(place, &module, &format!("{name}{beside}"), &what);
        }
        for (index, method) in service.method.iter().enumerate() {
            let what = format!("rpc `{}.{}`", &full[1..], method.name());
            let name = rust::method(method.name());
            place.within(2, index, |place| self.take(place, &own, &name, &what));
        }
    }
}

/// The path of a name in a module.
fn within(module: &[String], name: &str) -> String {
    let parts = module.iter().map(String::as_str).chain([name]);
    parts.collect::<Vec<_>>().join("::")
}
