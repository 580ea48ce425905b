//! Real servers of registries, and a proxy in front of them.

mod backend;
mod proxy;
mod servers;

use anyhow::{Result, anyhow};
use micro::{Plugins, Settings};

pub(crate) use backend::Backend;
pub(crate) use proxy::Proxy;
pub(crate) use servers::Servers;

/// These plugins, with the registry at `url`.
pub(crate) fn plugins(url: &str, plugins: Plugins) -> Result<Plugins> {
    let said = [("MICRO_REGISTRY".to_owned(), url.to_owned())];
    let settings = Settings::new().env(said);
    let plugins = settings.and_then(|settings| settings.apply(plugins));
    plugins.map_err(|error| anyhow!("{error}"))
}
