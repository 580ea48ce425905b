//! `#[derive(Message)]` on prost types: Protobuf comes from prost, the JSON form from here.

mod field;
mod message;
mod oneof;

pub(crate) use message::message;
pub(crate) use oneof::oneof;
