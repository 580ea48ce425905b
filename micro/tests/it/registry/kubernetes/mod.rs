//! A Kubernetes cluster as a registry, against a real API server: each test has a namespace of its own.

mod cluster;
mod losses;
mod permissions;
mod pods;
mod restarts;
mod slices;
