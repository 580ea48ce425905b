//! A connection at the server: its task, the state of the other side, and answers.

mod answer;
mod driver;
mod session;
mod shared;

use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::preface::{Parsed, PeerIdentity, Preface};
use crate::{
    call::Call,
    error::{Error, Result},
    net::{Limits, io::Io, protocol::Accepted},
};
use driver::Driver;
use session::Session;
use shared::ConnectionState;

/// Serves one connection until it ends.
pub(super) async fn serve(accepted: Accepted, call: Arc<dyn Call>, limits: Arc<Limits>) {
    let Accepted {
        mut io,
        mut first,
        seat,
    } = accepted;
    let own = PeerIdentity::of_server(call.identity());
    let greeting = greet(&mut io, &mut first, &own, &limits);
    let (preface, names) = match tokio::time::timeout(limits.handshake_timeout, greeting).await {
        Ok(Ok(said)) => said,
        Ok(Err(error)) => return tracing::debug!(%error, "a connection was not begun"),
        Err(_) => return tracing::debug!("a connection did not introduce itself in time"),
    };
    let refusal = call.is_meant(&names.identity).err();
    if let Some(error) = &refusal {
        let caller = &*names.caller;
        tracing::debug!(%error, caller, "a connection is meant for another server");
    }
    let served = ConnectionState::new(limits.max_queued_bytes as u64);
    let session = Session::new(preface, refusal, limits, served, call, seat);
    let error = Driver::new(io, first, session).run().await;
    tracing::trace!(%error, "a connection ended");
}

async fn greet(
    io: &mut Io,
    first: &mut Vec<u8>,
    own: &PeerIdentity,
    limits: &Limits,
) -> Result<(Preface, PeerIdentity)> {
    let mut out = Vec::with_capacity(128);
    Preface::of(limits).write(own, &mut out);
    io.write_all(&out).await?;
    loop {
        if let Parsed::Complete(preface, names, length) = Preface::read(first)? {
            preface.version()?;
            first.drain(..length);
            return Ok((preface, names));
        }
        if io.read_buf(first).await? == 0 {
            return Err(Error::unavailable("the other side closed it"));
        }
    }
}
