//! The tables of `ARCHITECTURE.md`: what each crate and each module may use.

use std::collections::BTreeSet;

/// One line of a table.
pub(crate) struct Row {
    pub(crate) names: Vec<String>,
    pub(crate) grants: Vec<Grant>,
}

/// Leave to use a crate or a module, or only some of its items.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Grant {
    pub(crate) name: String,
    /// None named: all of them.
    pub(crate) items: Vec<String>,
}

/// The rows of a table, bottom to top.
pub(crate) struct Table {
    /// The names of the first row if it holds the records: every other row may use them, and each of them those that
    /// are named before it.
    pub(crate) records: Vec<String>,
    pub(crate) rows: Vec<Row>,
}

impl Table {
    /// Reads the table under a head, with the names in its first column and what they use in column `uses`.
    pub(crate) fn read(page: &str, head: &str, uses: usize) -> Self {
        let below = page.lines().skip_while(|line| *line != head);
        let rows: Vec<Row> = below
            .skip(2)
            .take_while(|line| line.starts_with('|'))
            .map(|line| {
                let cells: Vec<&str> = line.split('|').collect();
                Row {
                    names: quoted(cells[1]).map(str::to_owned).collect(),
                    grants: quoted(cells[uses]).map(grant).collect(),
                }
            })
            .collect();
        assert!(rows.len() > 1, "there is no table under `{head}`");
        let records = Vec::new();
        Table { records, rows }
    }

    /// Takes the first row as the records.
    pub(crate) fn with_records(mut self) -> Self {
        self.records = self.rows.remove(0).names;
        self
    }

    /// Every crate or module named.
    pub(crate) fn names(&self) -> BTreeSet<&str> {
        let names = self.rows.iter().flat_map(|row| &row.names);
        names.chain(&self.records).map(String::as_str).collect()
    }

    /// The row of a crate or module: the one that names it, or a pattern such as `plugins/*`.
    pub(crate) fn row(&self, name: &str) -> Option<&Row> {
        let named = |row: &&Row| row.names.iter().any(|own| own == name);
        let folder = name
            .split_once('/')
            .map(|(folder, _)| format!("{folder}/*"));
        let fits = |row: &&Row| folder.as_ref().is_some_and(|f| row.names.contains(f));
        self.rows
            .iter()
            .find(named)
            .or_else(|| self.rows.iter().find(fits))
    }

    /// Leave for `module` to use `path`: `Some(None)` where none is needed.
    pub(crate) fn leave(&self, module: &str, path: &[String]) -> Option<Option<&Grant>> {
        let target = &path[0];
        if target == module {
            return Some(None);
        }
        let place = |name: &str| self.records.iter().position(|record| record == name);
        match (place(module), place(target)) {
            (Some(own), Some(used)) => return (used < own).then_some(None),
            (None, Some(_)) => return Some(None),
            (Some(_), None) => return None,
            (None, None) => {}
        }
        let grant = self.row(module)?.grants.iter().find(|grant| {
            let item = path.get(1);
            grant.name == *target
                && (grant.items.is_empty() || item.is_some_and(|item| grant.items.contains(item)))
        });
        grant.map(Some)
    }

    /// Grants of what does not stand above in the table: arrows that point up.
    pub(crate) fn upward(&self) -> Vec<String> {
        let mut above: BTreeSet<&str> = self.records.iter().map(String::as_str).collect();
        let mut wrong = Vec::new();
        for row in &self.rows {
            let bad = row
                .grants
                .iter()
                .filter(|grant| !above.contains(grant.name.as_str()));
            wrong.extend(bad.map(|grant| format!("{:?} uses `{}`", row.names, grant.name)));
            above.extend(row.names.iter().map(String::as_str));
        }
        wrong
    }
}

/// What stands in backticks.
fn quoted(cell: &str) -> impl Iterator<Item = &str> {
    cell.split('`').skip(1).step_by(2)
}

/// `registry`, or `registry::{Endpoint, Value}`.
fn grant(text: &str) -> Grant {
    let (name, items) = text.split_once("::").unwrap_or((text, ""));
    let items = items.trim_matches(['{', '}']).split(',').map(str::trim);
    Grant {
        name: name.to_owned(),
        items: items
            .filter(|item| !item.is_empty())
            .map(str::to_owned)
            .collect(),
    }
}
