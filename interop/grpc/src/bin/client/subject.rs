//! The server under test, and how it is called.

use std::{
    error::Error as StdError,
    fmt,
    future::{Future, IntoFuture},
    pin::Pin,
    time::Duration,
};

use micro::{
    Client, Code, Compression, Context, Error, Payload, Plugins, Socket, client::Method,
    registry::Memory, transport::Tls,
};
use micro_rs_interop_grpc::flags::Flags;

/// How a case ended.
pub(crate) type Checked = Result<(), Box<dyn StdError>>;

/// A server, and a client of it.
pub(crate) struct Subject {
    client: Client,
    address: String,
    tls: Option<Tls>,
}

impl Subject {
    pub(crate) fn new(flags: &Flags) -> Result<Self, Box<dyn StdError>> {
        let host = flags.get("server_host").unwrap_or("localhost");
        let port: u16 = flags.number("server_port", 10000)?;
        let tls = flags.is_set("use_tls").then(|| {
            let mut tls = Tls::new().always();
            if let Some(authorities) = flags.get("ca_file") {
                tls = tls.trust(authorities);
            }
            if let Some(name) = flags.get("server_host_override") {
                tls = tls.server_name(name);
            }
            tls
        });
        Ok(Subject {
            client: client(tls.clone())?,
            address: format!("{host}:{port}"),
            tls,
        })
    }

    /// The same server by a client, and so a connection, of its own.
    pub(crate) fn anew(&self) -> Result<Self, Error> {
        Ok(Subject {
            client: client(self.tls.clone())?,
            address: self.address.clone(),
            tls: self.tls.clone(),
        })
    }

    /// A call to a method of `grpc.testing.TestService`.
    pub(crate) fn call<In: Payload, Out: Payload>(
        &self,
        method: &str,
        input: In,
    ) -> Asked<In, Out> {
        self.of("grpc.testing", &format!("TestService.{method}"), input)
    }

    /// A call to any method: its package, then its service and name.
    pub(crate) fn of<In: Payload, Out: Payload>(
        &self,
        package: &str,
        method: &str,
        input: In,
    ) -> Asked<In, Out> {
        Asked {
            method: self.client.method(package, method),
            address: self.address.clone(),
            cx: Context::new(),
            compression: None,
            input,
        }
    }
}

/// A call to the server; await it to make it.
#[must_use = "a call is made when it is awaited"]
pub(crate) struct Asked<In, Out> {
    method: Method<In, Out>,
    address: String,
    cx: Context,
    compression: Option<Compression>,
    input: In,
}

impl<In, Out> Asked<In, Out> {
    pub(crate) fn timeout(mut self, timeout: Duration) -> Self {
        self.cx = self.cx.with_timeout(timeout);
        self
    }

    pub(crate) fn metadata(mut self, name: &str, value: &str) -> Self {
        self.cx = self.cx.with(name, value);
        self
    }

    pub(crate) fn compression(mut self, compression: &Compression) -> Self {
        self.compression = Some(compression.clone());
        self
    }
}

impl<In: Payload, Out: Payload> IntoFuture for Asked<In, Out> {
    type Output = Result<Out, Error>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output>>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let call = self.method.call(&self.cx, self.input);
            let call = call.address(&self.address);
            match &self.compression {
                Some(compression) => call.compression(compression).await,
                None => call.await,
            }
        })
    }
}

fn client(tls: Option<Tls>) -> Result<Client, Error> {
    let socket = Socket::new().client_protocol("grpc")?;
    // A case is about one answer: a second attempt would hide the first.
    let mut plugins = Plugins::new()
        .registry(Memory::new())
        .socket(socket)
        .balance(|balance| balance.attempts = 1);
    if let Some(tls) = tls {
        plugins = plugins.tls(tls);
    }
    plugins.client()
}

/// Passes where both are the same.
pub(crate) fn same<T: PartialEq + fmt::Debug>(what: &str, is: T, should: T) -> Checked {
    if is == should {
        return Ok(());
    }
    Err(format!("{what} is {is:?}, not {should:?}").into())
}

/// Passes where a call failed with this code.
pub(crate) fn fails<T>(called: Result<T, Error>, code: Code) -> Result<Error, Box<dyn StdError>> {
    match called {
        Ok(_) => Err(format!("it went well, and should fail with {code:?}").into()),
        Err(error) if error.code() == code => Ok(error),
        Err(error) => Err(format!("it failed with `{error}`, not with {code:?}").into()),
    }
}
