//! The local registry among users, and among containers that share its directory.

use std::{
    fs::{self, Permissions},
    os::unix::{
        fs::{MetadataExt, PermissionsExt},
        process::CommandExt,
    },
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use micro::registry::{Local, Node, Registry};
use tokio::time::timeout;

use crate::skip::skip;

use super::{
    ids,
    local::Place,
    next_set,
    processes::{STEADY, has_all, start_by},
    until,
};

/// The user `nobody`, as nearly every system has it.
const NOBODY: u32 = 65_534;

fn this_test() -> Command {
    Command::new(std::env::current_exe().unwrap())
}

fn as_nobody() -> Command {
    let mut command = this_test();
    command.uid(NOBODY).gid(NOBODY).current_dir("/");
    command
}

/// Whether a command can be run at all; otherwise says what is skipped.
fn can_run(mut command: Command, what: &str) -> bool {
    let run = command
        .args(["--list", "--exact", "none"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    let can = run.is_ok_and(|status| status.success());
    if !can {
        skip(what, "it cannot be had here");
    }
    can
}

fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
}

/// Whether processes of two users can be started; otherwise says what is skipped.
fn can_be_nobody() -> bool {
    if !is_root() {
        skip("processes of two users", "only root can start them");
        return false;
    }
    can_run(as_nobody(), "a process of another user")
}

/// A directory that every user may use and where none can remove what is another's.
fn open_to_all(path: &Path) {
    fs::create_dir_all(path).unwrap();
    fs::set_permissions(path, Permissions::from_mode(0o1777)).unwrap();
}

#[tokio::test]
async fn users_have_registries_of_their_own() {
    if !can_be_nobody() {
        return;
    }
    let place = Place::new();
    open_to_all(place.path());
    let temporary = |mut command: Command| {
        command
            .env("TMPDIR", place.path())
            .env_remove("XDG_RUNTIME_DIR");
        command
    };
    let none = Path::new("");
    let ours = start_by(temporary(this_test()), "hold", "ours", none);
    let theirs = start_by(temporary(as_nobody()), "hold", "theirs", none);
    for (user, id) in [(0, "ours"), (NOBODY, "theirs")] {
        let path = place.path().join(format!("micro-{user}"));
        let registry = Local::at(&path);
        let there = async {
            while !path.exists() || registry.get("greeter").await.unwrap().is_empty() {
                tokio::task::yield_now().await;
            }
        };
        timeout(Duration::from_secs(10), there).await.unwrap();
        assert_eq!(ids(&registry.get("greeter").await.unwrap()), [id]);
        let metadata = fs::metadata(&path).unwrap();
        assert_eq!((metadata.uid(), metadata.mode() & 0o777), (user, 0o700));
    }
    assert!(ours.finish() && theirs.finish());
    for entry in place.files() {
        fs::remove_dir_all(entry).unwrap();
    }
}

#[tokio::test]
async fn users_that_share_a_directory_read_each_other() {
    if !can_be_nobody() {
        return;
    }
    let place = Place::new();
    open_to_all(place.path());
    they_meet_and_part(&place, this_test, as_nobody).await;
}

/// A process that is the first of its process ids and sees mounts of its own.
fn in_a_container() -> Command {
    let mut command = Command::new("unshare");
    command
        .args(["--pid", "--mount", "--mount-proc", "--kill-child", "--"])
        .arg(std::env::current_exe().unwrap());
    command
}

#[tokio::test]
async fn containers_that_share_a_directory_read_each_other() {
    if !can_run(in_a_container(), "a namespace of process ids and mounts") {
        return;
    }
    let place = Place::new();
    they_meet_and_part(&place, in_a_container, in_a_container).await;
}

/// Two processes see each other; one is killed, and the other stays.
async fn they_meet_and_part(place: &Place, one: fn() -> Command, other: fn() -> Command) {
    let start = |command: Command, id: &str| start_by(command, "meet", id, place.path());
    let registry = place.registry();
    let mut updates = registry.watch(Some("greeter")).await.unwrap();
    let stays = start(one(), STEADY[0]);
    let mut goes = start(other(), STEADY[1]);
    let have_met = |nodes: &[Node]| {
        has_all(nodes, &STEADY) && nodes.iter().all(|node| node.metadata.contains_key("met"))
    };
    while !have_met(&next_set(&mut updates).await.0) {}
    for _ in 0..50 {
        let nodes = registry.get("greeter").await.unwrap();
        assert!(have_met(&nodes), "shown {nodes:?}");
    }
    assert_eq!(place.files().len(), 2);
    goes.kill();
    until(&mut updates, &STEADY[..1]).await;
    // A third reader, that has to find out for itself who lives.
    let nodes = place.registry().get("greeter").await.unwrap();
    assert_eq!(ids(&nodes), STEADY[..1]);
    assert!(stays.finish(), "its record was taken out");
    assert!(registry.get("greeter").await.unwrap().is_empty());
}
