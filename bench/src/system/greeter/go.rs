//! go-micro v5: the peer of the interop runs as the server, called as ours is by [`mucp::Mucp`].

use super::{SERVICE, mucp};
use crate::system::System;
use anyhow::{Context as _, Result, bail, ensure};
use std::{
    env,
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

/// go-micro's server.
#[derive(Clone, Copy)]
pub(in crate::system) struct Go;

/// How often a server that does not answer yet is asked, and how long in between.
const TRIES: usize = 250;
const BETWEEN: Duration = Duration::from_millis(20);

/// Where the peer is: beside what cargo builds.
fn program() -> Result<PathBuf> {
    let own = env::current_exe()?;
    let target = own.ancestors().nth(2);
    let target = target.context("this program is in no target directory")?;
    Ok(target.join("interop/peer-go-v5"))
}

/// Builds the peer; an error without a Go toolchain.
pub(crate) fn build() -> Result<()> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../interop/go/v5");
    let mut build = Command::new("go");
    build.current_dir(source).args(["build", "-o"]);
    let built = build.arg(program()?).arg(".").stdin(Stdio::null()).output();
    let built = built.context("there is no Go toolchain")?;
    let told = String::from_utf8_lossy(&built.stderr);
    ensure!(built.status.success(), "`go build`: {}", told.trim());
    Ok(())
}

impl System for Go {
    type Client = mucp::Caller;

    /// A child at the listener's address, whose CPU time counts as this process's.
    async fn serve(&self, listener: TcpListener) -> Result<()> {
        let address = listener.local_addr()?.to_string();
        drop(listener);
        let status = Command::new(program()?)
            .args(["server", "-name", SERVICE, "-protocol", "mucp"])
            .args(["-registry", "memory", "-broker", "memory"])
            .args(["-listen", &address])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()?;
        bail!("the server of go-micro ended: {status}")
    }

    async fn connect(&self, address: SocketAddr) -> Result<mucp::Caller> {
        let mut tries = 0;
        loop {
            match mucp::Caller::connect(address).await {
                Err(_) if tries < TRIES => tokio::time::sleep(BETWEEN).await,
                connected => return connected,
            }
            tries += 1;
        }
    }
}
