//! Reads serde's attributes, as far as they concern deserialisation.

use syn::{Attribute, Result};

use crate::options::{Item, items};

/// `#[serde(…)]` on a type, a variant or a field, as far as the schema shows it.
#[derive(Default)]
pub(crate) struct Serde {
    pub(crate) rename: Option<String>,
    pub(crate) rename_all: Option<String>,
    pub(crate) rename_all_fields: Option<String>,
    /// May be missing.
    pub(crate) default: bool,
    pub(crate) skip: bool,
    pub(crate) flatten: bool,
    /// The function or module that reads it, if it is not the type itself.
    pub(crate) with: Option<String>,
    /// An enum that does not have serde's default form, or a type that is read as another.
    pub(crate) other_form: bool,
}

impl Serde {
    pub(crate) fn read(attributes: &[Attribute]) -> Result<Self> {
        let mut serde = Serde::default();
        for item in items(attributes, "serde")? {
            match item.name.as_str() {
                "rename" => serde.rename = reading(&item),
                "rename_all" => serde.rename_all = reading(&item),
                "rename_all_fields" => serde.rename_all_fields = reading(&item),
                "default" => serde.default = true,
                "skip" | "skip_deserializing" => serde.skip = true,
                "flatten" => serde.flatten = true,
                "with" | "deserialize_with" => serde.with = item.value,
                "tag" | "content" | "untagged" | "from" | "try_from" => serde.other_form = true,
                _ => {}
            }
        }
        Ok(serde)
    }
}

/// The name for reading, in `rename = "…"` and `rename(serialize = "…", deserialize = "…")`.
fn reading(item: &Item) -> Option<String> {
    let separate = item.inner.iter().find(|inner| inner.name == "deserialize");
    item.value
        .clone()
        .or_else(|| separate.and_then(|inner| inner.value.clone()))
}
