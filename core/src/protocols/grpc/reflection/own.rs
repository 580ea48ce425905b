//! Descriptors of the services that every gRPC server has.

use prost_types::{
    DescriptorProto, EnumDescriptorProto, EnumValueDescriptorProto, FieldDescriptorProto,
    FileDescriptorProto, MethodDescriptorProto, OneofDescriptorProto, ServiceDescriptorProto,
    field_descriptor_proto::{Label, Type},
};

/// The files that define health and reflection.
pub(super) fn files() -> [FileDescriptorProto; 3] {
    [health(), reflection("v1"), reflection("v1alpha")]
}

fn health() -> FileDescriptorProto {
    const PACKAGE: &str = "grpc.health.v1";
    let mut told = message(
        "HealthCheckResponse",
        [field(
            "status",
            1,
            Kind::Enum(".grpc.health.v1.HealthCheckResponse.ServingStatus"),
        )],
    );
    let statuses = ["UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"];
    told.enum_type.push(EnumDescriptorProto {
        name: Some("ServingStatus".to_owned()),
        value: (0..)
            .zip(statuses)
            .map(|(number, name)| EnumValueDescriptorProto {
                name: Some(name.to_owned()),
                number: Some(number),
                options: None,
            })
            .collect(),
        ..EnumDescriptorProto::default()
    });
    let message_request = message("HealthCheckRequest", [field("service", 1, Kind::Text)]);
    let method = |name, server_streaming| MethodDescriptorProto {
        server_streaming: Some(server_streaming),
        ..method(PACKAGE, name, "HealthCheckRequest", "HealthCheckResponse")
    };
    let methods = vec![method("Check", false), method("Watch", true)];
    file(
        PACKAGE,
        "health",
        vec![message_request, told],
        "Health",
        methods,
    )
}

fn reflection(version: &str) -> FileDescriptorProto {
    let package = &*format!("grpc.reflection.{version}");
    let of = |name: &str| format!(".{package}.{name}");
    let choice = |field: FieldDescriptorProto| FieldDescriptorProto {
        oneof_index: Some(0),
        ..field
    };
    let many = |field: FieldDescriptorProto| FieldDescriptorProto {
        label: Some(Label::Repeated.into()),
        ..field
    };
    let one_of = |mut message: DescriptorProto, name: &str| {
        message.oneof_decl.push(OneofDescriptorProto {
            name: Some(name.to_owned()),
            options: None,
        });
        message
    };
    let extension = of("ExtensionRequest");
    let message_request = message(
        "ServerReflectionRequest",
        [
            field("host", 1, Kind::Text),
            choice(field("file_by_filename", 3, Kind::Text)),
            choice(field("file_containing_symbol", 4, Kind::Text)),
            choice(field(
                "file_containing_extension",
                5,
                Kind::Message(&extension),
            )),
            choice(field("all_extension_numbers_of_type", 6, Kind::Text)),
            choice(field("list_services", 7, Kind::Text)),
        ],
    );
    let names = [
        "ServerReflectionRequest",
        "FileDescriptorResponse",
        "ExtensionNumberResponse",
        "ListServiceResponse",
        "ErrorResponse",
        "ServiceResponse",
    ]
    .map(of);
    let [request, files, numbers, services, error, service] = &names;
    let told = message(
        "ServerReflectionResponse",
        [
            field("valid_host", 1, Kind::Text),
            field("original_request", 2, Kind::Message(request)),
            choice(field("file_descriptor_response", 4, Kind::Message(files))),
            choice(field(
                "all_extension_numbers_response",
                5,
                Kind::Message(numbers),
            )),
            choice(field("list_services_response", 6, Kind::Message(services))),
            choice(field("error_response", 7, Kind::Message(error))),
        ],
    );
    let messages = vec![
        one_of(message_request, "message_request"),
        message(
            "ExtensionRequest",
            [
                field("containing_type", 1, Kind::Text),
                field("extension_number", 2, Kind::Number),
            ],
        ),
        one_of(told, "message_response"),
        message(
            "FileDescriptorResponse",
            [many(field("file_descriptor_proto", 1, Kind::Bytes))],
        ),
        message(
            "ExtensionNumberResponse",
            [
                field("base_type_name", 1, Kind::Text),
                many(field("extension_number", 2, Kind::Number)),
            ],
        ),
        message(
            "ListServiceResponse",
            [many(field("service", 1, Kind::Message(service)))],
        ),
        message("ServiceResponse", [field("name", 1, Kind::Text)]),
        message(
            "ErrorResponse",
            [
                field("error_code", 1, Kind::Number),
                field("error_message", 2, Kind::Text),
            ],
        ),
    ];
    let info = MethodDescriptorProto {
        client_streaming: Some(true),
        server_streaming: Some(true),
        ..method(
            package,
            "ServerReflectionInfo",
            "ServerReflectionRequest",
            "ServerReflectionResponse",
        )
    };
    file(
        package,
        "reflection",
        messages,
        "ServerReflection",
        vec![info],
    )
}

/// The type of a field.
enum Kind<'a> {
    Text,
    Bytes,
    Number,
    Enum(&'a str),
    Message(&'a str),
}

fn field(name: &str, number: i32, kind: Kind<'_>) -> FieldDescriptorProto {
    let (kind, of) = match kind {
        Kind::Text => (Type::String, None),
        Kind::Bytes => (Type::Bytes, None),
        Kind::Number => (Type::Int32, None),
        Kind::Enum(of) => (Type::Enum, Some(of)),
        Kind::Message(of) => (Type::Message, Some(of)),
    };
    FieldDescriptorProto {
        name: Some(name.to_owned()),
        number: Some(number),
        label: Some(Label::Optional.into()),
        r#type: Some(kind.into()),
        type_name: of.map(str::to_owned),
        ..FieldDescriptorProto::default()
    }
}

fn message<const N: usize>(name: &str, fields: [FieldDescriptorProto; N]) -> DescriptorProto {
    DescriptorProto {
        name: Some(name.to_owned()),
        field: fields.into(),
        ..DescriptorProto::default()
    }
}

fn method(package: &str, name: &str, input: &str, output: &str) -> MethodDescriptorProto {
    MethodDescriptorProto {
        name: Some(name.to_owned()),
        input_type: Some(format!(".{package}.{input}")),
        output_type: Some(format!(".{package}.{output}")),
        ..MethodDescriptorProto::default()
    }
}

fn file(
    package: &str,
    name: &str,
    messages: Vec<DescriptorProto>,
    service: &str,
    methods: Vec<MethodDescriptorProto>,
) -> FileDescriptorProto {
    FileDescriptorProto {
        name: Some(format!("{}/{name}.proto", package.replace('.', "/"))),
        package: Some(package.to_owned()),
        message_type: messages,
        service: vec![ServiceDescriptorProto {
            name: Some(service.to_owned()),
            method: methods,
            options: None,
        }],
        syntax: Some("proto3".to_owned()),
        ..FileDescriptorProto::default()
    }
}
