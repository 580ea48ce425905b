//! A record: a file with a node, whose lock tells whether its process lives.
//!
//! A mortal record (one with a `ttl`) is locked exclusively by its process from before it has its
//! name until the process ends: if it is unlocked under its name, it is dead. Readers try a shared lock, so
//! that no reader takes another reader's try for life. A record without `ttl` stays until it is removed.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::Path,
    time::Duration,
};

use serde::{Deserialize, Serialize};

use super::file_name;
use crate::{
    node::Node,
    registry::{encoding, open_plain, validation},
};

/// The largest record, so that no other file fills the memory.
const LARGEST: u64 = 4 << 20;

/// The state of a record's file.
#[derive(Debug)]
pub(super) enum RecordState {
    /// A living record.
    Living(Box<Node>, Lifetime),
    /// A record whose process has ended.
    Dead,
    /// Another record by now, or none: read again.
    Replaced,
    /// There is no file.
    Gone,
    /// Not a record, and why.
    Corrupt(String),
}

/// How long a record lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lifetime {
    /// As long as its file is locked.
    Mortal,
    /// Until it is removed.
    Permanent,
}

impl Lifetime {
    pub(super) fn of(ttl: Option<Duration>) -> Self {
        if ttl.is_some() {
            Lifetime::Mortal
        } else {
            Lifetime::Permanent
        }
    }
}

#[derive(Serialize)]
struct WrittenRecord {
    #[serde(flatten)]
    service: encoding::Service,
    /// Nanoseconds, as Go writes a duration.
    #[serde(skip_serializing_if = "Option::is_none")]
    ttl: Option<u64>,
}

#[derive(Deserialize)]
struct Mark {
    #[serde(default)]
    ttl: Option<u64>,
}

/// Writes a record with a name, locked if it is mortal: it lives while the returned file is open.
///
/// Only the process that first used the name may do so, while it holds the present record: this allows
/// [`read`] to distinguish a dead record from a replaced one.
pub(super) fn write(
    directory: &Path,
    name: &str,
    node: &Node,
    ttl: Option<Duration>,
) -> io::Result<File> {
    let written = WrittenRecord {
        service: encoding::Service::new(node),
        ttl: ttl.map(|ttl| u64::try_from(ttl.as_nanos()).unwrap_or(u64::MAX)),
    };
    let json = serde_json::to_vec(&written)?;
    let mut attempts = 3;
    loop {
        attempts -= 1;
        match write_once(directory, name, Lifetime::of(ttl), &json) {
            // Removed as left behind before it was locked: this process slept for a minute.
            Err(error) if attempts > 0 && is_swept(&error) => {}
            result => return result,
        }
    }
}

fn write_once(directory: &Path, name: &str, hold: Lifetime, json: &[u8]) -> io::Result<File> {
    let new = directory.join(file_name::hidden("new"));
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(readers(fs::metadata(directory)?.mode()))
        .open(&new)?;
    match fill(&file, json, hold).and_then(|()| fs::rename(&new, directory.join(name))) {
        Ok(()) => Ok(file),
        Err(error) => {
            // If this fails, a later scan removes it.
            let _ = fs::remove_file(&new);
            Err(error)
        }
    }
}

/// The mode of a record in a directory with this mode: whoever may write there takes part, and may read.
fn readers(directory: u32) -> u32 {
    0o600 | ((directory & 0o022) << 1)
}

fn is_swept(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::WouldBlock
    )
}

fn fill(mut file: &File, json: &[u8], hold: Lifetime) -> io::Result<()> {
    if hold == Lifetime::Mortal {
        file.try_lock()?;
    }
    file.write_all(json)?;
    match hold {
        Lifetime::Mortal => Ok(()),
        // It must survive a crash of the machine; a mortal one is dead then anyway.
        Lifetime::Permanent => file.sync_data(),
    }
}

/// Reads the record at `path`; if it is replaced meanwhile, the new one.
///
/// An error tells nothing of the record: the system lacks descriptors or memory.
pub(super) fn read(path: &Path) -> io::Result<RecordState> {
    loop {
        match read_once(path)? {
            RecordState::Replaced => {}
            found => return Ok(found),
        }
    }
}

fn read_once(path: &Path) -> io::Result<RecordState> {
    let mut file = match open_plain(path) {
        Ok(Some(file)) => file,
        Ok(None) => return Ok(RecordState::Corrupt("it is not a file".into())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(RecordState::Gone),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            return Ok(RecordState::Corrupt(error.to_string()));
        }
        Err(error) => return Err(error),
    };
    let mut json = Vec::new();
    (&mut file).take(LARGEST + 1).read_to_end(&mut json)?;
    if json.len() as u64 > LARGEST {
        return Ok(RecordState::Corrupt(format!(
            "it is larger than {LARGEST} bytes"
        )));
    }
    let node = match decode(&json) {
        Ok(decoded) => decoded,
        Err(reason) => return Ok(RecordState::Corrupt(reason)),
    };
    if let Err(error) = validation::validate_local(&node.0) {
        return Ok(RecordState::Corrupt(error.message().to_owned()));
    }
    Ok(match node {
        (_, Lifetime::Mortal) if !is_locked(&file)? => {
            // Its process has ended, or has replaced it and unlocked this one.
            return Ok(if is_at(&file, path)? {
                RecordState::Dead
            } else {
                RecordState::Replaced
            });
        }
        (node, hold) => RecordState::Living(Box::new(node), hold),
    })
}

/// Whether the file is still what is at `path`.
fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    let ours = file.metadata()?;
    match fs::symlink_metadata(path) {
        Ok(there) => Ok((ours.dev(), ours.ino()) == (there.dev(), there.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Whether there is a file and its process lives.
pub(super) fn is_held(path: &Path) -> io::Result<bool> {
    match open_plain(path) {
        Ok(Some(file)) => is_locked(&file),
        Ok(None) => Ok(false),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Removes a record. It is renamed first, by which watchers distinguish this from a removal by
/// hand; no error if another process was faster.
pub(super) fn remove(directory: &Path, name: &str) -> io::Result<()> {
    let gone = directory.join(file_name::hidden("gone"));
    let removed = fs::rename(directory.join(name), &gone).and_then(|()| fs::remove_file(&gone));
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Whether a process holds the file: only readers can have its shared lock.
fn is_locked(file: &File) -> io::Result<bool> {
    match file.try_lock_shared() {
        Ok(()) => Ok(false),
        Err(TryLockError::WouldBlock) => Ok(true),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

fn decode(json: &[u8]) -> Result<(Node, Lifetime), String> {
    let mark: Mark = serde_json::from_slice(json).map_err(|error| error.to_string())?;
    let mut nodes = encoding::decode(json).map_err(|error| error.to_string())?;
    let hold = if mark.ttl.is_some() {
        Lifetime::Mortal
    } else {
        Lifetime::Permanent
    };
    match (nodes.pop(), nodes.is_empty()) {
        (Some(node), true) => Ok((node, hold)),
        _ => Err("it has not exactly one node".into()),
    }
}
