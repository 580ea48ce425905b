//! The plugins of one kind, by name.

use std::{collections::BTreeMap, sync::Arc};

use super::{Url, known};
use micro_core::{
    Plugin,
    broker::{self, Broker},
    error::{Error, Result},
    protocols::Socket,
    random::Rng,
    registry::{self, Registry},
    selector::{Strategy, strategy},
    transport::{self, Transport},
};

type Open<T> = Arc<dyn Fn(&Url) -> Result<Arc<T>> + Send + Sync>;

/// How each plugin of a kind is opened, by its name.
pub(super) struct Table<T: ?Sized> {
    /// The kind, such as `registry`.
    kind: &'static str,
    /// Plugins that are made of other parts: the default, and variants of it. They may be named, too.
    made: &'static [&'static str],
    open: BTreeMap<String, Open<T>>,
}

impl<T: ?Sized> Clone for Table<T> {
    fn clone(&self) -> Self {
        Table {
            kind: self.kind,
            made: self.made,
            open: self.open.clone(),
        }
    }
}

impl<T: ?Sized> Table<T> {
    fn new(kind: &'static str) -> Self {
        Table {
            kind,
            made: &[],
            open: BTreeMap::new(),
        }
    }

    /// Adds a plugin. A plugin of the same name is replaced.
    pub(super) fn add(
        &mut self,
        name: &str,
        open: impl Fn(&Url) -> Result<Arc<T>> + Send + Sync + 'static,
    ) {
        self.open.insert(name.to_owned(), Arc::new(open));
    }

    /// Adds a plugin under its own name. A plugin of the same name is replaced.
    pub(super) fn add_plugin(&mut self, plugin: Plugin<T>)
    where
        T: 'static,
    {
        self.open.insert(
            plugin.name().to_owned(),
            Arc::new(move |url| plugin.open(url)),
        );
    }

    /// Opens the plugin that a URL names; `None` is the default or a variant of it. The error for an unknown name lists the
    /// known ones.
    pub(super) fn open(&self, url: &Url) -> Result<Option<Arc<T>>> {
        let (kind, name) = (self.kind, url.name());
        let listed =
            name.contains(',') || url.address().contains("://") && url.address().contains(',');
        if kind != "registry" && listed {
            return Err(Error::invalid_argument(format!(
                "more than one {kind} in `{url}`; name one"
            )));
        }
        let opened = match self.open.get(name) {
            Some(open) => open(url).map(Some),
            // The address is used where the plugin is made of its parts.
            None if self.kind == "broker" && self.made.contains(&name) => Ok(None),
            None if self.made.contains(&name) => url.check_is_bare().map(|()| None),
            None => return Err(self.unknown(name)),
        };
        opened.map_err(|error| error.context(format!("{kind} `{url}`")))
    }

    fn unknown(&self, name: &str) -> Error {
        let kind = self.kind;
        let names = self.names();
        let hint = micro_core::hint(name, [names.clone(), known::addable(kind)].concat());
        let missing = known::missing(kind, name, &hint);
        let names: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
        let names = names.join(", ");
        Error::invalid_argument(format!(
            "{missing}; built in are: {names}; another is added in code with `Settings::with_{kind}`"
        ))
    }

    /// The names that can be chosen, the default first.
    pub(super) fn names(&self) -> Vec<&str> {
        let names = self.open.keys().map(String::as_str);
        self.made.iter().copied().chain(names).collect()
    }
}

/// The built-in registries.
pub(super) fn registries() -> Table<dyn Registry> {
    let mut table = Table::<dyn Registry>::new("registry");
    for plugin in registry::PLUGINS {
        table.add_plugin(*plugin);
    }
    for plugin in known::REGISTRIES.iter().filter_map(|(_, plugin)| *plugin) {
        table.add_plugin(plugin);
    }
    table
}

/// The built-in transports.
pub(super) fn transports() -> Table<dyn Transport> {
    let mut table = Table::<dyn Transport>::new("transport");
    table.made = &Socket::CLIENT_PROTOCOLS;
    table.add("memory", |url| {
        url.check_is_bare()?;
        Ok(Arc::new(transport::Memory::new()))
    });
    table
}

/// The built-in brokers.
pub(super) fn brokers() -> Table<dyn Broker> {
    let mut table = Table::<dyn Broker>::new("broker");
    table.made = &[
        "direct",
        #[cfg(feature = "mucp")]
        "http",
    ];
    table.add("memory", |url| {
        url.check_is_bare()?;
        Ok(Arc::new(broker::Memory::new()))
    });
    table
}

/// The built-in strategies, and go-micro's names of the default one.
pub(super) fn strategies() -> Table<dyn Strategy> {
    let mut table = Table::<dyn Strategy>::new("strategy");
    for name in strategy::NAMES {
        table.add(name, move |url| {
            url.check_is_bare()?;
            strategy::named(name, Rng::new())
        });
    }
    for name in ["default", "cache"] {
        table.add(name, |url| {
            url.check_is_bare()?;
            strategy::named(strategy::NAMES[0], Rng::new())
        });
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plugin_is_opened_by_the_name_of_its_feature() {
        for (feature, plugin) in known::REGISTRIES {
            if let Some(plugin) = plugin {
                assert_eq!(plugin.name(), *feature, "in micro/src/settings/known.rs");
            }
        }
    }
}
