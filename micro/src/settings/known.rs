//! Plugins that the project has a name for, whether or not this program was built with them.

use micro_core::Socket;

/// A plugin that is not always built in.
#[derive(Clone, Copy)]
pub(super) struct Known {
    /// Such as `registry`.
    kind: &'static str,
    name: &'static str,
    /// The cargo features that build it in; none as long as nothing does.
    features: &'static [&'static str],
}

const fn registry(name: &'static str, features: &'static [&'static str]) -> Known {
    let kind = "registry";
    Known {
        kind,
        name,
        features,
    }
}

const fn broker(name: &'static str, features: &'static [&'static str]) -> Known {
    let kind = "broker";
    Known {
        kind,
        name,
        features,
    }
}

/// All of them but transports. A plugin behind a feature is a row here, and a line in [`super::table`].
const KNOWN: [Known; 13] = [
    registry("consul", &["consul"]),
    registry("dns", &["dns"]),
    registry("etcd", &["etcd"]),
    registry("kubernetes", &["kubernetes"]),
    registry("mdns", &["mdns"]),
    registry("nats", &["nats"]),
    registry("zookeeper", &["zookeeper"]),
    broker("http", &["mucp"]),
    broker("kafka", &[]),
    broker("mqtt", &[]),
    broker("nats", &[]),
    broker("rabbitmq", &[]),
    broker("redis", &[]),
];

/// All of them. The protocols of the default transport come from its own table.
fn all() -> impl Iterator<Item = Known> {
    let transports = Socket::features().filter(|(_, features)| !features.is_empty());
    let transports = transports.map(|(name, features)| Known {
        kind: "transport",
        name,
        features,
    });
    KNOWN.into_iter().chain(transports)
}

/// What is wrong with a name that is not built in, for an error: which feature it needs, or that there
/// is none.
pub(super) fn wrong(kind: &str, name: &str, hint: &str) -> String {
    wrong_of(all(), kind, name, hint)
}

/// The registries that have a name, built in or not.
pub(super) fn registries() -> impl Iterator<Item = &'static str> {
    let known = KNOWN.iter().filter(|known| known.kind == "registry");
    known.map(|known| known.name)
}

/// The names that a feature would build in, for hints.
pub(super) fn addable(kind: &str) -> Vec<&'static str> {
    let known = all().filter(|known| known.kind == kind && !known.features.is_empty());
    known.map(|known| known.name).collect()
}

fn wrong_of(mut known: impl Iterator<Item = Known>, kind: &str, name: &str, hint: &str) -> String {
    let known = known.find(|known| known.kind == kind && known.name == name);
    match known.map(|known| known.features) {
        None => format!("{kind} `{name}` is not known{hint}"),
        Some([]) => format!("{kind} `{name}` is not built in"),
        Some([feature]) => format!("{kind} `{name}` needs the feature `{feature}` of `micro-rs`"),
        Some(features) => {
            let features = features.join("` and `");
            format!("{kind} `{name}` needs the features `{features}` of `micro-rs`")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_feature_is_named_where_there_is_one() {
        let known = [
            registry("consul", &["consul"]),
            registry("both", &["a", "b"]),
            broker("nats", &[]),
        ];
        let wrong = |kind, name| wrong_of(known.into_iter(), kind, name, "; did you mean `x`?");
        assert_eq!(
            wrong("registry", "both"),
            "registry `both` needs the features `a` and `b` of `micro-rs`"
        );
        assert_eq!(
            wrong("registry", "consul"),
            "registry `consul` needs the feature `consul` of `micro-rs`"
        );
        assert_eq!(wrong("broker", "nats"), "broker `nats` is not built in");
        assert_eq!(
            wrong("broker", "consul"),
            "broker `consul` is not known; did you mean `x`?"
        );
    }

    #[test]
    fn every_feature_named_here_is_one_of_the_crate_and_none_is_forgotten() {
        let manifest = include_str!("../../Cargo.toml");
        let section = manifest.split_once("\n[features]\n");
        let section = section.map_or("", |(_, section)| section);
        let section = section.split("\n[").next().unwrap();
        let lines = section.lines().filter_map(|line| line.split_once('='));
        let features: Vec<_> = lines.map(|(name, _)| name.trim()).collect();
        for known in all() {
            for feature in known.features {
                assert!(
                    features.contains(feature),
                    "`{}`: no `{feature}`",
                    known.name
                );
            }
            if known.features.is_empty() {
                let named = features.contains(&known.name);
                let other = all().any(|other| other.features == [known.name]);
                assert!(
                    !named || other,
                    "`{}` has a feature: say so in `KNOWN`",
                    known.name
                );
            }
        }
    }
}
