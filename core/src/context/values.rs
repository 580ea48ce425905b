//! Typed values that accompany a request inside one process.

use std::{
    any::{Any, TypeId},
    sync::Arc,
};

/// Values by type, at most one of each. Cheap to clone; an empty one allocates nothing.
#[derive(Clone, Default)]
pub(super) struct Values(Option<Arc<Vec<Value>>>);

type Value = (TypeId, Arc<dyn Any + Send + Sync>);

impl Values {
    pub(super) fn insert<T: Send + Sync + 'static>(&mut self, value: T) {
        let values = Arc::make_mut(self.0.get_or_insert_default());
        let key = TypeId::of::<T>();
        let value: Arc<dyn Any + Send + Sync> = Arc::new(value);
        match values.iter_mut().find(|(other, _)| *other == key) {
            Some(place) => place.1 = value,
            None => values.push((key, value)),
        }
    }

    pub(super) fn get<T: Send + Sync + 'static>(&self) -> Option<&T> {
        let key = TypeId::of::<T>();
        let mut values = self.0.as_ref()?.iter();
        values
            .find(|(other, _)| *other == key)
            .and_then(|(_, value)| value.downcast_ref())
    }
}
