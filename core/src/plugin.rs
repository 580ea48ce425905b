//! What a plugin crate exports, so that programs can name the plugin in a setting.

use std::{fmt, sync::Arc};

use crate::{error::Result, url::Url};

/// A plugin of one kind, such as `Plugin<dyn Registry>`: the name that settings choose it by, and how a URL opens it.
///
/// A plugin crate exports a constant for each kind of plugin that its system offers, called `REGISTRY`, `BROKER` or
/// `TRANSPORT`. Programs add it with `Settings::with_plugin`.
///
/// ```
/// use std::sync::Arc;
/// use micro_core::{Plugin, Result, registry::{Memory, Registry}, url::Url};
///
/// /// Whiteboard as a registry: `--registry=whiteboard`.
/// pub const REGISTRY: Plugin<dyn Registry> = Plugin::new("whiteboard", |url| {
///     url.check_is_bare()?;
///     Ok(Arc::new(Memory::new()))
/// });
///
/// # fn main() -> Result<()> {
/// let registry = REGISTRY.open(&Url::parse("whiteboard"))?;
/// assert!(REGISTRY.open(&Url::parse("whiteboard://host")).is_err());
/// # Ok(())
/// # }
/// ```
pub struct Plugin<T: ?Sized> {
    name: &'static str,
    open: fn(&Url) -> Result<Arc<T>>,
}

impl<T: ?Sized> Plugin<T> {
    /// A plugin of this name. `open` fails with [`Code::InvalidArgument`](crate::Code::InvalidArgument) for each part of
    /// a URL that it does not read, and connects to nothing.
    pub const fn new(name: &'static str, open: fn(&Url) -> Result<Arc<T>>) -> Self {
        Plugin { name, open }
    }

    /// The name that settings choose it by.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Opens the plugin at a URL.
    ///
    /// # Errors
    /// Those of the plugin; [`Code::InvalidArgument`](crate::Code::InvalidArgument) for a URL that it does not understand.
    pub fn open(&self, url: &Url) -> Result<Arc<T>> {
        (self.open)(url)
    }
}

// Derived, both would ask the same of `T`.
impl<T: ?Sized> Clone for Plugin<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T: ?Sized> Copy for Plugin<T> {}

impl<T: ?Sized> fmt::Debug for Plugin<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Plugin").field(&self.name).finish()
    }
}
