//! `micro man`.

use std::io::{self, Write};

use clap::{Args, CommandFactory};

use crate::{Micro, failure::Result, session::Session};

/// Print the manual page; read it with `man -l -`
#[derive(Args)]
pub(crate) struct Man;

impl Man {
    pub(crate) fn run(self, _: &Session) -> Result {
        let mut page = Vec::new();
        clap_mangen::Man::new(Micro::command()).render(&mut page)?;
        Ok(io::stdout().lock().write_all(&page)?)
    }
}
