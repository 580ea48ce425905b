//! Byte streams under the socket protocols: TCP, Unix sockets, TLS over them, or any other a test supplies.

#[cfg(feature = "tls")]
pub(super) mod explain;
#[cfg(feature = "tls")]
mod secured;
#[cfg(unix)]
mod unix;

use std::{
    fmt,
    io::{self, IoSlice},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use async_trait::async_trait;
use socket2::{Domain, Socket, Type};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
};

#[cfg(unix)]
use tokio::net::UnixStream;

use crate::address;

#[cfg(feature = "tls")]
pub use secured::TlsIo;

/// A byte stream between two sides.
#[non_exhaustive]
pub enum Io {
    /// TCP.
    Tcp(TcpStream),
    /// A Unix socket.
    #[cfg(unix)]
    Unix(UnixStream),
    /// TLS over one of the others.
    #[cfg(feature = "tls")]
    Tls(Box<TlsIo>),
    /// Anything else, such as a simulated connection.
    Other(Box<dyn Stream>),
}

/// What [`Io::Other`] takes.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

#[cfg(feature = "http")]
impl Io {
    /// Whether it came to an address of loopback; `false` where that is not known, and for Unix sockets, which no
    /// browser reaches.
    pub(crate) fn is_loopback(&self) -> bool {
        match self {
            Io::Tcp(socket) => socket
                .local_addr()
                .is_ok_and(|address| address.ip().to_canonical().is_loopback()),
            #[cfg(feature = "tls")]
            Io::Tls(secured) => secured.carrier().is_loopback(),
            _ => false,
        }
    }

    /// Whether it is TLS.
    pub(crate) fn is_secure(&self) -> bool {
        #[cfg(feature = "tls")]
        if matches!(self, Io::Tls(_)) {
            return true;
        }
        false
    }
}

macro_rules! each {
    ($self:expr, $io:ident => $body:expr) => {
        match $self {
            Io::Tcp($io) => $body,
            #[cfg(unix)]
            Io::Unix($io) => $body,
            #[cfg(feature = "tls")]
            Io::Tls($io) => $body,
            Io::Other($io) => $body,
        }
    };
}

impl AsyncRead for Io {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        each!(self.get_mut(), io => Pin::new(io).poll_read(cx, buffer))
    }
}

impl AsyncWrite for Io {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        each!(self.get_mut(), io => Pin::new(io).poll_write(cx, bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        each!(self.get_mut(), io => Pin::new(io).poll_write_vectored(cx, slices))
    }

    fn is_write_vectored(&self) -> bool {
        each!(self, io => io.is_write_vectored())
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self.get_mut(), io => Pin::new(io).poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self.get_mut(), io => Pin::new(io).poll_shutdown(cx))
    }
}

/// Where byte streams come from. The default is the machine's own network; a simulation supplies its own.
#[async_trait]
pub trait Network: Send + Sync + 'static {
    /// Connects to `host:port` or `unix:PATH`.
    async fn connect(&self, address: &str) -> io::Result<Io>;

    /// Listens at `host:port` (port 0: any free one) or `unix:PATH`.
    async fn bind(&self, address: &str) -> io::Result<Box<dyn Acceptor>>;

    /// Whether what is sent over its connections is secret, as by TLS.
    fn is_secure(&self) -> bool {
        false
    }
}

/// Takes connections that come in.
#[async_trait]
pub trait Acceptor: Send + Sync {
    /// The address that was bound.
    fn address(&self) -> String;

    /// The next connection.
    async fn accept(&self) -> io::Result<Io>;
}

/// The machine's own network.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Sockets {
    /// `TCP_CONGESTION` of TCP connections, such as `cubic`; the system's default when unsaid.
    pub congestion: Option<String>,
}

impl Sockets {
    fn tune(&self, socket: &TcpStream) -> io::Result<()> {
        socket.set_nodelay(true)?;
        #[cfg(target_os = "linux")]
        if let Some(congestion) = &self.congestion {
            socket2::SockRef::from(socket).set_tcp_congestion(congestion.as_bytes())?;
        }
        Ok(())
    }
}

#[async_trait]
impl Network for Sockets {
    async fn connect(&self, address: &str) -> io::Result<Io> {
        #[cfg(unix)]
        if let Some(path) = address.strip_prefix("unix:") {
            return unix::connect(path).await;
        }
        let socket = TcpStream::connect(address).await?;
        self.tune(&socket)?;
        Ok(Io::Tcp(socket))
    }

    async fn bind(&self, address: &str) -> io::Result<Box<dyn Acceptor>> {
        #[cfg(unix)]
        if let Some(path) = address.strip_prefix("unix:") {
            return Ok(Box::new(unix::bind(path).await?));
        }
        let wrong = |why| io::Error::new(io::ErrorKind::InvalidInput, why);
        let listener = match address::bind(address).map_err(wrong)? {
            address::Bind::At(address) => TcpListener::bind(address).await?,
            address::Bind::Every(port) => bind_every(port)?,
        };
        Ok(Box::new(Tcp {
            listener,
            sockets: self.clone(),
        }))
    }
}

/// Listens at every address of this machine, of IPv6 and IPv4 where it has both.
fn bind_every(port: u16) -> io::Result<TcpListener> {
    let bind = |domain, ip: std::net::IpAddr| {
        let socket = Socket::new(domain, Type::STREAM, None)?;
        if domain == Domain::IPV6 {
            socket.set_only_v6(false)?;
        }
        // As tokio has it: a port whose connections are still ending can be taken again.
        #[cfg(not(windows))]
        socket.set_reuse_address(true)?;
        socket.bind(&std::net::SocketAddr::from((ip, port)).into())?;
        socket.listen(1024)?;
        socket.set_nonblocking(true)?;
        TcpListener::from_std(socket.into())
    };
    let both = bind(Domain::IPV6, std::net::Ipv6Addr::UNSPECIFIED.into());
    match both {
        // A port that is taken is so for both.
        Err(error) if error.kind() != io::ErrorKind::AddrInUse => {
            bind(Domain::IPV4, std::net::Ipv4Addr::UNSPECIFIED.into())
        }
        both => both,
    }
}

struct Tcp {
    listener: TcpListener,
    sockets: Sockets,
}

#[async_trait]
impl Acceptor for Tcp {
    fn address(&self) -> String {
        self.listener
            .local_addr()
            .map_or_else(|_| String::new(), |address| address.to_string())
    }

    async fn accept(&self) -> io::Result<Io> {
        let (socket, _) = self.listener.accept().await?;
        self.sockets.tune(&socket)?;
        Ok(Io::Tcp(socket))
    }
}

impl fmt::Debug for Io {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Io::Tcp(_) => "tcp",
            #[cfg(unix)]
            Io::Unix(_) => "unix",
            #[cfg(feature = "tls")]
            Io::Tls(_) => "tls",
            Io::Other(_) => "other",
        })
    }
}

/// The host of an address such as `host:port`, in lower case; `None` for a Unix socket.
pub fn host_of(address: &str) -> Option<String> {
    if address.starts_with("unix:") {
        return None;
    }
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    let host = host.trim_matches(['[', ']']).to_ascii_lowercase();
    (!host.is_empty()).then_some(host)
}

/// Reads hosts with commas between them: names and addresses without a port, or `*`.
pub fn read_hosts(text: &str) -> crate::error::Result<Vec<String>> {
    let hosts = text.split(',').map(|host| {
        let host = host.trim();
        let bare = host.trim_matches(['[', ']']);
        let is_name = !bare.is_empty() && bare.bytes().all(|byte| {
            byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.')
        });
        match host == "*" || is_name || bare.parse::<std::net::IpAddr>().is_ok() {
            true => Ok(bare.trim_end_matches('.').to_ascii_lowercase()),
            false => Err(crate::error::Error::invalid_argument(format!(
                "`{}` is no host; write names without ports, such as `shop.example`, with commas between \
                 them, or `*`",
                host.escape_debug()
            ))),
        }
    });
    hosts.collect()
}

pub(crate) type SharedNetwork = Arc<dyn Network>;
