//! A server of tonic's, with the endpoints of [`greeter`](super::greeter) as far as tests need them.

use std::{
    convert::Infallible,
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll},
};

use tokio_stream::{Stream, StreamExt};
use tonic::{
    Request, Response, Status, Streaming,
    body::Body,
    codec::CompressionEncoding,
    codegen::{Service, http},
    server::{
        ClientStreamingService, Grpc, NamedService, ServerStreamingService, StreamingService,
        UnaryService,
    },
    transport::{Server, server::TcpIncoming},
};
use tonic_prost::ProstCodec;

use super::greeter::{Greeting, Hello, greeting};

type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;
type Greetings = Pin<Box<dyn Stream<Item = Result<Greeting, Status>> + Send>>;

/// Serves until the test ends.
pub(super) async fn serve() -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
    tokio::spawn(
        Server::builder()
            .add_service(Theirs)
            .serve_with_incoming(incoming),
    );
    address
}

#[derive(Clone)]
struct Theirs;

impl NamedService for Theirs {
    const NAME: &'static str = "greeter.Greeter";
}

impl Service<http::Request<Body>> for Theirs {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Boxed<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let mut grpc = Grpc::new(ProstCodec::<Greeting, Hello>::default())
            .accept_compressed(CompressionEncoding::Gzip)
            .send_compressed(CompressionEncoding::Gzip);
        Box::pin(async move {
            Ok(match request.uri().path() {
                "/greeter.Greeter/Hello" => grpc.unary(One, request).await,
                "/greeter.Greeter/Count" => grpc.server_streaming(Count, request).await,
                "/greeter.Greeter/Join" => grpc.client_streaming(Join, request).await,
                "/greeter.Greeter/Echo" => grpc.streaming(Echo, request).await,
                _ => Status::unimplemented("no such method").into_http(),
            })
        })
    }
}

struct One;

impl UnaryService<Hello> for One {
    type Response = Greeting;
    type Future = Boxed<Result<Response<Greeting>, Status>>;

    fn call(&mut self, request: Request<Hello>) -> Self::Future {
        Box::pin(async move {
            let metadata = request.metadata().clone();
            let text = |name: &str| metadata.get(name).and_then(|value| value.to_str().ok());
            match &*request.get_ref().name {
                "hang" => std::future::pending().await,
                "fail" => {
                    let mut status = Status::with_details(
                        tonic::Code::FailedPrecondition,
                        "no `tea` left\n☃",
                        b"\x08\x09"[..].into(),
                    );
                    let pushback = "250".parse().unwrap();
                    status
                        .metadata_mut()
                        .insert("grpc-retry-pushback-ms", pushback);
                    Err(status)
                }
                "told" => {
                    let timeout = text("grpc-timeout").is_some();
                    let told = format!("{:?} {timeout}", text("tenant"));
                    let mut response = Response::new(greeting(told));
                    response
                        .metadata_mut()
                        .insert("zone", "west".parse().unwrap());
                    Ok(response)
                }
                name => Ok(Response::new(greeting(format!("Hello {name}")))),
            }
        })
    }
}

struct Count;

impl ServerStreamingService<Hello> for Count {
    type Response = Greeting;
    type ResponseStream = Greetings;
    type Future = Boxed<Result<Response<Greetings>, Status>>;

    fn call(&mut self, request: Request<Hello>) -> Self::Future {
        let many: u32 = request.into_inner().name.parse().unwrap();
        let counted = (1..=many).map(|number| Ok(greeting(number.to_string())));
        let end = (many == 3).then(|| Err(Status::data_loss("three is one too many")));
        let all = tokio_stream::iter(counted.chain(end));
        Box::pin(async { Ok(Response::new(Box::pin(all) as Greetings)) })
    }
}

struct Join;

impl ClientStreamingService<Hello> for Join {
    type Response = Greeting;
    type Future = Boxed<Result<Response<Greeting>, Status>>;

    fn call(&mut self, request: Request<Streaming<Hello>>) -> Self::Future {
        Box::pin(async {
            let mut names = request.into_inner();
            let mut all = Vec::new();
            while let Some(name) = names.message().await? {
                all.push(name.name);
            }
            Ok(Response::new(greeting(all.join(", "))))
        })
    }
}

struct Echo;

impl StreamingService<Hello> for Echo {
    type Response = Greeting;
    type ResponseStream = Greetings;
    type Future = Boxed<Result<Response<Greetings>, Status>>;

    fn call(&mut self, request: Request<Streaming<Hello>>) -> Self::Future {
        let echoed = request
            .into_inner()
            .map(|name| name.map(|name| greeting(name.name)));
        Box::pin(async { Ok(Response::new(Box::pin(echoed) as Greetings)) })
    }
}
