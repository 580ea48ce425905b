//! The records that one [`Local`](super::Local) has registered: it holds their files open, and so their locks.

use std::{
    collections::HashMap,
    fs::File,
    io,
    time::{Duration, SystemTime},
};

use parking_lot::Mutex;

use super::{
    directory::Directory,
    file_name,
    record::{self, Lifetime},
};
use crate::{
    error::Result,
    node::Node,
    registry::{id_in_use, is_another},
};

/// The registered records, by service and id.
///
/// The map's lock is held during disk operations, so that the map agrees with the disk; therefore never use it on a
/// thread that must not wait.
#[derive(Debug, Default)]
pub(super) struct OwnRecords(Mutex<HashMap<Key, Record>>);

type Key = (String, String);

#[derive(Debug)]
struct Record {
    node: Node,
    hold: Lifetime,
    name: String,
    /// The lock of a mortal record is what keeps it alive.
    file: File,
}

impl OwnRecords {
    /// Writes the record of a node in place of our older one and of permanent ones, unless it is there already.
    pub(super) fn register(
        &self,
        directory: &Directory,
        node: Node,
        ttl: Option<Duration>,
    ) -> Result<()> {
        let hold = Lifetime::of(ttl);
        let key = (node.service.clone(), node.id.clone());
        let mut own_records = self.0.lock();
        if let Some(record) = own_records.get(&key)
            && record.node == node
            && record.hold == hold
            && directory.path().join(&record.name).exists()
        {
            // Temporary files are cleaned by age; failing to touch one does no harm yet.
            let _ = record.file.set_modified(SystemTime::now());
            return match newer(directory, &node, &record.name)? {
                Some(address) => Err(id_in_use(&node, &address)),
                None => Ok(()),
            };
        }
        let name = match own_records.get(&key) {
            Some(before) => before.name.clone(),
            None => file_name::record(&node.service, &node.id),
        };
        let file = write(directory, &name, &node, ttl)?;
        let record = Record {
            node,
            hold,
            name: name.clone(),
            file,
        };
        // The previous record keeps its lock until it is removed.
        if own_records.insert(key.clone(), record).is_some() {
            return Ok(());
        }
        remove_where(directory, &key, |other, _, hold| {
            other != name && hold == Lifetime::Permanent
        })
    }

    /// Removes the records of a node: ours and permanent ones of its address or, if we have none, any of its address.
    pub(super) fn deregister(&self, directory: &Directory, node: &Node) -> Result<()> {
        let key = (node.service.clone(), node.id.clone());
        let mut own_records = self.0.lock();
        // Dropped at the end, since a record keeps its lock until it is removed.
        let ours = own_records.remove(&key);
        if !directory.exists()? {
            return Ok(());
        }
        if let Some(ours) = &ours {
            record::remove(directory.path(), &ours.name)
                .map_err(|error| directory.unusable(error))?;
        }
        // Another process may have registered with the id, as a successor does before we leave.
        remove_where(directory, &key, |_, address, hold| {
            !is_another(node, address) && (ours.is_none() || hold == Lifetime::Permanent)
        })
    }
}

fn write(directory: &Directory, name: &str, node: &Node, ttl: Option<Duration>) -> Result<File> {
    directory.open()?;
    match record::write(directory.path(), name, node, ttl) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            // The directory was removed a moment ago.
            directory.open()?;
            record::write(directory.path(), name, node, ttl)
        }
        result => result,
    }
    .map_err(|error| directory.unusable(error))
}

fn remove_where(
    directory: &Directory,
    (service, id): &Key,
    is_to_go: impl Fn(&str, &str, Lifetime) -> bool,
) -> Result<()> {
    for (name, node, hold) in records(directory, service, id)? {
        if is_to_go(&name, &node.address, hold) {
            let removed = record::remove(directory.path(), &name);
            removed.map_err(|error| directory.unusable(error))?;
        }
    }
    Ok(())
}

/// The address in a record of another instance of the node that is newer than `ours`.
fn newer(directory: &Directory, node: &Node, ours: &str) -> Result<Option<String>> {
    let records = records(directory, &node.service, &node.id)?.into_iter();
    let mut newer = records.filter(|(name, ..)| &**name > ours);
    let other = newer.find(|(_, other, _)| other.address != node.address);
    Ok(other.map(|(_, other, _)| other.address))
}

/// The living records of a node, the newest last.
fn records(
    directory: &Directory,
    service: &str,
    id: &str,
) -> Result<Vec<(String, Node, Lifetime)>> {
    let failed = |error| directory.unusable(error);
    let prefix = file_name::node_prefix(service, id);
    let mut records = Vec::new();
    for name in directory.names().map_err(failed)? {
        if file_name::may_begin(&name, &prefix)
            && let Some((node, hold)) = directory.read(&name).map_err(failed)?
            && node.service == *service
            && node.id == *id
        {
            records.push((name, node, hold));
        }
    }
    Ok(records)
}
