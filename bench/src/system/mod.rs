//! The systems under measure: one file each behind one trait.
//!
//! To add one: write `system/<name>.rs` with a type that implements [`System`], add a variant to
//! [`Kind`] with its name, add its arm to [`Kind::visit`], and say in `cell::runs` where it runs.
//! A system with variants (a codec, socket options, polling) is one type with fields and a `Kind`
//! for each.

mod floor;
mod greeter;
mod micro;
mod mixed;
mod tarpc;
mod tonic;

use self::mixed::Mixed;
use crate::{load::Stream, message::Echo};
use anyhow::{Result, bail};
use std::{net::SocketAddr, net::TcpListener, str::FromStr};

/// A server and a client that echo.
pub(crate) trait System: Clone + Send + Sync + 'static {
    type Client: Client;

    /// Serves connections until the process ends.
    fn serve(&self, listener: TcpListener) -> impl Future<Output = Result<()>> + Send;

    /// Opens one connection.
    fn connect(&self, address: SocketAddr) -> impl Future<Output = Result<Self::Client>> + Send;

    /// Runs the server on `threads` threads, and does not return while it serves.
    ///
    /// One work-stealing runtime unless a system overrides it, say with a runtime a core.
    fn run_server(&self, listener: TcpListener, threads: usize) -> Result<()> {
        crate::runtime::runtime(threads)?.block_on(self.serve(listener))
    }

    /// How many runtimes the client's threads are split over.
    fn client_runtimes(&self, _threads: usize) -> usize {
        1
    }

    /// Connects, and runs `load` in each of the client's runtimes, with the runtime's number, until
    /// all have ended.
    ///
    /// One work-stealing runtime unless a system overrides it together with `client_runtimes`.
    fn run_client<L, F>(&self, address: SocketAddr, threads: usize, load: L) -> Result<()>
    where
        L: Fn(Self::Client, usize) -> F + Send + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        crate::runtime::runtime(threads)?.block_on(async {
            load(self.connect(address).await?, 0).await;
            Ok(())
        })
    }
}

/// A way to the server, shared by however many tasks call through it: one connection a runtime.
pub(crate) trait Client: Clone + Send + Sync + 'static {
    /// One unary call.
    fn call(&self, request: Echo) -> impl Future<Output = Result<Echo>> + Send;

    /// One bidirectional stream, kept full until `load` says stop.
    fn stream(&self, _load: Stream) -> impl Future<Output = Result<()>> + Send {
        async { bail!("this system has no bidirectional streams here") }
    }
}

/// Something to do with a system once its type is known.
pub(crate) trait Visitor {
    type Output;
    fn visit<S: System>(self, system: S) -> Self::Output;
}

/// Micro with its default codec.
type Packed = micro::Micro<micro::Packed>;

/// Micro with messages in Protobuf.
type Proto = micro::Micro<micro::Proto>;

/// A system by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Floor,
    Micro,
    MicroProst,
    /// Inside a work-stealing runtime.
    MicroStealing,
    /// With socket options of its own.
    MicroTuned,
    /// Polls a while before it sleeps.
    MicroPoll,
    /// Calling by gRPC.
    MicroGrpc,
    /// Its server called by tonic.
    MicroGrpcServer,
    /// Calling a server of tonic's.
    MicroGrpcClient,
    Tonic,
    Tarpc,
    /// Its server called by plain JSON.
    MicroPlain,
    Axum,
    /// go-micro's protocol.
    MicroMucp,
    /// go-micro's server called by ours.
    GoMicro,
}

impl Kind {
    pub(crate) const ALL: &[Self] = &[
        Self::Floor,
        Self::Micro,
        Self::MicroProst,
        Self::MicroStealing,
        Self::MicroTuned,
        Self::MicroPoll,
        Self::MicroGrpc,
        Self::MicroGrpcServer,
        Self::MicroGrpcClient,
        Self::Tonic,
        Self::Tarpc,
        Self::MicroPlain,
        Self::Axum,
        Self::MicroMucp,
        Self::GoMicro,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Floor => "floor",
            Self::Micro => "micro",
            Self::MicroProst => "micro-prost",
            Self::MicroStealing => "micro-stealing",
            Self::MicroTuned => "micro-tuned",
            Self::MicroPoll => "micro-poll",
            Self::MicroGrpc => "micro-grpc",
            Self::MicroGrpcServer => "micro-grpc-server",
            Self::MicroGrpcClient => "micro-grpc-client",
            Self::Tonic => "tonic",
            Self::Tarpc => "tarpc",
            Self::MicroPlain => "micro-plain",
            Self::Axum => "axum",
            Self::MicroMucp => "micro-mucp",
            Self::GoMicro => "go-micro",
        }
    }

    /// Makes what it needs and cargo does not build; an error says why it cannot be measured here.
    pub(crate) fn prepare(self) -> Result<()> {
        match self {
            Self::GoMicro => greeter::go::build(),
            _ => Ok(()),
        }
    }

    /// From a name to a type.
    pub(crate) fn visit<V: Visitor>(self, visitor: V) -> V::Output {
        match self {
            Self::Floor => visitor.visit(floor::Floor),
            Self::Micro => visitor.visit(Packed::new()),
            Self::MicroProst => visitor.visit(Proto::new()),
            Self::MicroStealing => visitor.visit(Packed::new().stealing()),
            Self::MicroTuned => visitor.visit(Packed::new().tuned()),
            Self::MicroPoll => visitor.visit(Packed::new().polling()),
            Self::MicroGrpc => visitor.visit(Proto::new().grpc()),
            Self::MicroGrpcServer => visitor.visit(Mixed {
                server: Proto::new(),
                client: tonic::Tonic,
            }),
            Self::MicroGrpcClient => visitor.visit(Mixed {
                server: tonic::Tonic,
                client: Proto::new().grpc(),
            }),
            Self::Tonic => visitor.visit(tonic::Tonic),
            Self::Tarpc => visitor.visit(tarpc::Tarpc),
            Self::MicroPlain => visitor.visit(greeter::plain::Plain),
            Self::Axum => visitor.visit(greeter::axum::Axum),
            Self::MicroMucp => visitor.visit(greeter::mucp::Mucp),
            Self::GoMicro => visitor.visit(greeter::go::Go),
        }
    }
}

impl FromStr for Kind {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Self::ALL
            .iter()
            .copied()
            .find(|kind| kind.name() == name)
            .ok_or_else(|| {
                let names: Vec<_> = Self::ALL.iter().map(|kind| kind.name()).collect();
                format!("no system `{name}`; there are {}", names.join(", "))
            })
    }
}
