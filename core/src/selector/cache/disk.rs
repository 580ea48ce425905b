//! Files with the last set of each service, for a start while the registry is down.

use std::{
    collections::BTreeMap,
    fs,
    io::{self, Read as _},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};

use crate::{
    error::{Error, Result},
    node::{Endpoint, Node},
    registry::{Scope, open_plain, validation::accept},
};

/// The nodes read from a file.
pub(in crate::selector) struct SavedNodes {
    pub(in crate::selector) nodes: Vec<Node>,
    /// The time since it was written.
    pub(in crate::selector) age: Duration,
}

/// The form of the file. Nodes of one version mostly have the same endpoints, which it contains once.
#[derive(Serialize, Deserialize)]
struct File {
    format: u32,
    service: String,
    endpoints: Vec<Arc<[Endpoint]>>,
    nodes: Vec<Record>,
}

#[derive(Serialize, Deserialize)]
struct Record {
    id: String,
    version: String,
    address: String,
    metadata: BTreeMap<String, String>,
    /// The index of the node's list of endpoints.
    endpoints: usize,
}

const FORMAT: u32 = 1;
/// Older sets are not used. A set is written when it changes, and a fleet may not change for days.
const MAX_AGE: Duration = Duration::from_secs(7 * 24 * 3600);
/// The largest file: ten thousand full records take a third of it.
const MAX_SIZE: u64 = 64 * 1024 * 1024;

/// Writes a service's nodes in one step, so that a reader finds the old file or the new one; removes
/// the file if there are none.
pub(in crate::selector) fn write(
    directory: &Path,
    service: &str,
    nodes: &[Arc<Node>],
) -> Result<()> {
    let path = path(directory, service);
    let failed = |error: io::Error| {
        Error::unavailable(format!("nodes cannot be kept in `{}`", path.display()))
            .with_source(error)
    };
    if nodes.is_empty() {
        return match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed(error)),
            _ => Ok(()),
        };
    }
    let file = File::of(service, nodes);
    let bytes = serde_json::to_vec(&file).expect("maps by text, text and numbers are JSON");
    fs::create_dir_all(directory).map_err(failed)?;
    // One process writes a service's file twice at a time only if it has two caches.
    let temporary = path.with_extension(format!("{}-{:p}", std::process::id(), nodes));
    fs::write(&temporary, bytes)
        .and_then(|()| fs::rename(&temporary, &path))
        .inspect_err(|_| drop(fs::remove_file(&temporary)))
        .map_err(failed)
}

/// Reads a service's nodes; `None` if there is no file. They are validated like records of the registry.
pub(in crate::selector) fn read(
    directory: &Path,
    service: &str,
    scope: Scope,
) -> Result<Option<SavedNodes>> {
    let path = path(directory, service);
    let damaged = |cause: Box<dyn std::error::Error + Send + Sync>| {
        Error::data_loss(format!(
            "`{}` is skipped, it does not hold a service's nodes; it may be removed",
            path.display()
        ))
        .with_source(cause)
    };
    let opened = match open_plain(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened.map_err(|error| damaged(error.into()))?,
    };
    let opened = opened.ok_or_else(|| damaged("no plain file".into()))?;
    let mut bytes = Vec::new();
    let mut limited = (&opened).take(MAX_SIZE + 1);
    let read = limited.read_to_end(&mut bytes);
    if read.map_err(|error| damaged(error.into()))? as u64 > MAX_SIZE {
        return Err(damaged("larger than 64 MiB".into()));
    }
    let file: File = serde_json::from_slice(&bytes).map_err(|error| damaged(error.into()))?;
    let Some(mut nodes) = file.nodes(service) else {
        return Err(damaged("another format or another service's".into()));
    };
    let written = opened.metadata().and_then(|metadata| metadata.modified());
    let age = written.ok().and_then(|written| written.elapsed().ok());
    let age = age.unwrap_or_default();
    if age > MAX_AGE {
        return Err(Error::failed_precondition(format!(
            "`{}` is skipped, its nodes are {} days old, which is more than {}; it may be removed",
            path.display(),
            age.as_secs() / 86_400,
            MAX_AGE.as_secs() / 86_400
        )));
    }
    nodes.retain(|node| accept("snapshot", node, scope));
    Ok((!nodes.is_empty()).then_some(SavedNodes { nodes, age }))
}

impl File {
    fn of(service: &str, nodes: &[Arc<Node>]) -> Self {
        let mut endpoints: Vec<Arc<[Endpoint]>> = Vec::new();
        let nodes = nodes.iter().map(|node| {
            let known = endpoints.iter().position(|list| *list == node.endpoints);
            Record {
                id: node.id.clone(),
                version: node.version.clone(),
                address: node.address.clone(),
                metadata: (*node.metadata).clone(),
                endpoints: known.unwrap_or_else(|| {
                    endpoints.push(node.endpoints.clone());
                    endpoints.len() - 1
                }),
            }
        });
        let nodes = nodes.collect();
        File {
            format: FORMAT,
            service: service.to_owned(),
            endpoints,
            nodes,
        }
    }

    fn nodes(self, service: &str) -> Option<Vec<Node>> {
        if self.format != FORMAT || self.service != service {
            return None;
        }
        let nodes = self.nodes.into_iter().map(|record| {
            Some(Node {
                id: record.id,
                service: service.to_owned(),
                version: record.version,
                address: record.address,
                metadata: record.metadata.into(),
                endpoints: self.endpoints.get(record.endpoints)?.clone(),
            })
        });
        nodes.collect()
    }
}

/// `NAME.json`, percent-encoded so that no name leaves the directory.
fn path(directory: &Path, service: &str) -> PathBuf {
    const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_');
    directory.join(format!("{}.json", utf8_percent_encode(service, ESCAPED)))
}
