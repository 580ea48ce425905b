//! The kinds of plugins that settings may name.

use super::{Plugin, Settings};
use micro_core::{broker::Broker, registry::Registry, selector::Strategy, transport::Transport};

/// A kind of plugin that settings can name: `dyn Registry`, `dyn Transport`, `dyn Broker` or `dyn Strategy`.
pub trait PluginKind: sealed::Kind {}

impl<T: sealed::Kind + ?Sized> PluginKind for T {}

pub(super) mod sealed {
    use super::{Plugin, Settings};

    pub trait Kind: Send + Sync + 'static {
        /// Adds a plugin to the table of its kind.
        fn add(plugin: Plugin<Self>, settings: &mut Settings);
    }
}

macro_rules! kinds {
    ($($kind:path: $field:ident),+) => {$(
        impl sealed::Kind for dyn $kind {
            fn add(plugin: Plugin<Self>, settings: &mut Settings) {
                settings.$field.add_plugin(plugin);
            }
        }
    )+};
}

kinds!(Registry: registries, Transport: transports, Broker: brokers, Strategy: strategies);
