//! Reads prost's attributes of a field.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::{Attribute, Field, Fields, Ident, Path, Result, Type, ext::IdentExt};

use crate::{
    case::{lower_camel, snake},
    options::{Item, Options, error, items},
    schema,
};

/// The context of the derived code.
pub(super) struct Scope {
    pub(super) derived: Path,
    /// A type for each enumeration met, which has its names.
    pub(super) names: Vec<TokenStream>,
}

/// A field or a variant in Protobuf.
pub(super) struct Entry {
    pub(super) ident: Ident,
    pub(super) ty: Type,
    /// The name in the `.proto`.
    pub(super) plain: String,
    /// The name in JSON.
    pub(super) json: String,
    pub(super) form: Form,
}

pub(super) enum Form {
    /// The kind that writes and reads it, and whether it is always written.
    Value {
        kind: TokenStream,
        always: bool,
    },
    Oneof,
}

impl Entry {
    /// A pattern of both its names.
    pub(super) fn spellings(&self) -> TokenStream {
        let Entry { json, plain, .. } = self;
        match json == plain {
            true => quote!(#json),
            false => quote!(#json | #plain),
        }
    }
}

impl Scope {
    pub(super) fn new(krate: &Path) -> Self {
        Scope {
            derived: schema::derived(krate),
            names: Vec::new(),
        }
    }

    /// `None` for a field that prost does not encode.
    pub(super) fn field(&mut self, index: usize, field: &Field) -> Result<Option<Entry>> {
        let attributes = items(&field.attrs, "prost")?;
        if attributes.iter().any(|item| item.name == "skip") {
            return Ok(None);
        }
        let Some(ident) = field.ident.clone() else {
            let text = format!("give field {index} a name");
            return Err(error(field, &text));
        };
        let plain = ident.unraw().to_string();
        self.entry(ident, plain, field.ty.clone(), &field.attrs, &attributes)
            .map(Some)
    }

    pub(super) fn variant(&mut self, variant: &syn::Variant) -> Result<Entry> {
        let Fields::Unnamed(fields) = &variant.fields else {
            return Err(error(
                variant,
                "a oneof's variant holds one value: `Name(Type)`",
            ));
        };
        let [field] = fields.unnamed.iter().collect::<Vec<_>>()[..] else {
            return Err(error(
                variant,
                "a oneof's variant holds one value: `Name(Type)`",
            ));
        };
        let attributes = items(&variant.attrs, "prost")?;
        let ident = variant.ident.clone();
        let plain = snake(&ident.unraw().to_string());
        self.entry(ident, plain, field.ty.clone(), &variant.attrs, &attributes)
    }

    fn entry(
        &mut self,
        ident: Ident,
        plain: String,
        ty: Type,
        attributes: &[Attribute],
        prost: &[Item],
    ) -> Result<Entry> {
        let options = Options::read(attributes)?;
        let plain = options.original.unwrap_or(plain);
        let json = options.name.unwrap_or_else(|| lower_camel(&plain));
        let form = self.form(&ident, &ty, prost)?;
        Ok(Entry {
            ident,
            ty,
            plain,
            json,
            form,
        })
    }

    fn form(&mut self, ident: &Ident, ty: &Type, prost: &[Item]) -> Result<Form> {
        let derived = self.derived.clone();
        let has = |name: &str| prost.iter().any(|item| item.name == name);
        if has("oneof") {
            return Ok(Form::Oneof);
        }
        let mut found = None;
        for item in prost {
            found = match item.name.as_str() {
                "map" | "hash_map" | "btree_map" => {
                    let types = item.value.clone().unwrap_or_default();
                    let (_, value) = types
                        .split_once(',')
                        .ok_or_else(|| error(ident, "a map has the form `map = \"key, value\"`"))?;
                    let kind = self.map_value(ident, value.trim())?;
                    Some(quote!(#derived::proto::Map<#kind>))
                }
                "enumeration" => {
                    let given = item.value.as_ref();
                    let listed = item.inner.first().map(|inner| &inner.name);
                    match given.or(listed) {
                        Some(path) if is_null(path) => Some(quote!(#derived::proto::Null)),
                        Some(path) => Some(self.enumeration(&syn::parse_str(path)?)),
                        None => None,
                    }
                }
                name => scalar(name, &derived),
            };
            if found.is_some() {
                break;
            }
        }
        let Some(mut kind) = found else {
            let text = "this field does not say its Protobuf type; add `#[prost(…)]`";
            return Err(error(ident, text));
        };
        // A oneof's variants are boxed without an attribute.
        if has("boxed") || schema::is_box(ty) {
            kind = quote!(#derived::proto::Boxed<#kind>);
        }
        if has("repeated") {
            kind = quote!(#derived::proto::List<#kind>);
        } else if has("optional") {
            kind = quote!(#derived::proto::Optional<#kind>);
        }
        Ok(Form::Value {
            kind,
            always: has("required"),
        })
    }

    /// The kind of a map's values, by their form in the attribute.
    fn map_value(&mut self, ident: &Ident, text: &str) -> Result<TokenStream> {
        let inner = text
            .strip_prefix("enumeration")
            .map(|rest| rest.trim_matches(|c: char| "()=\" ".contains(c)));
        match inner {
            Some(path) if is_null(path) => {
                let derived = &self.derived;
                Ok(quote!(#derived::proto::Null))
            }
            Some(path) => Ok(self.enumeration(&syn::parse_str(path)?)),
            None => scalar(text, &self.derived)
                .ok_or_else(|| error(ident, &format!("`{text}` is no Protobuf type"))),
        }
    }

    /// The kind of an enumeration, with a type of its own that has its names.
    fn enumeration(&mut self, path: &Path) -> TokenStream {
        let derived = &self.derived;
        let names = format_ident!("__Names{}", self.names.len());
        self.names.push(quote! {
            struct #names;

            impl #derived::proto::Names for #names {
                fn name(number: i32) -> ::core::option::Option<&'static str> {
                    #[allow(unused_imports)]
                    use #derived::proto::Unnamed as _;
                    let value = <#path as ::core::convert::TryFrom<i32>>::try_from(number).ok()?;
                    ::core::option::Option::Some(value.as_str_name())
                        .filter(|name: &&'static str| !name.is_empty())
                }

                fn number(name: &str) -> ::core::option::Option<i32> {
                    #[allow(unused_imports)]
                    use #derived::proto::Unnamed as _;
                    <#path>::from_str_name(name).map(|value| value as i32)
                }

                fn describe(depth: u8) -> #derived::Value {
                    #[allow(unused_imports)]
                    use #derived::{Foreign as _, Known as _};
                    (&#derived::Probe::<#path>::new()).describe(depth)
                }
            }
        });
        quote!(#derived::proto::Enumeration<#names>)
    }
}

/// Whether a path is that of `google.protobuf.NullValue`.
fn is_null(path: &str) -> bool {
    path.trim_start_matches("::") == "prost_types::NullValue"
}

/// The kind of a type that needs only its name.
fn scalar(name: &str, derived: &Path) -> Option<TokenStream> {
    let kind = match name {
        "int32" | "int64" | "uint32" | "uint64" | "sint32" | "sint64" | "fixed32" | "fixed64"
        | "sfixed32" | "sfixed64" => quote!(Integer),
        "float" | "double" => quote!(Float),
        "bool" => quote!(Boolean),
        "string" => quote!(Text),
        "bytes" => quote!(Raw),
        "message" | "group" => quote!(Nested),
        _ => return None,
    };
    Some(quote!(#derived::proto::#kind))
}
