//! The parts that the command line names.

use micro::{Plugins, Result, Settings, Socket};

use crate::arguments::Arguments;

/// Its settings.
pub(crate) fn settings(arguments: &Arguments) -> Result<Settings> {
    Settings::new().args(arguments.settings.iter().cloned())
}

/// Its plugins, of which the settings are not yet taken.
pub(crate) fn plugins(arguments: &Arguments) -> Result<Plugins> {
    let socket = match &arguments.protocol {
        Some(protocol) => Socket::new().client_protocol(protocol)?,
        None => Socket::new(),
    };
    // A case is about one answer: a second attempt would hide the first.
    Ok(Plugins::new()
        .socket(socket)
        .balance(|balance| balance.attempts = 1))
}
