//! What a setting makes the log warn of.

#[cfg(all(feature = "etcd", feature = "consul", feature = "nats"))]
use micro::Plugins;

use super::said;

/// Keeps the texts and fields of warnings.
#[derive(Clone, Default)]
struct Warnings(std::sync::Arc<std::sync::Mutex<Vec<String>>>);

impl tracing::Subscriber for Warnings {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        *metadata.level() == tracing::Level::WARN
    }

    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }

    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}

    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        let mut text = String::new();
        event.record(
            &mut |field: &tracing::field::Field, value: &dyn std::fmt::Debug| {
                text += &format!("{}={value:?} ", field.name());
            },
        );
        self.0.lock().unwrap().push(text);
    }

    fn enter(&self, _: &tracing::span::Id) {}

    fn exit(&self, _: &tracing::span::Id) {}
}

/// What is warned of while `work` runs.
fn warned(work: impl FnOnce()) -> Vec<String> {
    let warnings = Warnings::default();
    tracing::subscriber::with_default(warnings.clone(), work);
    let warned = warnings.0.lock().unwrap().clone();
    // Of other threads' call sites nothing is heard here.
    warned
}

#[test]
fn variable_that_looks_like_ours_is_warned_of() {
    let variables = [
        ("MICRO_REGISTRY_TTL", "5"),
        ("MICRO_REGITRY", "etcd"),
        ("MICRO_SERVER_NAME", "a"),
        ("MICRO_TEST_SLOW", "1"),
        ("REGISTRY_TTL", "1"),
    ];
    let warned = warned(|| drop(said(&variables, &[]).unwrap()));
    assert_eq!(warned.len(), 2, "{warned:?}");
    let meant = ["`MICRO_REGISTER_TTL`", "`MICRO_REGISTRY`"];
    for (warning, meant) in warned.iter().zip(meant) {
        assert!(warning.contains(meant), "{warning}");
    }
}

#[cfg(all(feature = "etcd", feature = "consul", feature = "nats"))]
#[tokio::test]
async fn secret_that_goes_out_without_tls_is_warned_of_once() {
    for (registry, expected) in [
        ("etcd://me:hunter2@10.0.0.1", 1),
        ("consul://10.0.0.1?token=hunter2", 1),
        ("nats://127.0.0.1,10.0.0.1?token=hunter2", 1),
        ("zookeeper://me:hunter2@db.example", 1),
        ("kubernetes:http://10.0.0.1?token=hunter2", 1),
        ("etcd://10.0.0.1", 0),
        ("etcd://me:hunter2@127.0.0.1,[::1],localhost", 0),
        ("etcd://me:hunter2@10.0.0.1?tls=true", 0),
    ] {
        let settings = said(&[], &[&format!("--registry={registry}")]).unwrap();
        let warned = warned(|| drop(settings.apply(Plugins::new()).unwrap()));
        let of_secret = warned.iter().filter(|text| text.contains("without TLS"));
        assert_eq!(of_secret.count(), expected, "{registry}: {warned:?}");
        assert!(!format!("{warned:?}").contains("hunter2"), "{warned:?}");
    }
}
