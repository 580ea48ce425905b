//! tarpc over TCP with bincode, the fastest of its stock formats, a task a request as in its guide.

use super::{Client, System};
use crate::message::Echo;
use anyhow::Result;
use futures_util::StreamExt;
use std::net::{SocketAddr, TcpListener};
use tarpc::{
    context,
    serde_transport::{self, Transport},
    server::{BaseChannel, Channel},
};
use tokio::net::TcpStream;
use tokio_serde::formats::Bincode;
use tokio_util::codec::LengthDelimitedCodec;

/// tarpc with its default limits and `TCP_NODELAY` on.
#[derive(Clone, Copy)]
pub(super) struct Tarpc;

#[tarpc::service]
pub(crate) trait EchoService {
    async fn echo(message: Echo) -> Echo;
}

#[derive(Clone, Copy)]
struct Handler;

impl EchoService for Handler {
    async fn echo(self, _: context::Context, message: Echo) -> Echo {
        message
    }
}

impl System for Tarpc {
    type Client = EchoServiceClient;

    async fn serve(&self, listener: TcpListener) -> Result<()> {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        loop {
            let (stream, _) = listener.accept().await?;
            let requests = BaseChannel::with_defaults(framed(stream)?).execute(Handler.serve());
            tokio::spawn(requests.for_each(|answer| async {
                tokio::spawn(answer);
            }));
        }
    }

    async fn connect(&self, address: SocketAddr) -> Result<EchoServiceClient> {
        let transport = framed(TcpStream::connect(address).await?)?;
        Ok(EchoServiceClient::new(tarpc::client::Config::default(), transport).spawn())
    }
}

/// What `serde_transport::tcp` makes of a connection, but that it leaves Nagle's algorithm on.
fn framed<Item, SinkItem>(
    stream: TcpStream,
) -> Result<Transport<TcpStream, Item, SinkItem, Bincode<Item, SinkItem>>>
where
    Item: for<'a> serde::Deserialize<'a>,
    SinkItem: serde::Serialize,
{
    stream.set_nodelay(true)?;
    let frames = LengthDelimitedCodec::builder().new_framed(stream);
    Ok(serde_transport::new(frames, Bincode::default()))
}

impl Client for EchoServiceClient {
    async fn call(&self, request: Echo) -> Result<Echo> {
        Ok(self.echo(context::current(), request).await?)
    }
}
