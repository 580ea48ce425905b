//! Where the last set of each service is kept.

use std::{
    env,
    ffi::OsString,
    path::{Path, PathBuf},
};

use crate::{hash::fnv1a, registry::Registry};

/// Where the last set of each service is kept, for a start while the registry does not respond.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Snapshots {
    /// For a registry on a server: `$XDG_CACHE_HOME/micro/discovery`, or `~/.cache/micro/discovery`, in a
    /// directory named after the registry and its place. For others, or without a home: nowhere.
    #[default]
    Usual,
    /// Nowhere.
    Off,
    /// In this directory, which only one registry may use.
    In(PathBuf),
}

impl Snapshots {
    /// The directory, if there is one, for `registry`.
    pub fn directory(&self, registry: &dyn Registry) -> Option<PathBuf> {
        match self {
            Snapshots::Usual => usual(registry, |name| env::var_os(name)),
            Snapshots::Off => None,
            Snapshots::In(directory) => Some(directory.clone()),
        }
    }
}

fn usual(registry: &dyn Registry, variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let place = registry.place()?;
    let absolute = |name| {
        variable(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    let cache = absolute("XDG_CACHE_HOME").or_else(|| Some(absolute("HOME")?.join(".cache")))?;
    let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
    let name: String = registry.name().chars().take(40).map(plain).collect();
    let own = format!("{name}-{:016x}", fnv1a(&place));
    Some(cache.join(Path::new("micro/discovery")).join(own))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use async_trait::async_trait;

    use super::*;
    use crate::{
        error::Result,
        node::Node,
        registry::{Memory, Updates},
    };

    struct At(&'static str);

    #[async_trait]
    impl Registry for At {
        fn name(&self) -> &str {
            "etcd"
        }
        fn place(&self) -> Option<String> {
            Some(self.0.to_owned())
        }
        async fn register(&self, _: &Node, _: Option<Duration>) -> Result<()> {
            Ok(())
        }
        async fn deregister(&self, _: &Node) -> Result<()> {
            Ok(())
        }
        async fn get(&self, _: &str) -> Result<Vec<Node>> {
            Ok(Vec::new())
        }
        async fn list(&self) -> Result<Vec<String>> {
            Ok(Vec::new())
        }
        async fn watch(&self, _: Option<&str>) -> Result<Updates> {
            Memory::new().watch(None).await
        }
    }

    fn found(registry: &dyn Registry, home: &str) -> Option<String> {
        let variable = |name: &str| (name == "HOME" && !home.is_empty()).then(|| home.into());
        usual(registry, variable).map(|path| path.display().to_string())
    }

    #[test]
    fn each_remote_registry_has_a_directory_of_its_own() {
        let one = found(&At("10.0.0.1:2379"), "/home/ann");
        assert_eq!(
            one.as_deref(),
            Some("/home/ann/.cache/micro/discovery/etcd-becfe2442cf21022")
        );
        assert_ne!(one, found(&At("10.0.0.2:2379"), "/home/ann"));
        assert_eq!(found(&At("10.0.0.1:2379"), ""), None);
        assert_eq!(found(&At("10.0.0.1:2379"), "relative"), None);
    }

    #[test]
    fn local_registries_are_not_kept() {
        assert_eq!(found(&Memory::new(), "/home/ann"), None);
    }
}
