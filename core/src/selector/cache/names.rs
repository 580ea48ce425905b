//! A map by the name of a service, with a lookup so cheap that a call does not notice it.

use std::collections::HashMap;

use foldhash::fast::RandomState;

/// Values by name. The hash has a secret seed, since names may come from outside.
pub(crate) type Names<V> = HashMap<Box<str>, V, RandomState>;
