//! A way to a node that speaks gRPC.

use std::sync::Arc;

use http::{HeaderMap, HeaderValue, Method, Request as HttpRequest, header};

use super::{
    go_micro,
    head::{self, ACCEPT_ENCODING, ENCODING, TIMEOUT},
    messages::{Compress, End, Feeding, Sealed, fits},
    metadata, read, timeout, web,
};
use crate::{
    call::Answer,
    codec::transcode,
    context::Wire,
    error::{Error, Outcome, Result},
    http::{
        HttpBody,
        compression::{ACCEPTED, Compression},
    },
    message::{ContentType, Request},
    net::{Limits, io::SharedNetwork, pool::Pool, sent::Sent},
    node::Node,
    protocols::{
        addressing::Addressing,
        client::{Line, Version, Ways},
        paths::Paths,
        propagation,
    },
    time::NEVER,
    transport::{adapter::SendOne, addressee::Addressee},
};

/// What every connection to a node knows of it.
struct About {
    paths: Paths,
    addressing: Arc<Addressing>,
    limits: Arc<Limits>,
    /// How requests are compressed.
    compression: Option<Compression>,
    /// Whether trailers are to come in the body.
    on_web: bool,
}

/// Sends requests by one line.
pub(crate) struct Sender {
    line: Line,
    about: Arc<About>,
}

/// A way to one node: over HTTP/2, or as gRPC-Web over either version.
pub(crate) fn way(
    (node, addressee): (&Node, Addressee),
    version: Version,
    on_web: bool,
    compression: Option<Compression>,
    network: SharedNetwork,
    limits: Arc<Limits>,
    pool: Arc<Pool>,
) -> Ways<Sender> {
    let addressing = Addressing::new(addressee, &node.address, network.is_secure());
    let addressing = Arc::new(addressing);
    let about = Arc::new(About {
        paths: Paths::new(node, network.is_secure(), limits.names),
        addressing: addressing.clone(),
        limits: limits.clone(),
        compression,
        on_web,
    });
    let make = move |line| Sender {
        line,
        about: about.clone(),
    };
    let address = &node.address;
    Ways::new(version, address, addressing, network, limits, pool, make)
}

impl About {
    /// A request as HTTP.
    fn write(
        &self,
        mut request: Request,
        feeding: Option<&Arc<Feeding>>,
        attempts: u8,
    ) -> Result<HttpRequest<HttpBody>> {
        let head = request.context().metadata().as_block().len();
        if head > self.limits.head {
            return Err(Error::invalid_argument(format!(
                "metadata takes {head} bytes, over the limit `head` of {}",
                self.limits.head
            )));
        }
        let uri = self.paths.uri(request.target())?;
        let body = request.body_mut().take();
        let (content_type, body) = match (request.content_type(), body.as_bytes()) {
            (ContentType::MsgPack, Some(message)) => {
                let json = transcode::msgpack_to_json(message)?;
                (ContentType::Json, json.into())
            }
            (content_type, _) => (content_type.clone(), body),
        };
        let wire = request.context().wire();
        let wanted = wire.and_then(Wire::compresses);
        let encoding = self
            .compression
            .or_else(|| wanted.and_then(|_| Compression::chosen(ACCEPTED)));
        let compress = Compress::new(encoding, wire.cloned());
        let body = match body.as_bytes() {
            Some(message) => {
                fits(message, self.limits.message)?;
                compress.body(message, None)?
            }
            None => {
                let transcodes = content_type == ContentType::MsgPack;
                let messages = match transcodes {
                    true => Box::pin(read::AsJson(body.into_stream())),
                    false => body.into_stream(),
                };
                let end = End::Request(feeding.cloned().unwrap_or_default());
                let most = self.limits.message;
                HttpBody::stream(Sealed::new(messages, compress, most, end, NEVER))
            }
        };
        let mut http = HttpRequest::new(body);
        *http.method_mut() = Method::POST;
        *http.uri_mut() = uri;
        if matches!(http.body(), HttpBody::Stream(_)) {
            let stream = HeaderValue::from_static("stream");
            http.headers_mut().insert(propagation::BODY, stream);
        }
        write_head(
            &request,
            &transcode::understood(&content_type),
            attempts,
            http.headers_mut(),
        );
        self.addressing.write(http.headers_mut());
        if encoding.is_some() || wire.is_some() {
            let named = encoding.map_or("identity", Compression::as_str);
            let named = HeaderValue::from_static(named);
            http.headers_mut().insert(ENCODING, named);
        }
        Ok(http)
    }
}

/// How many headers a request has that says nothing of its own.
const USUAL: usize = 6;

fn write_head(
    request: &Request,
    content_type: &ContentType,
    attempts: u8,
    headers: &mut HeaderMap,
) {
    let context = request.context();
    headers.reserve(USUAL);
    headers.insert(header::CONTENT_TYPE, head::name(content_type));
    headers.insert(header::TE, HeaderValue::from_static("trailers"));
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static(ACCEPTED));
    if let Some(name) = go_micro::content_type(content_type) {
        headers.insert(head::CONTENT_TYPE_BESIDE, name);
    }
    metadata::write(context.metadata(), headers);
    if context.metadata().get("user-agent").is_none() {
        headers.insert(header::USER_AGENT, crate::http::USER_AGENT);
    }
    headers.insert(propagation::ATTEMPTS, propagation::write_attempts(attempts));
    if let Some(left) = context.time_left() {
        headers.insert(TIMEOUT, timeout::write(left));
    }
    propagation::write_travel(context, headers);
}

impl SendOne for Sender {
    fn send(&self, request: Request, attempts: u8, sent: Sent) -> Answer {
        let (line, about) = (self.line.clone(), self.about.clone());
        Box::pin(async move {
            let expected = request.expected();
            let wire = request.context().wire().cloned();
            let deadline = request.context().deadline();
            let asked = transcode::understood(request.content_type());
            let feeding = request.body().is_stream().then(Arc::default);
            let http = about
                .write(request, feeding.as_ref(), attempts)
                .map_err(|error| error.with_outcome(Outcome::NotSent))?;
            let answer = async {
                let http = if about.on_web {
                    web::request(http)
                } else {
                    http
                };
                let exchanged = line.exchange(http, sent).await;
                let (mut response, held) = exchanged.map_err(|e| read::in_time(e, deadline))?;
                if about.on_web {
                    response = web::response(response, about.limits.head);
                }
                let of = read::Of {
                    asked,
                    expected,
                    feeding: feeding.clone(),
                    wire,
                    deadline,
                    most: about.limits.message,
                };
                read::answer(response, held, of).await
            };
            answer.await.map_err(|error| match &feeding {
                Some(feeding) => feeding.cause(error),
                None => error,
            })
        })
    }
}
