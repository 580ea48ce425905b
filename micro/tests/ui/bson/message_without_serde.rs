// The crate `bson` implements serde's traits for types of its own, which the compiler lists.
include!("../message_without_serde.rs");
