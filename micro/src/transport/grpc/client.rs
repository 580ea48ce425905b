//! A way to a node that speaks gRPC.

use std::{collections::HashMap, sync::Arc};

use http::{
    HeaderMap, HeaderValue, Method, Request as HttpRequest, Uri, Version, header,
    uri::{Authority, PathAndQuery, Scheme},
};
use parking_lot::Mutex;

use super::{
    head::{self, ACCEPT_ENCODING, TIMEOUT},
    messages::{End, Feeding, Sealed, fits, sealed},
    metadata, read, timeout,
};
use crate::{
    call::Answer,
    codec::transcode,
    context::Criticality,
    error::{Error, Outcome, Result},
    message::{ContentType, Request, Target},
    registry::Node as Record,
    time::NEVER,
    transport::{
        Connection, Limits, Peer, Probe,
        adapter::{Adapter, SendOne, Sent},
        http::{
            HttpBody,
            compression::ACCEPTED,
            h2::{client::Channel, node::Connections},
            travel,
        },
        io::SharedNetwork,
        pool::Pool,
    },
};

/// A way to one node: a connection of HTTP/2 for each thread that calls.
pub(crate) struct Node {
    connections: Connections<Adapter<Sender>>,
    about: Arc<About>,
}

/// What every connection to a node knows of it.
struct About {
    authority: Authority,
    limits: Arc<Limits>,
    /// By endpoint, where the node's record says another path than its name gives.
    said: HashMap<String, PathAndQuery>,
    paths: Mutex<Paths>,
}

/// The paths of endpoints called before.
#[derive(Default)]
struct Paths {
    /// That of the last call, as the next one mostly goes there too.
    last: Option<(Target, PathAndQuery)>,
    known: HashMap<Target, PathAndQuery>,
}

/// Sends requests over one connection.
struct Sender {
    channel: Arc<Channel>,
    about: Arc<About>,
}

impl Node {
    pub(crate) fn new(
        node: &Record,
        network: SharedNetwork,
        limits: Arc<Limits>,
        pool: Arc<Pool>,
    ) -> Self {
        let address = &*node.address;
        // A Unix socket has no name that HTTP knows.
        let authority = Authority::try_from(address).ok();
        let said = node.endpoints.iter().filter_map(|endpoint| {
            let path = PathAndQuery::try_from(endpoint.metadata.get("path")?.as_str()).ok()?;
            Some((endpoint.name.clone(), path))
        });
        let about = About {
            authority: authority.unwrap_or(Authority::from_static("localhost")),
            said: said.collect(),
            paths: Mutex::default(),
            limits: limits.clone(),
        };
        Node {
            connections: Connections::new(address, network, limits, pool),
            about: Arc::new(about),
        }
    }

    fn current(&self) -> Result<Arc<Adapter<Sender>>> {
        self.connections.current(|channel| {
            Adapter::new(Sender {
                channel,
                about: self.about.clone(),
            })
        })
    }
}

impl Peer for Node {
    fn connection(&self) -> Result<Arc<dyn Connection>> {
        Ok(self.current()?)
    }

    fn probe(&self) -> Probe {
        let channel = self
            .current()
            .map(|current| current.sender().channel.clone());
        self.connections.probe(channel)
    }

    fn close(&self) {
        self.connections.close();
    }
}

impl About {
    fn path(&self, target: &Target) -> Result<PathAndQuery> {
        let mut paths = self.paths.lock();
        if let Some((last, path)) = &paths.last
            && (last.address() == target.address() || last == target)
        {
            return Ok(path.clone());
        }
        let path = match paths.known.get(target) {
            Some(path) => path.clone(),
            None => {
                let path = match self.said.get(target.endpoint()) {
                    Some(said) => said.clone(),
                    None => path(target)?,
                };
                if paths.known.len() < usize::from(self.limits.names) {
                    paths.known.insert(target.clone(), path.clone());
                }
                path
            }
        };
        paths.last = Some((target.clone(), path.clone()));
        Ok(path)
    }

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
        let mut uri = http::uri::Parts::default();
        uri.scheme = Some(Scheme::HTTP);
        uri.authority = Some(self.authority.clone());
        uri.path_and_query = Some(self.path(request.target())?);
        let uri = Uri::from_parts(uri).map_err(|error| {
            Error::invalid_argument(format!("`{}` is no path of HTTP", request.target()))
                .with_source(error)
        })?;
        let body = request.body_mut().take();
        let (content_type, body) = match (request.content_type(), body.as_bytes()) {
            (ContentType::MsgPack, Some(message)) => {
                let json = transcode::msgpack_to_json(message)?;
                (ContentType::Json, json.into())
            }
            (content_type, _) => (content_type.clone(), body),
        };
        let body = match body.as_bytes() {
            Some(message) => {
                fits(message, self.limits.message)?;
                HttpBody::Whole(sealed(message, None)?)
            }
            None => {
                let transcodes = content_type == ContentType::MsgPack;
                let messages = match transcodes {
                    true => Box::pin(read::AsJson(body.into_stream())),
                    false => body.into_stream(),
                };
                let end = End::Request(feeding.cloned().unwrap_or_default());
                let most = self.limits.message;
                HttpBody::stream(Sealed::new(messages, None, most, end, NEVER))
            }
        };
        let mut http = HttpRequest::new(body);
        *http.method_mut() = Method::POST;
        *http.uri_mut() = uri;
        *http.version_mut() = Version::HTTP_2;
        if matches!(http.body(), HttpBody::Stream(_)) {
            let stream = HeaderValue::from_static("stream");
            http.headers_mut().insert(travel::BODY, stream);
        }
        write_head(
            &request,
            &transcode::understood(&content_type),
            attempts,
            http.headers_mut(),
        );
        Ok(http)
    }
}

/// The path of an endpoint: one that begins with `/` is it; else as go-micro has it.
fn path(target: &Target) -> Result<PathAndQuery> {
    let (service, endpoint) = (target.service(), target.endpoint());
    let text = match endpoint.rsplit_once('.') {
        _ if endpoint.starts_with('/') => endpoint.to_owned(),
        Some((kind, method)) => format!("/{service}.{kind}/{method}"),
        None => format!("/{service}/{endpoint}"),
    };
    PathAndQuery::try_from(text).map_err(|error| {
        Error::invalid_argument(format!("`{target}` cannot be a path of HTTP")).with_source(error)
    })
}

fn write_head(
    request: &Request,
    content_type: &ContentType,
    attempts: u8,
    headers: &mut HeaderMap,
) {
    let context = request.context();
    headers.insert(header::CONTENT_TYPE, head::name(content_type));
    headers.insert(header::TE, HeaderValue::from_static("trailers"));
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static(ACCEPTED));
    metadata::write(context.metadata(), headers);
    if context.metadata().get("user-agent").is_none() {
        let ours = HeaderValue::from_static(concat!("micro-rs/", env!("CARGO_PKG_VERSION")));
        headers.insert(header::USER_AGENT, ours);
    }
    headers.insert(travel::ATTEMPTS, HeaderValue::from(u16::from(attempts)));
    if let Some(left) = context.time_left() {
        let mut timeout = timeout::write(left);
        // It is another each time: kept out of the table of headers, which it would wear out.
        timeout.set_sensitive(true);
        headers.insert(TIMEOUT, timeout);
    }
    if context.criticality() != Criticality::Default {
        let text = context.criticality().as_str();
        headers.insert(travel::CRITICALITY, HeaderValue::from_static(text));
    }
    if context.trace().is_some()
        && let Ok(value) = HeaderValue::try_from(travel::write_trace(context.trace()))
    {
        headers.insert(travel::TRACEPARENT, value);
    }
}

impl SendOne for Sender {
    fn send(&self, request: Request, attempts: u8, sent: Sent) -> Answer {
        let (channel, about) = (self.channel.clone(), self.about.clone());
        Box::pin(async move {
            let expected = request.expected();
            let feeding = request.body().is_stream().then(Arc::default);
            let http = about
                .write(request, feeding.as_ref(), attempts)
                .map_err(|error| error.with_outcome(Outcome::NotSent))?;
            let answer = async {
                let (response, busy) = channel.exchange(http, sent).await?;
                let most = about.limits.message;
                read::answer(response, busy, expected, feeding.clone(), most).await
            };
            answer.await.map_err(|error| match &feeding {
                Some(feeding) => feeding.cause(error),
                None => error,
            })
        })
    }
}
