//! Values that layers of one side pass on beside a request; never sent.

use std::{
    any::{Any, TypeId},
    collections::BTreeMap,
    fmt,
};

/// Values by type that accompany a request inside one process. Costs nothing while empty.
#[derive(Default)]
#[allow(
    clippy::box_collection,
    reason = "one word in every request, where a map would be three"
)]
pub struct Extensions(Option<Box<BTreeMap<TypeId, Box<dyn Any + Send + Sync>>>>);

impl Extensions {
    /// Whether there are no values.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Inserts a value, and replaces one of the same type.
    pub fn insert<T: Send + Sync + 'static>(&mut self, value: T) {
        self.0
            .get_or_insert_default()
            .insert(TypeId::of::<T>(), Box::new(value));
    }

    /// Returns the value of a type.
    pub fn get<T: Send + Sync + 'static>(&self) -> Option<&T> {
        self.0.as_ref()?.get(&TypeId::of::<T>())?.downcast_ref()
    }

    /// Returns the value of a type for changes.
    pub fn get_mut<T: Send + Sync + 'static>(&mut self) -> Option<&mut T> {
        self.0.as_mut()?.get_mut(&TypeId::of::<T>())?.downcast_mut()
    }
}

impl fmt::Debug for Extensions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} extensions",
            self.0.as_ref().map_or(0, |all| all.len())
        )
    }
}
