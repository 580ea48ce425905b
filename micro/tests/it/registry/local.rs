use std::{
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use micro::{
    Code,
    registry::{Local, Node, Registry, Update, contract},
};

use super::{ids, next, next_set, until};

const TTL: Option<Duration> = Some(Duration::from_secs(60));

/// A directory of its own for a test, gone with it.
pub(super) struct Place(PathBuf);

impl Place {
    pub(super) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        Place(std::env::temp_dir().join(format!("micro-it-{}-{number}", std::process::id())))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    pub(super) fn registry(&self) -> Local {
        Local::at(&self.0)
    }

    /// The files in it, hidden ones too.
    pub(super) fn files(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(&self.0).unwrap();
        entries.map(|entry| entry.unwrap().path()).collect()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn node(id: &str) -> Node {
    Node::new("greeter", id, "127.0.0.1:1")
}

#[tokio::test]
async fn local_keeps_the_contract() {
    let place = Place::new();
    contract::all(async || Arc::new(place.registry()) as Arc<dyn Registry>).await;
    assert_eq!(place.files(), Vec::<PathBuf>::new(), "and leaves nothing");
}

#[tokio::test]
async fn namespaces_of_one_directory_do_not_see_each_other() {
    let place = Place::new();
    let within = |name| place.registry().namespace(name).unwrap();
    let (blue, green) = (within("blue"), within("green.2"));
    assert!(blue.list().await.unwrap().is_empty());
    assert!(!place.path().exists());
    blue.register(&node("1"), TTL).await.unwrap();
    green.register(&node("2"), TTL).await.unwrap();
    let mut updates = place.registry().watch(None).await.unwrap();
    for (registry, id) in [(within("blue"), "1"), (within("green.2"), "2")] {
        assert_eq!(ids(&registry.get("greeter").await.unwrap()), [id]);
    }
    let kept = place.registry();
    kept.register(&node("3"), TTL).await.unwrap();
    until(&mut updates, &["3"]).await;
    for wrong in ["../up", "a/b", ".hidden"] {
        let error = place.registry().namespace(wrong).unwrap_err();
        assert_eq!(error.code(), Code::InvalidArgument);
    }
}

#[tokio::test]
async fn nothing_is_made_before_it_is_used() {
    let place = Place::new();
    let registry = place.registry();
    assert!(registry.list().await.unwrap().is_empty());
    assert!(registry.get("greeter").await.unwrap().is_empty());
    registry.deregister(&node("1")).await.unwrap();
    assert!(!place.path().exists());
}

#[tokio::test]
async fn directory_is_closed_to_other_users() {
    use std::os::unix::fs::MetadataExt;
    let place = Place::new();
    let registry = place.registry();
    registry.register(&node("1"), TTL).await.unwrap();
    assert_eq!(fs::metadata(place.path()).unwrap().mode() & 0o777, 0o700);
    assert_eq!(
        fs::metadata(&place.files()[0]).unwrap().mode() & 0o777,
        0o600
    );
}

#[tokio::test]
async fn renewal_of_the_same_writes_nothing() {
    use std::os::unix::fs::MetadataExt;
    let place = Place::new();
    let registry = place.registry();
    registry.register(&node("1"), TTL).await.unwrap();
    let inode = || fs::metadata(&place.files()[0]).unwrap().ino();
    let before = inode();
    registry.register(&node("1"), TTL).await.unwrap();
    assert_eq!(inode(), before);
}

#[tokio::test]
async fn node_goes_with_the_value_that_registered_it() {
    let place = Place::new();
    let registry = place.registry();
    registry.register(&node("mortal"), TTL).await.unwrap();
    registry.register(&node("lasting"), None).await.unwrap();
    let mut updates = place.registry().watch(Some("greeter")).await.unwrap();
    until(&mut updates, &["lasting", "mortal"]).await;
    drop(registry);
    assert!(until(&mut updates, &["lasting"]).await);
}

#[tokio::test]
async fn records_of_a_dead_boot_are_cleaned() {
    let place = Place::new();
    let registry = place.registry();
    registry.register(&node("1"), TTL).await.unwrap();
    let alive = place.files().remove(0);
    // After a restart of the machine a record is there, and no lock on it.
    let dead = alive.with_file_name("greeter+greeter-0+0000000000000001-0000000000000001.json");
    fs::copy(&alive, &dead).unwrap();
    assert_eq!(ids(&place.registry().get("greeter").await.unwrap()), ["1"]);
    assert_eq!(place.files(), [alive]);
}

#[tokio::test]
async fn what_a_dead_writer_left_is_swept_when_it_is_old() {
    let place = Place::new();
    fs::create_dir(place.path()).unwrap();
    let (old, young) = (place.path().join(".new-1"), place.path().join(".new-2"));
    let past = std::time::SystemTime::now() - Duration::from_secs(120);
    fs::File::create(&old).unwrap().set_modified(past).unwrap();
    fs::File::create(&young).unwrap();
    assert!(place.registry().list().await.unwrap().is_empty());
    assert_eq!(place.files(), [young]);
}

#[tokio::test]
async fn corrupt_or_half_written_file_harms_no_other() {
    let place = Place::new();
    let registry = place.registry();
    registry.register(&node("1"), TTL).await.unwrap();
    let whole = fs::read(&place.files()[0]).unwrap();
    fs::write(place.path().join("half.json"), &whole[..whole.len() / 2]).unwrap();
    fs::write(place.path().join("empty.json"), b"").unwrap();
    fs::write(place.path().join("garbage.json"), [0xff; 99]).unwrap();
    fs::create_dir(place.path().join("directory.json")).unwrap();
    fs::write(place.path().join("notes.txt"), b"not ours").unwrap();
    let mut updates = place.registry().watch(Some("greeter")).await.unwrap();
    assert_eq!(ids(&next_set(&mut updates).await.0), ["1"]);
    assert_eq!(ids(&registry.get("greeter").await.unwrap()), ["1"]);
    assert_eq!(registry.list().await.unwrap(), ["greeter"]);
    assert_eq!(place.files().len(), 6, "nothing is removed");
}

#[tokio::test]
async fn hostile_record_is_left_out_and_harms_no_other() {
    let place = Place::new();
    let registry = place.registry();
    registry.register(&node("1"), TTL).await.unwrap();
    let endpoints = vec![r#"{"name":"E"}"#; 10_000].join(",");
    let hostile = [
        (
            "nowhere",
            r#"{"id":"2","address":"0.0.0.0:0"}"#.to_owned(),
            String::new(),
        ),
        (
            "control",
            r#"{"id":"3\u0007","address":"h:1"}"#.to_owned(),
            String::new(),
        ),
        (
            "large",
            format!(
                r#"{{"id":"4","address":"h:1","metadata":{{"k":"{}"}}}}"#,
                "x".repeat(2_000_000)
            ),
            String::new(),
        ),
        (
            "many",
            r#"{"id":"5","address":"h:1"}"#.to_owned(),
            endpoints,
        ),
    ];
    for (name, nodes, endpoints) in hostile {
        let json = format!(r#"{{"name":"greeter","endpoints":[{endpoints}],"nodes":[{nodes}]}}"#);
        fs::write(place.path().join(format!("{name}.json")), json).unwrap();
    }
    assert_eq!(ids(&registry.get("greeter").await.unwrap()), ["1"]);
    let mut updates = place.registry().watch(None).await.unwrap();
    until(&mut updates, &["1"]).await;
    let at = Node::new("greeter", "6", "127.0.0.1:0");
    let error = registry.register(&at, TTL).await.unwrap_err();
    assert_eq!(error.code(), Code::InvalidArgument);
    assert!(error.message().contains("port 0"), "{error}");
}

#[tokio::test]
async fn record_written_by_hand_counts_and_is_followed() {
    let place = Place::new();
    let registry = place.registry();
    let mut updates = registry.watch(Some("greeter")).await.unwrap();
    until(&mut updates, &[]).await;
    let json = |port: u16| {
        format!(
            r#"{{"name":"greeter","nodes":[{{"id":"by-hand","address":"127.0.0.1","port":{port}}}]}}"#
        )
    };
    for port in [1, 2] {
        fs::write(place.path().join("mine.json"), json(port)).unwrap();
        while next_set(&mut updates).await.0[0].address != format!("127.0.0.1:{port}") {}
    }
    let by_hand = Node::new("greeter", "by-hand", "127.0.0.1:2");
    registry.deregister(&by_hand).await.unwrap();
    assert!(until(&mut updates, &[]).await);
}

#[tokio::test]
async fn of_two_registrants_of_one_id_the_newest_living_is_shown() {
    let place = Place::new();
    let (older, newer) = (place.registry(), place.registry());
    let at = |address| Node::new("greeter", "1", address);
    older.register(&at("127.0.0.1:1"), TTL).await.unwrap();
    newer.register(&at("127.0.0.1:2"), TTL).await.unwrap();
    let reader = place.registry();
    assert_eq!(reader.get("greeter").await.unwrap(), [at("127.0.0.1:2")]);
    older.deregister(&at("127.0.0.1:1")).await.unwrap();
    assert_eq!(reader.get("greeter").await.unwrap(), [at("127.0.0.1:2")]);
    older.register(&at("127.0.0.1:1"), TTL).await.unwrap();
    newer.register(&at("127.0.0.1:3"), TTL).await.unwrap();
    drop(older);
    assert_eq!(reader.get("greeter").await.unwrap(), [at("127.0.0.1:3")]);
    reader.deregister(&at("127.0.0.1:9")).await.unwrap();
    assert_eq!(reader.get("greeter").await.unwrap(), [at("127.0.0.1:3")]);
    reader.deregister(&at("")).await.unwrap();
    assert!(reader.get("greeter").await.unwrap().is_empty());
    newer.register(&at("127.0.0.1:3"), TTL).await.unwrap();
    assert_eq!(reader.get("greeter").await.unwrap().len(), 1, "renewed");
}

#[tokio::test]
async fn what_a_stranger_deletes_is_not_believed_gone() {
    let place = Place::new();
    let registry = place.registry();
    registry.register(&node("1"), TTL).await.unwrap();
    let mut updates = registry.watch(Some("greeter")).await.unwrap();
    until(&mut updates, &["1"]).await;
    fs::remove_file(&place.files()[0]).unwrap();
    assert!(!until(&mut updates, &[]).await);
    registry.register(&node("1"), TTL).await.unwrap();
    until(&mut updates, &["1"]).await;
}

#[tokio::test]
async fn removed_directory_is_recreated_and_not_taken_for_empty() {
    let place = Place::new();
    let registry = place.registry();
    registry.register(&node("1"), TTL).await.unwrap();
    let mut updates = place.registry().watch(None).await.unwrap();
    until(&mut updates, &["1"]).await;
    let aside = Place::new();
    fs::rename(place.path(), aside.path()).unwrap();
    assert!(!until(&mut updates, &[]).await);
    registry.register(&node("1"), TTL).await.unwrap();
    until(&mut updates, &["1"]).await;
    fs::remove_dir_all(place.path()).unwrap();
    assert!(!until(&mut updates, &[]).await);
    registry.register(&node("1"), TTL).await.unwrap();
    until(&mut updates, &["1"]).await;
}

#[tokio::test]
async fn directory_that_cannot_be_made_again_is_stale_until_it_can() {
    let place = Place::new();
    let registry = place.registry();
    registry.register(&node("1"), TTL).await.unwrap();
    let mut updates = registry.watch(Some("greeter")).await.unwrap();
    until(&mut updates, &["1"]).await;
    let aside = Place::new();
    fs::rename(place.path(), aside.path()).unwrap();
    fs::write(place.path(), b"in the way").unwrap();
    let Update::Stale { error, .. } = next(&mut updates).await else {
        panic!("a file in the way makes it stale");
    };
    assert_eq!(error.code(), Code::FailedPrecondition);
    assert!(registry.watch(None).await.is_err());
    fs::remove_file(place.path()).unwrap();
    fs::rename(aside.path(), place.path()).unwrap();
    registry.register(&node("2"), TTL).await.unwrap();
    loop {
        if let Update::Set { nodes, .. } = next(&mut updates).await {
            assert_eq!(ids(&nodes), ["1", "2"]);
            break;
        }
    }
}

#[test]
fn watch_outlives_the_runtime_that_its_first_one_began_on() {
    let place = Place::new();
    let registry = place.registry();
    let runtime = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
    };
    let (first, second) = (runtime(), runtime());
    let mut early = first.block_on(registry.watch(Some("greeter"))).unwrap();
    let mut late = second.block_on(registry.watch(Some("greeter"))).unwrap();
    first.block_on(until(&mut early, &[]));
    drop(first);
    second.block_on(async {
        registry.register(&node("1"), TTL).await.unwrap();
        until(&mut late, &["1"]).await;
    });
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn watches_share_one_inotify_descriptor_and_give_it_back() {
    let inotify_descriptors = || {
        let descriptors = fs::read_dir("/proc/self/fd").unwrap();
        descriptors
            .filter(|fd| {
                let target = fs::read_link(fd.as_ref().unwrap().path());
                target.is_ok_and(|target| target.to_string_lossy().contains("inotify"))
            })
            .count()
    };
    // Only here, since other tests of this process watch too.
    if std::env::var_os(ALONE).is_none() {
        let test = "registry::local::watches_share_one_inotify_descriptor_and_give_it_back";
        let status = std::process::Command::new(std::env::current_exe().unwrap())
            .args([test, "--exact"])
            .env(ALONE, "1")
            .stdout(std::process::Stdio::null())
            .status();
        assert!(status.unwrap().success());
        return;
    }
    let place = Place::new();
    let registry = place.registry();
    for _ in 0..3 {
        let mut watches = Vec::new();
        for number in 0..20 {
            let mut updates = registry
                .watch(Some(&format!("service-{number}")))
                .await
                .unwrap();
            until(&mut updates, &[]).await;
            watches.push(updates);
        }
        assert_eq!(inotify_descriptors(), 1);
        drop(watches);
        while inotify_descriptors() != 0 {
            tokio::task::yield_now().await;
        }
    }
}

#[cfg(target_os = "linux")]
const ALONE: &str = "MICRO_TEST_ALONE";

/// Counts the warnings that name a file.
#[derive(Clone, Default)]
struct Warnings(Arc<AtomicU32>);

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
        event.record(
            &mut |field: &tracing::field::Field, value: &dyn std::fmt::Debug| {
                if field.name() == "file" && format!("{value:?}").ends_with("/half.json") {
                    self.0.fetch_add(1, Ordering::Relaxed);
                }
            },
        );
    }

    fn enter(&self, _: &tracing::span::Id) {}

    fn exit(&self, _: &tracing::span::Id) {}
}

#[test]
fn corrupt_file_is_named_in_one_warning_until_it_is_mended() {
    let warnings = Warnings::default();
    let subscriber = warnings.clone();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        // It holds for as long as the thread does.
        .on_thread_start(move || {
            std::mem::forget(tracing::subscriber::set_default(subscriber.clone()))
        })
        .build()
        .unwrap();
    let place = Place::new();
    runtime.block_on(async {
        let registry = place.registry();
        registry.register(&node("1"), TTL).await.unwrap();
        let half = place.path().join("half.json");
        fs::write(&half, b"{\"name\":\"greeter\",\"no").unwrap();
        let mut updates = registry.watch(Some("greeter")).await.unwrap();
        until(&mut updates, &["1"]).await;
        for _ in 0..5 {
            registry.get("greeter").await.unwrap();
            registry.list().await.unwrap();
        }
        assert_eq!(warnings.0.load(Ordering::Relaxed), 1);
        let whole = r#"{"name":"greeter","nodes":[{"id":"2","address":"127.0.0.1:2"}]}"#;
        fs::write(&half, whole).unwrap();
        until(&mut updates, &["1", "2"]).await;
        fs::write(&half, b"{").unwrap();
        until(&mut updates, &["1"]).await;
        assert_eq!(warnings.0.load(Ordering::Relaxed), 2);
    });
}
