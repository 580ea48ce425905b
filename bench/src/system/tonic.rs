//! tonic: unary calls and a bidirectional stream, written as its generated code would be.

use super::{Client, System};
use crate::{load::Stream, message::Echo};
use anyhow::{Context as _, Result};
use std::{
    convert::Infallible,
    net::{SocketAddr, TcpListener},
    pin::Pin,
    task::{Context, Poll},
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{
    Request, Response, Status, Streaming,
    body::Body,
    codegen::http::{self, uri::PathAndQuery},
    server::{NamedService, StreamingService, UnaryService},
    transport::{Channel, Endpoint, Server, server::TcpIncoming},
};
use tonic_prost::ProstCodec;
use tower_service::Service;

const UNARY: &str = "/bench.Echo/Unary";
const BIDI: &str = "/bench.Echo/Bidi";

/// Bytes under way that no stream, and no connection, is held back by in any cell.
///
/// They are set rather than adaptive: h2 allows small DATA frames that nobody has read yet to cost
/// half the connection's window at 256 bytes less their payload each, an adaptive window begins at
/// 64 KiB, and so 150 small calls in one batch end the connection with `too_many_data_frames`.
const STREAM_WINDOW: u32 = 1 << 20;
const CONNECTION_WINDOW: u32 = 32 << 20;

/// tonic without layers, its windows wide and `TCP_NODELAY` on.
#[derive(Clone, Copy)]
pub(super) struct Tonic;

impl System for Tonic {
    type Client = Caller;

    async fn serve(&self, listener: TcpListener) -> Result<()> {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        Server::builder()
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            // Its default of 200 would hold back the cell with 256 in flight.
            .max_concurrent_streams(1024)
            .add_service(EchoService)
            .serve_with_incoming(TcpIncoming::from(listener).with_nodelay(Some(true)))
            .await?;
        Ok(())
    }

    async fn connect(&self, address: SocketAddr) -> Result<Caller> {
        let channel = Endpoint::from_shared(format!("http://{address}"))?
            .tcp_nodelay(true)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .connect()
            .await?;
        Ok(Caller { channel })
    }
}

#[derive(Clone)]
pub(crate) struct Caller {
    channel: Channel,
}

impl Client for Caller {
    async fn call(&self, request: Echo) -> Result<Echo> {
        let mut grpc = tonic::client::Grpc::new(self.channel.clone());
        grpc.ready().await?;
        let path = PathAndQuery::from_static(UNARY);
        let codec = ProstCodec::<Echo, Echo>::default();
        let answer = grpc.unary(Request::new(request), path, codec).await?;
        Ok(answer.into_inner())
    }

    async fn stream(&self, load: Stream) -> Result<()> {
        let (sender, receiver) = mpsc::channel(load.outstanding);
        let mut grpc = tonic::client::Grpc::new(self.channel.clone());
        grpc.ready().await?;
        for _ in 0..load.outstanding {
            sender.send(load.message.clone()).await?;
        }
        let answers = grpc
            .streaming(
                Request::new(ReceiverStream::new(receiver)),
                PathAndQuery::from_static(BIDI),
                ProstCodec::<Echo, Echo>::default(),
            )
            .await?;
        let mut answers = answers.into_inner();
        while load.wants_more() {
            let answer = answers.message().await?.context("the stream ended")?;
            load.received(&answer)?;
            sender.send(load.message.clone()).await?;
        }
        Ok(())
    }
}

type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

#[derive(Clone, Copy)]
struct EchoService;

impl NamedService for EchoService {
    const NAME: &'static str = "bench.Echo";
}

impl Service<http::Request<Body>> for EchoService {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let mut grpc = tonic::server::Grpc::new(ProstCodec::<Echo, Echo>::default());
        match request.uri().path() {
            UNARY => Box::pin(async move { Ok(grpc.unary(Unary, request).await) }),
            BIDI => Box::pin(async move { Ok(grpc.streaming(Bidi, request).await) }),
            _ => Box::pin(async { Ok(Status::unimplemented("no such method").into_http()) }),
        }
    }
}

struct Unary;

impl UnaryService<Echo> for Unary {
    type Response = Echo;
    type Future = BoxFuture<Result<Response<Echo>, Status>>;

    fn call(&mut self, request: Request<Echo>) -> Self::Future {
        Box::pin(async { Ok(Response::new(request.into_inner())) })
    }
}

struct Bidi;

impl StreamingService<Echo> for Bidi {
    type Response = Echo;
    type ResponseStream = Streaming<Echo>;
    type Future = BoxFuture<Result<Response<Streaming<Echo>>, Status>>;

    fn call(&mut self, request: Request<Streaming<Echo>>) -> Self::Future {
        // The answers are the requests: one for one, in order.
        Box::pin(async { Ok(Response::new(request.into_inner())) })
    }
}
