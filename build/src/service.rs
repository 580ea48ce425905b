//! Generates the traits for `#[micro::service]`.

use std::fmt::Write;

use prost_build::{Method, Service, ServiceGenerator};
use prost_types::method_options::IdempotencyLevel;

use crate::{
    names::{Traits as TraitNames, upper_camel},
    rust,
};

/// Generates a trait for each service.
pub(crate) struct Traits {
    /// Whether the module has a constant with the descriptors.
    pub(crate) descriptors: bool,
    pub(crate) names: TraitNames,
}

impl ServiceGenerator for Traits {
    fn generate(&mut self, service: Service, text: &mut String) {
        service.comments.append_with_indent(0, text);
        let trait_name = self.names.name(&service.package, &service.proto_name);
        let name =
            (trait_name != service.proto_name).then(|| format!("name = {:?}", service.proto_name));
        let package = Some(format!("package = {:?}", service.package));
        let descriptors = self
            .descriptors
            .then(|| "descriptors = FILE_DESCRIPTOR_SET".to_owned());
        let options: Vec<_> = [name, package, descriptors].into_iter().flatten().collect();
        write(
            text,
            format_args!("#[::micro::service({})]\n", options.join(", ")),
        );
        if service.options.deprecated() {
            text.push_str("#[deprecated]\n");
        }
        write(text, format_args!("pub trait {trait_name} {{\n"));
        for method in &service.methods {
            self::method(method, text);
        }
        text.push_str("}\n");
    }
}

fn method(method: &Method, text: &mut String) {
    method.comments.append_with_indent(1, text);
    text.push_str(match method.options.idempotency_level() {
        IdempotencyLevel::IdempotencyUnknown => "",
        IdempotencyLevel::Idempotent => "#[idempotent]\n",
        IdempotencyLevel::NoSideEffects => "#[read_only]\n",
    });
    let name = rust::method(&method.proto_name);
    if upper_camel(name.trim_start_matches("r#")) != method.proto_name {
        write(text, format_args!("#[name = {:?}]\n", method.proto_name));
    }
    let request = payload(&method.input_type, method.client_streaming);
    let response = payload(&method.output_type, method.server_streaming);
    write(
        text,
        format_args!(
            "async fn {name}(&self, cx: ::micro::Context, request: {request}) -> ::micro::Result<{response}>;\n"
        ),
    );
}

fn payload(message: &str, streaming: bool) -> String {
    match streaming {
        true => format!("::micro::Streaming<{message}>"),
        false => message.to_owned(),
    }
}

fn write(text: &mut String, what: std::fmt::Arguments<'_>) {
    text.write_fmt(what)
        .expect("a string takes all that is written");
}
