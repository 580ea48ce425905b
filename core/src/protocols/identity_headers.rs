//! The headers that say whom a request is meant for and who sends it.

use http::HeaderName;

/// The service that is meant; on the answer to [`Addressing::question`](super::addressing::Addressing::question), the one that is there.
pub(super) const TO_SERVICE: HeaderName = HeaderName::from_static("micro-to-service");
/// The id of the node that is meant, likewise.
pub(super) const TO_NODE: HeaderName = HeaderName::from_static("micro-to-node");
/// The service that calls.
pub(super) const FROM_SERVICE: HeaderName = HeaderName::from_static("micro-from-service");

/// Whether a header says whom a request is meant for or who sends it, and so is no metadata.
pub(crate) fn is_addressing(name: &str) -> bool {
    // Most names end the comparison at the first letter.
    name.len() >= TO_NODE.as_str().len()
        && [TO_SERVICE, TO_NODE, FROM_SERVICE]
            .iter()
            .any(|own| name.eq_ignore_ascii_case(own.as_str()))
}

/// Whether a header says whom a request is meant for. Who sends it is metadata that handlers may read, as it is to
/// go-micro's; it goes no further.
pub(crate) fn is_addressee(name: &str) -> bool {
    is_addressing(name) && !name.eq_ignore_ascii_case(FROM_SERVICE.as_str())
}
