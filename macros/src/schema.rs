//! The schema of a serde type.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{
    Data, DeriveInput, Field, Fields, GenericArgument, Path, PathArguments, Result, Type,
    ext::IdentExt, parse_quote,
};

use crate::{
    case::{rename_field, rename_variant},
    serde::Serde,
};

/// The schema as an expression, in which `depth` is the remaining depth.
pub(crate) fn tree(input: &DeriveInput, derived: &Path) -> Result<TokenStream> {
    let serde = Serde::read(&input.attrs)?;
    if serde.other_form {
        return Ok(quote!(#derived::any()));
    }
    let name = input.ident.unraw().to_string();
    let shape = Shape { derived, serde };
    match &input.data {
        Data::Struct(data) => shape.fields(&name, &data.fields),
        Data::Enum(data) => {
            let variants = data
                .variants
                .iter()
                .map(|variant| shape.variant(variant))
                .collect::<Result<Vec<_>>>()?;
            Ok(quote!(#derived::choice(#name, depth, |depth, fields| { #(#variants)* })))
        }
        Data::Union(data) => Err(crate::options::error(
            &data.union_token,
            "a union cannot be a message; use a struct or an enum",
        )),
    }
}

struct Shape<'a> {
    derived: &'a Path,
    /// The attributes of the type.
    serde: Serde,
}

impl Shape<'_> {
    /// The content of a struct or of a variant.
    fn fields(&self, name: &str, fields: &Fields) -> Result<TokenStream> {
        let derived = self.derived;
        match fields {
            Fields::Unit => Ok(quote!(#derived::object(#name, depth, |_, _| {}))),
            Fields::Unnamed(fields) => match fields.unnamed.iter().collect::<Vec<_>>()[..] {
                [only] => {
                    let inner = self.value(&only.ty, &Serde::read(&only.attrs)?);
                    Ok(quote!(#derived::newtype(depth, |depth| #inner)))
                }
                _ => Ok(quote!(#derived::list(#derived::any()))),
            },
            Fields::Named(fields) => {
                let fields = fields
                    .named
                    .iter()
                    .map(|field| self.field(field))
                    .collect::<Result<Vec<_>>>()?;
                Ok(quote!(#derived::object(#name, depth, |depth, fields| { #(#fields)* })))
            }
        }
    }

    fn field(&self, field: &Field) -> Result<TokenStream> {
        let derived = self.derived;
        let serde = Serde::read(&field.attrs)?;
        if serde.skip {
            return Ok(TokenStream::new());
        }
        let value = self.value(&field.ty, &serde);
        if serde.flatten {
            return Ok(quote!(#derived::flatten(fields, #value);));
        }
        let ident = field
            .ident
            .as_ref()
            .map(|ident| ident.unraw().to_string())
            .unwrap_or_default();
        let name = serde.rename.unwrap_or_else(|| {
            rename_field(self.serde.rename_all.as_deref().unwrap_or_default(), &ident)
        });
        let optional = serde.default || self.serde.default;
        Ok(quote!(#derived::field(fields, #name, #optional, #value);))
    }

    fn variant(&self, variant: &syn::Variant) -> Result<TokenStream> {
        let derived = self.derived;
        let mut serde = Serde::read(&variant.attrs)?;
        if serde.skip {
            return Ok(TokenStream::new());
        }
        let ident = variant.ident.unraw().to_string();
        let name = serde.rename.take().unwrap_or_else(|| {
            rename_variant(self.serde.rename_all.as_deref().unwrap_or_default(), &ident)
        });
        let value = match &variant.fields {
            Fields::Unit => quote!(#derived::Value::new("", "string")),
            fields => {
                serde.rename_all = serde
                    .rename_all
                    .or_else(|| self.serde.rename_all_fields.clone());
                Shape { derived, serde }.fields(&name, fields)?
            }
        };
        Ok(quote!(#derived::field(fields, #name, false, #value);))
    }

    /// The schema of a field's type, unless another function reads the field.
    fn value(&self, ty: &Type, serde: &Serde) -> TokenStream {
        let derived = self.derived;
        match serde.with.as_deref() {
            None => value(ty, derived),
            Some(with)
                if with
                    .trim_end_matches("::deserialize")
                    .ends_with("serde_bytes") =>
            {
                match is(ty, "Option") {
                    true => quote!(#derived::optional(#derived::bytes())),
                    false => quote!(#derived::bytes()),
                }
            }
            Some(_) => quote!(#derived::any()),
        }
    }
}

/// The schema of a type. The usual containers are recognised here, so that one around a type
/// without a schema still appears as a container.
fn value(ty: &Type, derived: &Path) -> TokenStream {
    let inner = |ty: &Type| value(ty, derived);
    match (ty, &parameters(ty)[..]) {
        (Type::Array(array), _) => {
            let inner = inner(&array.elem);
            return quote!(#derived::list(#inner));
        }
        (_, [one]) if is(ty, "Option") => {
            let inner = inner(one);
            return quote!(#derived::optional(#inner));
        }
        (_, [one]) if is(ty, "Vec") || is(ty, "VecDeque") || is(ty, "BTreeSet") => {
            let inner = inner(one);
            return quote!(#derived::list(#inner));
        }
        (_, [one]) if is(ty, "Box") || is(ty, "Arc") || is(ty, "Rc") => return inner(one),
        (_, [_, to]) if is(ty, "HashMap") || is(ty, "BTreeMap") => {
            let inner = inner(to);
            return quote!(#derived::map(#inner));
        }
        _ => {}
    }
    quote!({
        #[allow(unused_imports)]
        use #derived::{Foreign as _, Known as _};
        (&#derived::Probe::<#ty>::new()).describe(depth)
    })
}

fn is(ty: &Type, name: &str) -> bool {
    last(ty).is_some_and(|segment| segment.ident == name)
}

/// Whether a type is a `Box` of something.
pub(crate) fn is_box(ty: &Type) -> bool {
    is(ty, "Box") && parameters(ty).len() == 1
}

/// The type parameters of a type.
fn parameters(ty: &Type) -> Vec<&Type> {
    let Some(PathArguments::AngleBracketed(arguments)) = last(ty).map(|last| &last.arguments)
    else {
        return Vec::new();
    };
    arguments
        .args
        .iter()
        .filter_map(|argument| match argument {
            GenericArgument::Type(ty) => Some(ty),
            _ => None,
        })
        .collect()
}

fn last(ty: &Type) -> Option<&syn::PathSegment> {
    match ty {
        Type::Path(path) if path.qself.is_none() => path.path.segments.last(),
        _ => None,
    }
}

/// The path of what derived code calls.
pub(crate) fn derived(krate: &Path) -> Path {
    parse_quote!(#krate::codec::derived)
}
