//! Tables for people: aligned columns, bold headers and coloured cells on a terminal.

use std::fmt::{self, Write};

use comfy_table::presets::NOTHING;

use crate::printable::printable;

/// The colour of a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Colour {
    Plain,
    Bold,
    Green,
    Red,
}

impl Colour {
    /// The parameter of the terminal's escape sequence.
    fn code(self) -> &'static str {
        match self {
            Colour::Plain => "0",
            Colour::Bold => "1",
            Colour::Green => "32",
            Colour::Red => "31",
        }
    }
}

/// The text of a cell, and its colour.
#[derive(Clone, Debug)]
pub(crate) struct Cell(String, Colour);

impl Cell {
    pub(crate) fn coloured(self, colour: Colour) -> Self {
        Cell(self.0, colour)
    }
}

impl<T: fmt::Display> From<T> for Cell {
    /// The text on one line, with control characters escaped.
    fn from(text: T) -> Self {
        let text = text.to_string();
        Cell(printable(&text, false).into_owned(), Colour::Plain)
    }
}

/// A table of text; its `Display` has no line end after the last row.
#[derive(Debug)]
pub(crate) struct Table {
    /// The first has the headers.
    rows: Vec<Vec<Cell>>,
    coloured: bool,
}

impl Table {
    pub(crate) fn new<const N: usize>(headers: [&str; N], coloured: bool) -> Self {
        let headers = headers.map(|header| Cell::from(header).coloured(Colour::Bold));
        Table {
            rows: vec![headers.into()],
            coloured,
        }
    }

    pub(crate) fn row<const N: usize>(&mut self, cells: [Cell; N]) {
        self.rows.push(cells.into());
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = comfy_table::Table::new();
        table.load_style(NOTHING);
        let texts = |row: &Vec<Cell>| row.iter().map(|cell| cell.0.clone()).collect::<Vec<_>>();
        table.add_rows(self.rows.iter().map(texts));
        for column in table.column_iter_mut() {
            column.set_padding((0, 2));
        }
        for (number, (line, cells)) in table.lines().zip(&self.rows).enumerate() {
            if number > 0 {
                f.write_char('\n')?;
            }
            let line = line.trim_end();
            match self.coloured {
                true => write_coloured(f, line, cells)?,
                false => f.write_str(line)?,
            }
        }
        Ok(())
    }
}

/// Writes a line of these cells in their colours, which must not count as width while columns are aligned.
fn write_coloured(f: &mut fmt::Formatter<'_>, line: &str, cells: &[Cell]) -> fmt::Result {
    let mut rest = line;
    for Cell(text, colour) in cells {
        let text = text.trim_end();
        if *colour == Colour::Plain || text.is_empty() {
            // The next coloured cell must not be found inside this one.
            let end = rest.find(text).map_or(0, |start| start + text.len());
            f.write_str(&rest[..end])?;
            rest = &rest[end..];
        } else if let Some((gap, after)) = rest.split_once(text) {
            write!(f, "{gap}\x1b[{}m{text}\x1b[0m", colour.code())?;
            rest = after;
        }
    }
    f.write_str(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(coloured: bool) -> String {
        let mut table = Table::new(["NAME", "NODES"], coloured);
        table.row(["greeter".into(), 3.into()]);
        table.row(["ü".into(), Cell::from(1).coloured(Colour::Red)]);
        table.row(["x".into(), "".into()]);
        table.to_string()
    }

    #[test]
    fn columns_are_aligned_without_spaces_at_the_end() {
        assert_eq!(table(false), "NAME     NODES\ngreeter  3\nü        1\nx");
    }

    #[test]
    fn colours_do_not_count_as_width() {
        assert_eq!(
            table(true),
            "\x1b[1mNAME\x1b[0m     \x1b[1mNODES\x1b[0m\ngreeter  3\nü        \x1b[31m1\x1b[0m\nx"
        );
    }

    #[test]
    fn wide_characters_count_twice() {
        let mut table = Table::new(["  NAME", "NODES"], false);
        table.row(["  注文".into(), 3.into()]);
        table.row(["  a".into(), 12.into()]);
        assert_eq!(table.to_string(), "  NAME  NODES\n  注文  3\n  a     12");
    }

    #[test]
    fn control_characters_of_cells_are_escaped() {
        let mut table = Table::new(["NAME"], true);
        table.row(["a\u{1b}[2J\nb".into()]);
        assert!(table.to_string().ends_with("\na\\u001b[2J\\u000ab"));
    }
}
