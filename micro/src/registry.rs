//! Discovery: the [`Registry`] trait, and the registries that are built in.

pub use micro_core::registry::*;

#[cfg(feature = "consul")]
pub use micro_consul::Consul;
#[cfg(feature = "dns")]
pub use micro_dns::Dns;
#[cfg(feature = "etcd")]
pub use micro_etcd::Etcd;
#[cfg(feature = "kubernetes")]
pub use micro_kubernetes::Kubernetes;
#[cfg(feature = "mdns")]
pub use micro_mdns::Mdns;
#[cfg(feature = "nats")]
pub use micro_nats::Nats;
#[cfg(feature = "zookeeper")]
pub use micro_zookeeper::ZooKeeper;
