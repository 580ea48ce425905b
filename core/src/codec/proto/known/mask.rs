//! Field masks: one text of paths in camel case, such as `user.displayName,photo`.

use prost_types::FieldMask;
use serde::{Deserializer, Serializer, de::Error as _, ser::Error as _};

use super::time::Text;
use crate::{codec::proto::embedded::Embedded, node::Value};

impl Embedded for FieldMask {
    fn write<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut text = String::new();
        for path in &self.paths {
            if !text.is_empty() {
                text.push(',');
            }
            text += &camel(path).ok_or_else(|| {
                S::Error::custom(format_args!(
                    "path `{path}` of a field mask has no form in JSON; write it in snake case"
                ))
            })?;
        }
        to.serialize_str(&text)
    }

    fn read<'de, D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = from.deserialize_str(Text("field paths such as `user.displayName,photo`"))?;
        let paths = text.split(',').filter(|path| !path.is_empty());
        let paths = paths.map(|path| {
            snake(path).ok_or_else(|| {
                D::Error::custom(format_args!(
                    "`{path}` is not a field's path in camel case such as `user.displayName`"
                ))
            })
        });
        paths
            .collect::<Result<_, _>>()
            .map(|paths| FieldMask { paths })
    }

    fn describe(_: u8) -> Value {
        Value::new("FieldMask", "string")
    }
}

/// `None` for what [`snake`] would not bring back.
fn camel(path: &str) -> Option<String> {
    let mut text = String::with_capacity(path.len());
    let mut letters = path.chars();
    while let Some(letter) = letters.next() {
        text.push(match letter {
            '_' => letters
                .next()
                .filter(char::is_ascii_lowercase)?
                .to_ascii_uppercase(),
            letter if letter.is_ascii_uppercase() => return None,
            letter => letter,
        });
    }
    Some(text)
}

/// `None` for what is in snake case already.
fn snake(path: &str) -> Option<String> {
    let mut text = String::with_capacity(path.len() + 4);
    for letter in path.chars() {
        match letter {
            '_' => return None,
            letter if letter.is_ascii_uppercase() => {
                text.extend(['_', letter.to_ascii_lowercase()]);
            }
            letter => text.push(letter),
        }
    }
    Some(text)
}
