//! `micro gen FILE.proto…`.

use std::path::PathBuf;

use clap::Args;
use micro_build::Builder;
use serde_json::json;

use crate::{
    failure::{Failure, Result},
    session::Session,
};

/// Generate Rust code from `.proto` files: messages, and services as traits
#[derive(Args)]
pub(crate) struct Generate {
    /// Files to compile; each package becomes a file such as `greeter.rs`
    #[arg(value_name = "FILE.proto", required = true)]
    files: Vec<PathBuf>,
    /// Directory of imports; the directories of the files by default
    #[arg(long, value_name = "DIR")]
    include: Vec<PathBuf>,
    /// Directory to write to
    #[arg(long, value_name = "DIR", default_value = ".")]
    out: PathBuf,
}

impl Generate {
    pub(crate) fn run(self, session: &Session) -> Result {
        let builder = Builder::new().out_dir(&self.out);
        let builder = self.include.iter().fold(builder, Builder::include);
        let written = builder
            .compile(&self.files)
            .map_err(|error| Failure::Failed(error.to_string()))?;
        if session.json() {
            return session.print(json!(written));
        }
        written
            .iter()
            .try_for_each(|path| session.print(path.display()))
    }
}
