//! What `#[message(…)]` says, and reading attributes that belong to others.

use quote::ToTokens;
use syn::{
    Attribute, Error, Expr, ExprLit, Lit, LitStr, Path, Result, Token, meta::ParseNestedMeta,
};

/// `#[message(…)]` on a type, a variant or a field.
#[derive(Default)]
pub(crate) struct Options {
    /// Where `micro` is, if not at `::micro`.
    pub(crate) krate: Option<Path>,
    /// The type is one of prost's, though no field says so.
    pub(crate) prost: bool,
    /// The type is an enumeration of prost's generator, which has the functions of its names already.
    pub(crate) named: bool,
    /// The name in Protobuf's JSON form.
    pub(crate) name: Option<String>,
    /// The field's name in the `.proto`.
    pub(crate) original: Option<String>,
}

impl Options {
    pub(crate) fn read(attributes: &[Attribute]) -> Result<Self> {
        let mut options = Options::default();
        for attribute in named(attributes, "message") {
            attribute.parse_nested_meta(|meta| {
                if meta.path.is_ident("crate") {
                    options.krate = Some(meta.value()?.parse::<LitStr>()?.parse()?);
                } else if meta.path.is_ident("prost") {
                    options.prost = true;
                } else if meta.path.is_ident("named") {
                    options.named = true;
                } else if meta.path.is_ident("original") {
                    options.original = Some(meta.value()?.parse::<LitStr>()?.value());
                } else if meta.path.is_ident("name") {
                    options.name = Some(meta.value()?.parse::<LitStr>()?.value());
                } else {
                    return Err(meta.error(
                        "unknown option; there are `prost`, `named`, `name = \"…\"`, `original = \"…\"` and `crate = \"…\"`",
                    ));
                }
                Ok(())
            })?;
        }
        Ok(options)
    }

    /// The path of `micro`.
    pub(crate) fn krate(&self) -> Path {
        self.krate
            .clone()
            .unwrap_or_else(|| syn::parse_quote!(::micro))
    }
}

/// The attributes of a name.
pub(crate) fn named<'a>(
    attributes: &'a [Attribute],
    name: &'a str,
) -> impl Iterator<Item = &'a Attribute> {
    attributes
        .iter()
        .filter(move |attribute| attribute.path().is_ident(name))
}

/// One item of another macro's attribute: `name`, `name = value` or `name(…)`.
pub(crate) struct Item {
    pub(crate) name: String,
    pub(crate) value: Option<String>,
    /// The items in parentheses.
    pub(crate) inner: Vec<Item>,
}

/// The items of every attribute of a name; nothing in them is a mistake here, for they have an owner
/// who says so.
pub(crate) fn items(attributes: &[Attribute], name: &str) -> Result<Vec<Item>> {
    let mut all = Vec::new();
    for attribute in named(attributes, name) {
        attribute.parse_nested_meta(|meta| {
            all.push(item(&meta)?);
            Ok(())
        })?;
    }
    Ok(all)
}

fn item(meta: &ParseNestedMeta<'_>) -> Result<Item> {
    let mut item = Item {
        name: meta.path.to_token_stream().to_string().replace(' ', ""),
        value: None,
        inner: Vec::new(),
    };
    if meta.input.peek(Token![=]) {
        item.value = Some(match meta.value()?.parse::<Expr>()? {
            Expr::Lit(ExprLit {
                lit: Lit::Str(text),
                ..
            }) => text.value(),
            other => other.to_token_stream().to_string(),
        });
    } else if meta.input.peek(syn::token::Paren) {
        meta.parse_nested_meta(|meta| {
            item.inner.push(self::item(&meta)?);
            Ok(())
        })?;
    }
    Ok(item)
}

/// An error at the place of a token.
pub(crate) fn error(at: &impl ToTokens, message: &str) -> Error {
    Error::new_spanned(at, message)
}
