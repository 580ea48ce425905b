//! Reports: a table for people, lines of JSON for programs.

mod json;
mod page;
mod table;

pub(crate) use {
    json::write as write_json, page::write as write_page, table::write as write_table,
};

/// The form of a subcommand's report.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Form {
    Table,
    Json,
    /// Verdicts without figures.
    Check,
}

impl Form {
    pub(crate) fn new(json: bool, check: bool) -> Self {
        match (json, check) {
            (_, true) => Form::Check,
            (true, false) => Form::Json,
            (false, false) => Form::Table,
        }
    }
}

/// A row of [`Form::Check`].
pub(crate) fn verdict(complaint: Option<&str>) -> &'static str {
    match complaint {
        Some(_) => "not as promised",
        None => "as promised",
    }
}

/// Three or four significant digits.
fn short(value: f64) -> String {
    match value {
        value if value >= 100.0 => format!("{value:.0}"),
        value if value >= 10.0 => format!("{value:.1}"),
        value => format!("{value:.3}"),
    }
}
