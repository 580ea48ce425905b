//! Rows for people: columns aligned, headers bold and marked cells coloured on a terminal.

use std::fmt::{self, Write};

use crate::printable::printable;

/// How a cell is coloured.
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

/// One cell.
#[derive(Clone, Debug)]
pub(crate) struct Cell(String, Colour);

impl Cell {
    pub(crate) fn coloured(self, colour: Colour) -> Self {
        Cell(self.0, colour)
    }
}

impl<T: fmt::Display> From<T> for Cell {
    /// The text on one line, with nothing in it that a terminal would obey.
    fn from(text: T) -> Self {
        let text = text.to_string();
        Cell(printable(&text, false).into_owned(), Colour::Plain)
    }
}

/// A table; its `Display` has no line end after the last row.
#[derive(Debug)]
pub(crate) struct Table {
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
        let mut widths = Vec::new();
        for row in &self.rows {
            widths.resize(widths.len().max(row.len()), 0);
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.0.chars().count());
            }
        }
        for (number, row) in self.rows.iter().enumerate() {
            if number > 0 {
                f.write_char('\n')?;
            }
            // Nothing follows the last text that would have to be aligned.
            let last = row.iter().rposition(|cell| !cell.0.is_empty());
            let cells = row.iter().zip(&widths).enumerate();
            for (column, (Cell(text, colour), width)) in cells.take(last.map_or(0, |at| at + 1)) {
                let width = if Some(column) == last { 0 } else { *width };
                let gap = if column == 0 { "" } else { "  " };
                if self.coloured && *colour != Colour::Plain {
                    write!(f, "{gap}\x1b[{}m{text:width$}\x1b[0m", colour.code())?;
                } else {
                    write!(f, "{gap}{text:width$}")?;
                }
            }
        }
        Ok(())
    }
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
            "\x1b[1mNAME   \x1b[0m  \x1b[1mNODES\x1b[0m\ngreeter  3\nü        \x1b[31m1\x1b[0m\nx"
        );
    }
}
