//! Events of the HTTP broker.
