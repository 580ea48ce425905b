//! `micro registry copy FROM TO`.

use std::time::Duration;

use clap::{Args, Subcommand};

use crate::{
    arguments,
    copy::{self, Copy},
    ephemeral,
    failure::{Failure, Result},
    session::Session,
    signals,
};

/// Copy records between registries
#[derive(Args)]
pub(crate) struct Registry {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Copy(CopyOf),
}

/// Copy all records of one registry to another, with metadata, versions and endpoints
///
/// Registries are given by URL, with credentials: `etcd://USER:PASSWORD@HOST?namespace=N&tls=true`. Records that the
/// target has already are not written. Copied records stay until they are deregistered, unless `--ttl` is set.
#[derive(Args)]
struct CopyOf {
    /// The registry to read, such as `consul://HOST`
    from: String,
    /// The registry to write to, such as `etcd://HOST`
    to: String,
    /// Time to live of copied records; `--watch` renews them
    #[arg(long, value_name = "DURATION", value_parser = arguments::duration)]
    ttl: Option<Duration>,
    /// Copy changes, too, until Ctrl-C
    #[arg(long, conflicts_with = "dry_run")]
    watch: bool,
    /// Write nothing, and print what would be written
    #[arg(long)]
    dry_run: bool,
}

impl Registry {
    pub(crate) fn run(self, session: &Session) -> Result {
        let Command::Copy(copy) = self.command;
        copy.run(session)
    }
}

impl CopyOf {
    fn run(self, session: &Session) -> Result {
        session.block_on(async {
            // Before the first write, so that a signal cannot prevent the printing of the counts.
            let end = signals::end()?;
            let (from, to) = (
                Session::registry_at(&self.from)?,
                Session::registry_at(&self.to)?,
            );
            Session::writable(&*to)?;
            if let Some(name) = ephemeral::name(&*to).filter(|_| !self.watch && !self.dry_run) {
                return Err(Failure::Usage(format!(
                    "registry `{name}` does not store records, it has them while this command runs; add `--watch`"
                )));
            }
            let mut copy = Copy::new(to, self.ttl, self.dry_run);
            if self.watch {
                tokio::select! {
                    followed = copy::follow(session, &*from, &mut copy) => followed?,
                    () = end => {}
                }
            } else {
                copy.read(&*from).await?;
                copy.write(session).await.map_err(Failure::Registry)?;
            }
            copy.print(session)
        })
    }
}
