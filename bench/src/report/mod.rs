//! What comes out: a table for people, lines of JSON for programs.

mod json;
mod page;
mod table;

pub(crate) use {
    json::write as write_json, page::write as write_page, table::write as write_table,
};

/// Three or four digits that matter.
fn short(value: f64) -> String {
    match value {
        value if value >= 100.0 => format!("{value:.0}"),
        value if value >= 10.0 => format!("{value:.1}"),
        value => format!("{value:.3}"),
    }
}
