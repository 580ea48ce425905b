//! The owner of a record: this instance, or another with the same id.

use bytes::Bytes;

use super::{
    client::Client,
    failure::Failure,
    message::{DeleteIf, KeyValue, Range},
};
use micro_core::{
    node::Node,
    registry::{encoding, is_another},
};

/// Attempts at a deletion while other processes change the key.
const MAX_ATTEMPTS: u32 = 8;

/// The address in a record of another instance with the id of `node`.
pub(super) fn another(kv: &KeyValue, node: &Node) -> Option<String> {
    let nodes = encoding::decode(&kv.value).unwrap_or_default().into_iter();
    let mut same = nodes.filter(|other| other.service == node.service && other.id == node.id);
    let other = same.find(|other| is_another(node, &other.address))?;
    Some(other.address)
}

/// Deletes the record of a node unless another instance wrote it.
///
/// `lease` is the lease that this handle wrote the record with, 0 for none. A record with that lease is ours; without a
/// lease the address decides.
pub(super) async fn delete(
    client: &Client,
    key: &Bytes,
    node: &Node,
    lease: i64,
) -> Result<(), Failure> {
    for _ in 0..MAX_ATTEMPTS {
        let found = client.ask(&Range::of(key, false)).await?;
        let Some(kv) = found.kvs.first() else {
            return Ok(());
        };
        let is_ours = match lease {
            0 => another(kv, node).is_none(),
            lease => kv.lease == lease,
        };
        if !is_ours {
            return Ok(());
        }
        let deleted = client.ask(&DeleteIf::unchanged(key, kv.modified)).await?;
        if deleted.succeeded {
            return Ok(());
        }
    }
    Err(Failure::lost(format!(
        "others change `{}` all the time; try again",
        String::from_utf8_lossy(key).escape_debug()
    )))
}
