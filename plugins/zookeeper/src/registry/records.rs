//! Reads, writes and deletes records in the tree.

use std::sync::Arc;

use bytes::Bytes;

use super::{
    client::Client,
    packet::{self, Acl, CreateMode, op},
    paths::{Paths, above},
    request::{BAD_VERSION, NO_NODE, NODE_EXISTS, NOT_EMPTY, RequestError},
    response::Znode,
};
use micro_core::{
    Error, Result,
    node::Node,
    registry::{encoding, id_in_use, is_another, validation},
};

/// Attempts at a write while other processes change the path.
const MAX_ATTEMPTS: u32 = 8;
/// Requests sent before the first response is awaited.
const MAX_PIPELINED: usize = 128;
/// Maximal size of a record: ZooKeeper closes the connection on a request of 1 MiB.
const MAX_RECORD_SIZE: usize = 1_000_000;

/// Which records may be overwritten.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Overwrite {
    /// Any record, also of another instance with the same id.
    Any,
    /// Only our own record, or a persistent one.
    Own,
}

pub(super) struct Records {
    pub(super) client: Arc<Client>,
    pub(super) paths: Paths,
    pub(super) access: Acl,
}

/// A record that was read.
pub(super) struct Record {
    pub(super) path: String,
    pub(super) node: Node,
    /// Whether the record outlives the session that wrote it.
    pub(super) is_persistent: bool,
}

impl Records {
    /// The JSON of a node.
    ///
    /// Fails with [`Code::InvalidArgument`](micro_core::Code::InvalidArgument) if the record is too large.
    pub(super) fn encode(node: &Node) -> Result<Bytes> {
        let data = encoding::encode(node);
        match data.len() {
            0..=MAX_RECORD_SIZE => Ok(data.into()),
            size => Err(Error::invalid_argument(format!(
                "node `{}` of service `{}` has a record of {size} bytes; ZooKeeper holds {MAX_RECORD_SIZE}",
                node.id, node.service
            ))),
        }
    }

    /// Writes a record, ephemeral or persistent.
    pub(super) async fn write(
        &self,
        path: &str,
        data: &Bytes,
        with_session: bool,
        over: Overwrite,
    ) -> Result<()> {
        for _ in 0..MAX_ATTEMPTS {
            let tried = self.try_write(path, data, with_session, over).await;
            if let Some(done) = ended(tried, path) {
                return done;
            }
        }
        Err(contended(path))
    }

    /// Tries once. Returns `false` if another process interfered.
    async fn try_write(
        &self,
        path: &str,
        data: &Bytes,
        with_session: bool,
        over: Overwrite,
    ) -> Result<bool, RequestError> {
        let life = if with_session {
            CreateMode::Ephemeral
        } else {
            CreateMode::Persistent
        };
        let create = packet::create(path, data, life, self.access);
        let client = &self.client;
        let done = match client.read(path).await {
            Err(fault) if fault.is(NO_NODE) => match client.answer(op::CREATE, create).await {
                Err(fault) if fault.is(NO_NODE) => {
                    return self.make_above(path).await.map(|()| false);
                }
                done => done.map(drop),
            },
            Err(fault) => Err(fault),
            Ok((found, session)) => {
                self.is_ours(path, &found, data)?;
                let owner = if with_session { session } else { 0 };
                if over == Overwrite::Own && found.owner != session {
                    yields(&found, data)?;
                }
                if found.owner == owner && found.data == *data {
                    return Ok(true);
                }
                if found.owner == owner {
                    let body = packet::set_data(path, data, Some(found.version));
                    client.answer(op::SET_DATA, body).await.map(drop)
                } else {
                    // The owner of a znode cannot be changed.
                    let delete = (op::DELETE, packet::delete(path, Some(found.version)));
                    client.together(&[delete, (op::CREATE, create)]).await
                }
            }
        };
        settled(done)
    }

    /// Fails if the path has the record of another node.
    fn is_ours(&self, path: &str, found: &Znode, data: &Bytes) -> Result<(), RequestError> {
        let name = |data: &Bytes| node(data).map(|node| (node.service, node.id));
        match (name(&found.data), name(data)) {
            (Some(theirs), Some(ours)) if theirs != ours && self.is_at_home(&found.data, path) => {
                Err(RequestError::Lost(Error::already_exists(format!(
                    "node `{}` of service `{}` is at `{path}`, and only one of the two can be; use another id",
                    theirs.1, theirs.0
                ))))
            }
            _ => Ok(()),
        }
    }

    fn is_at_home(&self, data: &Bytes, path: &str) -> bool {
        let nodes = encoding::decode(data).unwrap_or_default();
        nodes
            .first()
            .is_some_and(|node| self.paths.is_at_home(node, path))
    }

    /// Creates the missing ancestors of a path. ZooKeeper removes the folder of a service some time after it is empty.
    async fn make_above(&self, path: &str) -> Result<(), RequestError> {
        let folders: Vec<&str> = above(path).collect();
        let last = folders.len().saturating_sub(1);
        for (index, folder) in folders.into_iter().enumerate() {
            let (op, life) = match index == last {
                true => (op::CREATE_CONTAINER, CreateMode::Container),
                false => (op::CREATE, CreateMode::Persistent),
            };
            let body = packet::create(folder, b"", life, self.access);
            match self.client.answer(op, body).await {
                Err(fault) if !fault.is(NODE_EXISTS) => return Err(fault),
                _ => {}
            }
        }
        Ok(())
    }

    /// Deregisters a record. A change without effect and the delete in one transaction tell watches that the node was
    /// deregistered and did not expire. Records of other nodes, or of other instances of this one, stay.
    pub(super) async fn take_out(&self, path: &str, of: &Node) -> Result<()> {
        for _ in 0..MAX_ATTEMPTS {
            if let Some(done) = ended(self.try_take_out(path, of).await, path) {
                return done;
            }
        }
        Err(contended(path))
    }

    async fn try_take_out(&self, path: &str, of: &Node) -> Result<bool, RequestError> {
        let (found, session) = match self.client.read(path).await {
            Err(fault) if fault.is(NO_NODE) => return Ok(true),
            found => found?,
        };
        if let Some(their) = node(&found.data)
            && self.paths.is_at_home(&their, path)
        {
            let is_same = (&of.service, &of.id) == (&their.service, &their.id);
            let is_instance = found.owner == session || !is_another(of, &their.address);
            if !(is_same && is_instance) {
                return Ok(true);
            }
        }
        let change = packet::set_data(path, &found.data, Some(found.version));
        let delete = packet::delete(path, None);
        let both = [(op::SET_DATA, change), (op::DELETE, delete)];
        settled(self.client.together(&both).await)
    }

    /// Deletes a record of this session as expired.
    pub(super) async fn expire(&self, path: &str) -> Result<()> {
        for _ in 0..MAX_ATTEMPTS {
            if let Some(done) = ended(self.try_expire(path).await, path) {
                return done;
            }
        }
        Err(contended(path))
    }

    async fn try_expire(&self, path: &str) -> Result<bool, RequestError> {
        let (found, session) = match self.client.read(path).await {
            Err(fault) if fault.is(NO_NODE) => return Ok(true),
            found => found?,
        };
        if found.owner != session {
            return Ok(true);
        }
        let delete = packet::delete(path, Some(found.version));
        settled(self.client.answer(op::DELETE, delete).await.map(drop))
    }

    /// The names of the folders of services.
    pub(super) async fn folders(&self) -> Result<Vec<String>> {
        let root = &self.paths.root;
        let folders = self.client.children(root).await;
        folders.map_err(|fault| fault.into_error(root))
    }

    /// The paths of the records in folders.
    pub(super) async fn leaves(&self, folders: &[String]) -> Result<Vec<Vec<String>>> {
        let mut leaves = Vec::with_capacity(folders.len());
        for some in folders.chunks(MAX_PIPELINED) {
            let mut asked = Vec::with_capacity(some.len());
            for folder in some {
                let body = packet::read(folder);
                asked.push((folder, self.client.ask(op::GET_CHILDREN, body).await));
            }
            for (folder, asked) in asked {
                let names = self.client.names(asked).await;
                let names = names.map_err(|fault| fault.into_error(folder))?;
                let paths = names.into_iter().map(|name| format!("{folder}/{name}"));
                leaves.push(paths.collect());
            }
        }
        Ok(leaves)
    }

    /// The records at paths. Skips deleted and invalid records.
    pub(super) async fn read(&self, paths: &[String]) -> Result<Vec<Record>> {
        let mut records = Vec::with_capacity(paths.len());
        for some in paths.chunks(MAX_PIPELINED) {
            let mut asked = Vec::with_capacity(some.len());
            for path in some {
                let body = packet::read(path);
                asked.push((path, self.client.ask(op::GET_DATA, body).await));
            }
            for (path, asked) in asked {
                match self.client.found(asked).await {
                    Ok((found, _)) => records.extend(self.record(path, &found)),
                    Err(fault) if fault.is(NO_NODE) => {}
                    Err(fault) => return Err(fault.into_error(path)),
                }
            }
        }
        Ok(records)
    }

    fn record(&self, path: &str, found: &Znode) -> Option<Record> {
        let node = match encoding::decode(&found.data) {
            Ok(nodes) => nodes
                .into_iter()
                .find(|node| self.paths.is_at_home(node, path)),
            Err(_) => None,
        };
        if node.is_none() {
            let text = format!("`{path}` has no record of its node");
            validation::warn_rejected("zookeeper", &Error::invalid_argument(text));
        }
        Some(Record {
            path: path.to_owned(),
            node: node?,
            is_persistent: found.owner == 0,
        })
    }

    /// The records in a folder, or of all services.
    pub(super) async fn read_all(&self, folder: Option<&str>) -> Result<Vec<Record>> {
        let folders: Vec<String> = match folder {
            Some(folder) => vec![folder.to_owned()],
            None => {
                let names = self.folders().await?;
                let root = &self.paths.root;
                names.iter().map(|name| format!("{root}/{name}")).collect()
            }
        };
        let leaves = self.leaves(&folders).await?.concat();
        self.read(&leaves).await
    }
}

/// The node in a record.
pub(super) fn node(data: &Bytes) -> Option<Node> {
    encoding::decode(data).ok()?.into_iter().next()
}

/// Fails if the znode has the record of another instance of the node in `data`.
fn yields(found: &Znode, data: &Bytes) -> Result<(), RequestError> {
    match (node(&found.data), node(data)) {
        (Some(theirs), Some(ours)) if is_another(&ours, &theirs.address) => {
            Err(RequestError::Lost(id_in_use(&ours, &theirs.address)))
        }
        _ => Ok(()),
    }
}

/// `false` if another process interfered.
fn settled(done: Result<(), RequestError>) -> Result<bool, RequestError> {
    match done {
        Ok(()) => Ok(true),
        Err(fault) => match [NO_NODE, NODE_EXISTS, BAD_VERSION, NOT_EMPTY]
            .iter()
            .any(|number| fault.is(*number))
        {
            true => Ok(false),
            false => Err(fault),
        },
    }
}

/// The result, or `None` to try again.
fn ended(tried: Result<bool, RequestError>, path: &str) -> Option<Result<()>> {
    match tried {
        Ok(true) => Some(Ok(())),
        Ok(false) => None,
        Err(fault) => Some(Err(fault.into_error(path))),
    }
}

fn contended(path: &str) -> Error {
    RequestError::Refused(BAD_VERSION).into_error(path)
}
