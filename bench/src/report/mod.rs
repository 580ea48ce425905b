//! What comes out: a table for people, lines of JSON for programs.

mod json;
mod table;

pub(crate) use {json::write as write_json, table::write as write_table};
