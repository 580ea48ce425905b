//! The standard gRPC reflection service, as used by `grpcurl`:
//! <https://github.com/grpc/grpc/blob/master/doc/server-reflection.md>.
//!
//! Serves the descriptors that were given to the routers. A service without a `.proto` is listed by the types of its
//! endpoints and has no descriptors.

mod files;
mod own;
mod wire;

use std::{
    pin::Pin,
    sync::{Arc, OnceLock},
    task::{Context, Poll},
};

use bytes::Bytes;
use futures_core::Stream;
use prost::Message;

use self::files::DescriptorIndex;
use self::wire::{
    ErrorResponse, ExtensionNumbers, FileDescriptors, MessageRequest, MessageResponse,
    ReflectionRequest, ReflectionResponse, Service, ServiceList,
};
use super::request::{decode, no_method};
use crate::{
    call::{Answer, Call, Shape},
    error::{Code, Result},
    message::{Body, BodyStream, ContentType, Request, Response},
};

/// The `.proto` files of a server, decoded at the first reflection request.
pub(super) type Descriptors = Arc<OnceLock<DescriptorIndex>>;

/// The reflection service of a server.
pub(super) struct Reflection {
    pub(super) server: Arc<dyn Call>,
    /// Shared by all requests.
    pub(super) descriptors: Descriptors,
}

const ENDPOINT: &str = "ServerReflection.ServerReflectionInfo";

impl Call for Reflection {
    fn call(&self, request: Request) -> Answer {
        let (server, descriptors) = (self.server.clone(), self.descriptors.clone());
        let endpoint = request.endpoint().to_owned();
        let (_, content_type, body) = request.into_parts();
        Box::pin(async move {
            if endpoint != ENDPOINT {
                return Err(no_method(&endpoint));
            }
            descriptors.get_or_init(|| DescriptorIndex::new(server.listing().unwrap_or_default()));
            let answers = Answers {
                descriptors,
                content_type,
                questions: body.into_stream(),
            };
            Ok(Response::new(ContentType::Protobuf, Body::stream(answers)))
        })
    }

    fn shape(&self, endpoint: &str) -> Option<Shape> {
        let shape = Shape {
            request_stream: true,
            response_stream: true,
            idempotent: true,
            ..Shape::default()
        };
        (endpoint == ENDPOINT).then_some(shape)
    }
}

struct Answers {
    descriptors: Descriptors,
    content_type: ContentType,
    questions: BodyStream,
}

impl Stream for Answers {
    type Item = Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.questions.as_mut().poll_next(cx).map(|request| {
            request.map(|bytes| {
                let request: ReflectionRequest = decode(&self.content_type, &bytes?)?;
                let files = self.descriptors.get_or_init(DescriptorIndex::default);
                Ok(answer(files, request).encode_to_vec().into())
            })
        })
    }
}

fn answer(files: &DescriptorIndex, request: ReflectionRequest) -> ReflectionResponse {
    let found = |found: Option<Vec<Bytes>>, what: &str| match found {
        Some(files) => MessageResponse::Files(FileDescriptors { files }),
        None => MessageResponse::ErrorResponse(ErrorResponse {
            code: Code::NotFound.number().into(),
            message: format!("`{}` is unknown to this server", what.escape_debug()),
        }),
    };
    let message_response = match &request.message_request {
        Some(MessageRequest::FileByName(name)) => found(files.named(name), name),
        Some(MessageRequest::FileContaining(symbol)) => found(files.containing(symbol), symbol),
        Some(MessageRequest::FileContainingExtension(extension)) => {
            let name = &*extension.containing_type;
            found(files.extension(name, extension.number), name)
        }
        Some(MessageRequest::ExtensionsOf(base)) => {
            MessageResponse::ExtensionNumbers(ExtensionNumbers {
                base: base.clone(),
                numbers: files.extensions(base),
            })
        }
        Some(MessageRequest::ServiceList(_)) => MessageResponse::ServiceList(ServiceList {
            services: files
                .services()
                .into_iter()
                .map(|name| Service { name })
                .collect(),
        }),
        None => MessageResponse::ErrorResponse(ErrorResponse {
            code: Code::InvalidArgument.number().into(),
            message: "the reflection request is empty".to_owned(),
        }),
    };
    ReflectionResponse {
        host: request.host.clone(),
        request: Some(request),
        message_response: Some(message_response),
    }
}
