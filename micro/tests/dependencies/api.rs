//! The items that each module of a crate declares for others, and which of them its docs hide.

use std::collections::BTreeMap;

use crate::source::{Token, tokens};

/// What each module declares as `pub`, by the path of the module and the name.
pub(crate) struct Api(BTreeMap<Vec<String>, BTreeMap<String, Item>>);

#[derive(Clone, Copy)]
struct Item {
    is_hidden: bool,
    is_module: bool,
}

impl Api {
    /// Reads the texts of a crate by the module of each.
    pub(crate) fn read(sources: &BTreeMap<Vec<String>, String>) -> Self {
        let items = |text: &String| items(&tokens(text));
        Api(sources
            .iter()
            .map(|(module, text)| (module.clone(), items(text)))
            .collect())
    }

    /// Why a path from the root is not documented public API; `None` where it is. Of a path into a type only the type
    /// is looked at.
    pub(crate) fn refuses(&self, path: &[String]) -> Option<String> {
        for (at, name) in path.iter().enumerate() {
            let module = self.0.get(&path[..at])?;
            if name == "*" {
                return Some("a glob may take in what is hidden".to_owned());
            }
            match module.get(name) {
                None => return Some(format!("`{name}` is not public there")),
                Some(item) if item.is_hidden => return Some(format!("`{name}` is `doc(hidden)`")),
                Some(item) if !item.is_module => return None,
                Some(_) => {}
            }
        }
        None
    }
}

/// The `pub` items at the outermost level of a file.
fn items(tokens: &[Token]) -> BTreeMap<String, Item> {
    const KINDS: [&str; 8] = [
        "mod", "struct", "enum", "trait", "fn", "const", "type", "static",
    ];
    let text = |at: usize| tokens.get(at).map_or("", |token| token.text.as_str());
    let (mut items, mut depth, mut is_hidden, mut at) = (BTreeMap::new(), 0usize, false, 0);
    while at < tokens.len() {
        match text(at) {
            "#" if text(at + 1) == "[" && depth == 0 => {
                let end = closing(tokens, at + 1);
                is_hidden |= text(at + 2) == "doc" && text(at + 4) == "hidden";
                at = end;
            }
            "pub" if depth == 0 && text(at + 1) == "use" => {
                let end = (at..tokens.len()).find(|end| text(*end) == ";");
                let end = end.unwrap_or(tokens.len());
                for leaf in (at + 2..end).filter(|leaf| matches!(text(leaf + 1), "," | "}" | ";")) {
                    let item = Item {
                        is_hidden,
                        is_module: false,
                    };
                    items.insert(text(leaf).to_owned(), item);
                }
                (is_hidden, at) = (false, end);
            }
            "pub" if depth == 0 => {
                let words = at + 1..(at + 5).min(tokens.len());
                let kind = words.clone().find(|kind| KINDS.contains(&text(*kind)));
                // `pub const fn`, `pub async fn`, `pub unsafe trait`.
                let kind = kind.map(|kind| {
                    if text(kind + 1) == "fn" {
                        kind + 1
                    } else {
                        kind
                    }
                });
                if let Some(kind) = kind.filter(|_| text(at + 1) != "(") {
                    let item = Item {
                        is_hidden,
                        is_module: text(kind) == "mod",
                    };
                    items.insert(text(kind + 1).to_owned(), item);
                }
            }
            "{" => depth += 1,
            "}" => {
                depth = depth.saturating_sub(1);
                is_hidden &= depth > 0;
            }
            ";" if depth == 0 => is_hidden = false,
            _ => {}
        }
        at += 1;
    }
    items
}

/// Where the bracket at `open` is closed.
fn closing(tokens: &[Token], open: usize) -> usize {
    let mut depth = 0;
    for (at, token) in tokens.iter().enumerate().skip(open) {
        match token.text.as_str() {
            "[" => depth += 1,
            "]" if depth == 1 => return at,
            "]" => depth -= 1,
            _ => {}
        }
    }
    tokens.len()
}
