//! Plugins that the project has a name for, whether or not this program was built with them.

/// A plugin that is not always built in.
pub(super) struct Known {
    /// Such as `registry`.
    kind: &'static str,
    name: &'static str,
    /// The cargo feature that builds it in; `None` as long as there is none.
    feature: Option<&'static str>,
}

const fn registry(name: &'static str, feature: Option<&'static str>) -> Known {
    let kind = "registry";
    Known {
        kind,
        name,
        feature,
    }
}

const fn broker(name: &'static str, feature: Option<&'static str>) -> Known {
    let kind = "broker";
    Known {
        kind,
        name,
        feature,
    }
}

/// All of them. A plugin behind a feature is a row here, and a line in [`super::table`].
const KNOWN: [Known; 12] = [
    registry("consul", Some("consul")),
    registry("dns", Some("dns")),
    registry("etcd", Some("etcd")),
    registry("kubernetes", Some("kubernetes")),
    registry("mdns", Some("mdns")),
    registry("nats", Some("nats")),
    registry("zookeeper", Some("zookeeper")),
    broker("kafka", None),
    broker("mqtt", None),
    broker("nats", None),
    broker("rabbitmq", None),
    broker("redis", None),
];

/// What is wrong with a name that is not built in, for an error: which feature it needs, or that there
/// is none.
pub(super) fn wrong(kind: &str, name: &str, hint: &str) -> String {
    wrong_of(&KNOWN, kind, name, hint)
}

/// The registries that have a name, built in or not.
pub(super) fn registries() -> impl Iterator<Item = &'static str> {
    let known = KNOWN.iter().filter(|known| known.kind == "registry");
    known.map(|known| known.name)
}

/// The names that a feature would build in, for hints.
pub(super) fn addable(kind: &str) -> Vec<&'static str> {
    let known = KNOWN.iter().filter(|known| known.kind == kind);
    known
        .filter_map(|known| known.feature.map(|_| known.name))
        .collect()
}

fn wrong_of(known: &[Known], kind: &str, name: &str, hint: &str) -> String {
    let known = known
        .iter()
        .find(|known| known.kind == kind && known.name == name);
    match known.map(|known| known.feature) {
        Some(Some(feature)) => {
            format!("{kind} `{name}` needs the feature `{feature}` of `micro-rs`")
        }
        Some(None) => format!("{kind} `{name}` is not built in"),
        None => format!("{kind} `{name}` is not known{hint}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_feature_is_named_where_there_is_one() {
        let known = [registry("consul", Some("consul")), broker("nats", None)];
        let wrong = |kind, name| wrong_of(&known, kind, name, "; did you mean `x`?");
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
        for Known { name, feature, .. } in KNOWN {
            if let Some(feature) = feature {
                assert!(features.contains(&feature), "`{name}`: no `{feature}`");
            } else {
                // `http` is the protocol; a broker of that name would say so here.
                let named = features.contains(&name) && name != "http";
                let other = KNOWN.iter().any(|known| known.feature == Some(name));
                assert!(!named || other, "`{name}` has a feature: say so in `KNOWN`");
            }
        }
    }
}
