//! The rooms and what each may use, as `ARCHITECTURE.md` tells people.

use std::collections::BTreeSet;

/// The table's head.
const HEAD: &str = "| room | uses, besides the core | what it is |";

/// One line of the table.
pub(crate) struct Row {
    pub(crate) rooms: Vec<String>,
    pub(crate) grants: Vec<Grant>,
}

/// Leave to use a room, or only some of its items.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Grant {
    pub(crate) room: String,
    /// None named: all of them.
    pub(crate) items: Vec<String>,
}

/// The rows; the first is the core, whose rooms all others may use.
pub(crate) struct Table(pub(crate) Vec<Row>);

impl Table {
    /// Reads the table in a page.
    pub(crate) fn read(page: &str) -> Self {
        let below = page.lines().skip_while(|line| *line != HEAD);
        let rows = below
            .skip(2)
            .take_while(|line| line.starts_with('|'))
            .map(|line| {
                let cells: Vec<&str> = line.split('|').collect();
                Row {
                    rooms: quoted(cells[1]).map(str::to_owned).collect(),
                    grants: quoted(cells[2]).map(grant).collect(),
                }
            });
        let table = Table(rows.collect());
        assert!(table.0.len() > 1, "there is no table under `{HEAD}`");
        table
    }

    /// Every room named.
    pub(crate) fn rooms(&self) -> BTreeSet<&str> {
        let names = self.0.iter().flat_map(|row| &row.rooms);
        names.map(String::as_str).collect()
    }

    /// Leave for `room` to use `path`: `Some(None)` where none is needed.
    pub(crate) fn leave(&self, room: &str, path: &[String]) -> Option<Option<&Grant>> {
        let core = &self.0[0].rooms;
        if path[0] == room || core.contains(&path[0]) {
            return Some(None);
        }
        let row = self
            .0
            .iter()
            .find(|row| row.rooms.iter().any(|name| name == room))?;
        let grant = row.grants.iter().find(|grant| {
            let item = path.get(1);
            grant.room == path[0]
                && (grant.items.is_empty() || item.is_some_and(|item| grant.items.contains(item)))
        });
        grant.map(Some)
    }

    /// Grants of a room that does not stand above the one that uses it.
    pub(crate) fn upward(&self) -> Vec<String> {
        let mut above = BTreeSet::new();
        let mut wrong = Vec::new();
        for row in &self.0 {
            let bad = row
                .grants
                .iter()
                .filter(|grant| !above.contains(grant.room.as_str()));
            wrong.extend(bad.map(|grant| format!("{:?} uses `{}`", row.rooms, grant.room)));
            above.extend(row.rooms.iter().map(String::as_str));
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
    let (room, items) = text.split_once("::").unwrap_or((text, ""));
    let items = items.trim_matches(['{', '}']).split(',').map(str::trim);
    Grant {
        room: room.to_owned(),
        items: items
            .filter(|item| !item.is_empty())
            .map(str::to_owned)
            .collect(),
    }
}
