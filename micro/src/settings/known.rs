//! Plugins that need a cargo feature, whether or not this program was built with it.

use micro_core::{Plugin, Socket, registry::Registry};

/// A registry named as its feature; `None` without the feature.
macro_rules! registry {
    ($feature:literal, $plugin:path) => {{
        #[cfg(feature = $feature)]
        let plugin = Some($plugin);
        #[cfg(not(feature = $feature))]
        let plugin = None;
        ($feature, plugin)
    }};
}
/// The registries of `plugins/`: the feature and the constant of each. A new registry is one row here.
pub(super) const REGISTRIES: &[(&str, Option<Plugin<dyn Registry>>)] = &[
    registry!("consul", micro_consul::REGISTRY),
    registry!("dns", micro_dns::REGISTRY),
    registry!("etcd", micro_etcd::REGISTRY),
    registry!("kubernetes", micro_kubernetes::REGISTRY),
    registry!("mdns", micro_mdns::REGISTRY),
    registry!("nats", micro_nats::REGISTRY),
    registry!("zookeeper", micro_zookeeper::REGISTRY),
];

/// Brokers and their features; no feature if the broker is not written yet.
const BROKERS: &[(&str, &[&str])] = &[
    ("http", &["mucp"]),
    ("kafka", &[]),
    ("mqtt", &[]),
    ("nats", &[]),
    ("rabbitmq", &[]),
    ("redis", &[]),
];

/// A plugin that is not always built in.
#[derive(Clone, Copy)]
struct OptionalPlugin {
    /// The kind, such as `registry`.
    kind: &'static str,
    name: &'static str,
    /// The cargo features that build it in; none if no feature does.
    features: &'static [&'static str],
}

/// All optional plugins. The protocols of the default transport come from a table of the core.
fn all() -> impl Iterator<Item = OptionalPlugin> {
    let plugin = |kind, name, features| OptionalPlugin {
        kind,
        name,
        features,
    };
    let registries = REGISTRIES
        .iter()
        .map(move |(name, _)| plugin("registry", name, std::slice::from_ref(name)));
    let brokers = BROKERS
        .iter()
        .map(move |(name, features)| plugin("broker", name, features));
    let transports = Socket::features().filter(|(_, features)| !features.is_empty());
    let transports = transports.map(move |(name, features)| plugin("transport", name, features));
    registries.chain(brokers).chain(transports)
}

/// The error text for a name that is not built in: the feature to enable, or that there is none.
pub(super) fn missing(kind: &str, name: &str, hint: &str) -> String {
    missing_of(all(), kind, name, hint)
}

/// The names of registries, built in or not.
pub(super) fn registries() -> impl Iterator<Item = &'static str> {
    REGISTRIES.iter().map(|(name, _)| *name)
}

/// The names of the plugins that a feature builds in, for hints.
pub(super) fn addable(kind: &str) -> Vec<&'static str> {
    let plugins = all().filter(|plugin| plugin.kind == kind && !plugin.features.is_empty());
    plugins.map(|plugin| plugin.name).collect()
}

// Not the name of the package: the command `micro` has features of the same names.
fn missing_of(
    mut plugins: impl Iterator<Item = OptionalPlugin>,
    kind: &str,
    name: &str,
    hint: &str,
) -> String {
    let plugin = plugins.find(|plugin| plugin.kind == kind && plugin.name == name);
    match plugin.map(|plugin| plugin.features) {
        None => format!("{kind} `{name}` is not known{hint}"),
        Some([]) => format!("{kind} `{name}` is not built in"),
        Some([feature]) => {
            format!("{kind} `{name}` is not built in; enable the cargo feature `{feature}`")
        }
        Some(features) => {
            let features = features.join("` and `");
            format!("{kind} `{name}` is not built in; enable the cargo features `{features}`")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_names_the_features_of_a_missing_plugin() {
        let plugin = |kind, name, features| OptionalPlugin {
            kind,
            name,
            features,
        };
        let plugins = [
            plugin("registry", "consul", &["consul"]),
            plugin("registry", "both", &["a", "b"]),
            plugin("broker", "nats", &[]),
        ];
        let missing =
            |kind, name| missing_of(plugins.into_iter(), kind, name, "; did you mean `x`?");
        assert_eq!(
            missing("registry", "both"),
            "registry `both` is not built in; enable the cargo features `a` and `b`"
        );
        assert_eq!(
            missing("registry", "consul"),
            "registry `consul` is not built in; enable the cargo feature `consul`"
        );
        assert_eq!(missing("broker", "nats"), "broker `nats` is not built in");
        assert_eq!(
            missing("broker", "consul"),
            "broker `consul` is not known; did you mean `x`?"
        );
    }

    #[test]
    fn tables_agree_with_the_features_of_the_crate() {
        let manifest = include_str!("../../Cargo.toml");
        let section = manifest.split_once("\n[features]\n");
        let section = section.map_or("", |(_, section)| section);
        let section = section.split("\n[").next().unwrap();
        let lines = section.lines().filter_map(|line| line.split_once('='));
        let features: Vec<_> = lines.map(|(name, _)| name.trim()).collect();
        for plugin in all() {
            let name = plugin.name;
            for feature in plugin.features {
                assert!(
                    features.contains(feature),
                    "`{name}`: add the feature `{feature}` to micro/Cargo.toml"
                );
            }
            if plugin.features.is_empty() {
                let other = all().any(|other| other.features == [name]);
                assert!(
                    !features.contains(&name) || other,
                    "`{name}` has a feature: add the feature to its row in micro/src/settings/known.rs"
                );
            }
        }
    }
}
