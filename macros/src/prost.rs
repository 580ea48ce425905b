//! `#[derive(Message)]` on prost types: what prost's attributes say, and the JSON form that follows of it.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::{
    Attribute, DataEnum, DataStruct, DeriveInput, Field, Fields, Ident, Path, Result, Type,
    ext::IdentExt, parse_quote,
};

use crate::{
    case::{lower_camel, snake},
    options::{Item, Options, error, items},
    schema,
};

/// Where the derived code stands, and what stands beside it.
struct Scope {
    derived: Path,
    /// A type for each enumeration met, that knows its names.
    names: Vec<TokenStream>,
}

/// A field or a variant as Protobuf sees it.
struct Entry {
    ident: Ident,
    ty: Type,
    /// As in the `.proto`.
    plain: String,
    /// As in JSON.
    json: String,
    form: Form,
}

enum Form {
    /// The kind that writes and reads it, and whether it is always written.
    Value {
        kind: TokenStream,
        always: bool,
    },
    Oneof,
}

/// The implementation for a message.
pub(crate) fn message(input: &DeriveInput, data: &DataStruct, krate: &Path) -> Result<TokenStream> {
    if !input.generics.params.is_empty() {
        let text = "a prost message has no type parameters";
        return Err(error(&input.generics, text));
    }
    let mut scope = Scope::new(krate);
    let entries = data
        .fields
        .iter()
        .enumerate()
        .filter_map(|(index, field)| scope.field(index, field).transpose())
        .collect::<Result<Vec<_>>>()?;
    let Scope { derived, names } = &scope;
    let proto: Path = parse_quote!(#derived::proto);
    let name = &input.ident;
    let text = name.unraw().to_string();

    let mut find = Vec::new();
    let mut find_oneof = Vec::new();
    let mut count = Vec::new();
    let mut write = Vec::new();
    let mut read = Vec::new();
    let mut describe = Vec::new();
    // A oneof takes a range of places, so that its variants have each their own.
    const ONEOF: usize = 1 << 16;
    for (index, entry) in entries.iter().enumerate() {
        let Entry {
            ident,
            ty,
            plain,
            json,
            form,
        } = entry;
        match form {
            Form::Value { kind, always } => {
                let written = match always {
                    true => quote!(true),
                    false => quote!(!#proto::is_default::<#kind, _>(&self.#ident)),
                };
                let optional = !always;
                let spellings = spellings(json, plain);
                find.push(quote!(#spellings => ::core::option::Option::Some(#index)));
                count.push(quote!(::core::primitive::usize::from(#written)));
                write.push(quote! {
                    if #written {
                        #proto::write::<#kind, _, _>(to, #json, &self.#ident)?;
                    }
                });
                read.push(quote! {
                    #index => if let ::core::option::Option::Some(value) =
                        #proto::read::<#kind, #ty, A>(from, #json)?
                    {
                        self.#ident = value;
                    }
                });
                describe.push(quote! {
                    #derived::field(fields, #json, #optional, <#kind as #proto::Kind<#ty>>::describe(depth));
                });
            }
            Form::Oneof => {
                let first = (index + 1) * ONEOF;
                let last = first + ONEOF - 1;
                let oneof = quote!(<#ty as #proto::OneofField>::Oneof);
                find_oneof.push(quote! {
                    if let ::core::option::Option::Some(place) = <#oneof as #proto::Oneof>::find(name) {
                        return ::core::option::Option::Some(#first + place);
                    }
                });
                count.push(quote!(::core::primitive::usize::from(self.#ident.is_some())));
                write.push(quote! {
                    if let ::core::option::Option::Some(variant) = &self.#ident {
                        #proto::Oneof::write(variant, to)?;
                    }
                });
                read.push(quote! {
                    #first..=#last => self.#ident = #proto::Oneof::read(place - #first, from)?
                });
                describe.push(quote!(<#oneof as #proto::Oneof>::describe(depth, fields);));
            }
        }
    }

    let serde = serde_impls(name, &proto);
    let message = message_impl(name, krate, derived, &proto);
    Ok(quote! {
        const _: () = {
            #(#names)*

            #[automatically_derived]
            impl #proto::Fields for #name {
                const NAME: &'static str = #text;

                fn find(name: &str) -> ::core::option::Option<usize> {
                    match name {
                        #(#find,)*
                        _ => {
                            #(#find_oneof)*
                            ::core::option::Option::None
                        }
                    }
                }

                fn count(&self) -> usize {
                    0 #(+ #count)*
                }

                fn write<S: #proto::SerializeStruct>(
                    &self,
                    to: &mut S,
                ) -> ::core::result::Result<(), S::Error> {
                    let _ = &to;
                    #(#write)*
                    ::core::result::Result::Ok(())
                }

                fn read<'de, A: #proto::MapAccess<'de>>(
                    &mut self,
                    place: usize,
                    from: &mut A,
                ) -> ::core::result::Result<(), A::Error> {
                    let _ = &from;
                    match place {
                        #(#read,)*
                        _ => {}
                    }
                    ::core::result::Result::Ok(())
                }
            }

            #[automatically_derived]
            impl #derived::Describe for #name {
                fn describe(depth: u8) -> #derived::Value {
                    #derived::object(#text, depth, |depth, fields| {
                        let _ = (depth, &fields);
                        #(#describe)*
                    })
                }
            }

            #serde
            #message
        };
    })
}

/// The implementation for a oneof.
pub(crate) fn oneof(input: &DeriveInput, data: &DataEnum, krate: &Path) -> Result<TokenStream> {
    let mut scope = Scope::new(krate);
    let entries = data
        .variants
        .iter()
        .map(|variant| scope.variant(variant))
        .collect::<Result<Vec<_>>>()?;
    let Scope { derived, names } = &scope;
    let proto: Path = parse_quote!(#derived::proto);
    let name = &input.ident;

    let mut find = Vec::new();
    let mut write = Vec::new();
    let mut read = Vec::new();
    let mut describe = Vec::new();
    for (index, entry) in entries.iter().enumerate() {
        let Entry {
            ident,
            ty,
            plain,
            json,
            form,
        } = entry;
        let Form::Value { kind, .. } = form else {
            return Err(error(ident, "a oneof cannot stand in a oneof"));
        };
        let spellings = spellings(json, plain);
        find.push(quote!(#spellings => ::core::option::Option::Some(#index)));
        write.push(quote!(Self::#ident(value) => #proto::write::<#kind, _, _>(to, #json, value)));
        read.push(quote! {
            #index => #proto::read::<#kind, #ty, A>(from, #json)?.map(Self::#ident)
        });
        describe.push(quote! {
            #derived::field(fields, #json, true, <#kind as #proto::Kind<#ty>>::describe(depth));
        });
    }
    Ok(quote! {
        const _: () = {
            #(#names)*

            #[automatically_derived]
            impl #proto::Oneof for #name {
                fn find(name: &str) -> ::core::option::Option<usize> {
                    match name {
                        #(#find,)*
                        _ => ::core::option::Option::None,
                    }
                }

                fn write<S: #proto::SerializeStruct>(
                    &self,
                    to: &mut S,
                ) -> ::core::result::Result<(), S::Error> {
                    match self {
                        #(#write,)*
                    }
                }

                fn read<'de, A: #proto::MapAccess<'de>>(
                    place: usize,
                    from: &mut A,
                ) -> ::core::result::Result<::core::option::Option<Self>, A::Error> {
                    ::core::result::Result::Ok(match place {
                        #(#read,)*
                        _ => ::core::option::Option::None,
                    })
                }

                fn describe(depth: u8, fields: &mut ::std::vec::Vec<#derived::Value>) {
                    #(#describe)*
                }
            }
        };
    })
}

/// A pattern of both names of a field.
fn spellings(json: &str, plain: &str) -> TokenStream {
    match json == plain {
        true => quote!(#json),
        false => quote!(#json | #plain),
    }
}

/// Serde's traits, through the fields.
fn serde_impls(name: &Ident, proto: &Path) -> TokenStream {
    quote! {
        #[automatically_derived]
        impl #proto::Serialize for #name {
            fn serialize<S: #proto::Serializer>(
                &self,
                to: S,
            ) -> ::core::result::Result<S::Ok, S::Error> {
                #proto::serialize(self, to)
            }
        }

        #[automatically_derived]
        impl<'de> #proto::Deserialize<'de> for #name {
            fn deserialize<D: #proto::Deserializer<'de>>(
                from: D,
            ) -> ::core::result::Result<Self, D::Error> {
                #proto::deserialize(from)
            }
        }
    }
}

fn message_impl(name: &Ident, krate: &Path, derived: &Path, proto: &Path) -> TokenStream {
    quote! {
        #[automatically_derived]
        impl #krate::Message for #name {
            fn content_type() -> #derived::ContentType {
                #derived::ContentType::Protobuf
            }

            #[inline]
            fn encode(
                &self,
                content_type: &#derived::ContentType,
                codecs: &#derived::Codecs,
            ) -> #derived::Result<#derived::Bytes> {
                #proto::encode(self, content_type, codecs)
            }

            #[inline]
            fn decode(
                content_type: &#derived::ContentType,
                codecs: &#derived::Codecs,
                bytes: #derived::Bytes,
            ) -> #derived::Result<Self> {
                #proto::decode(content_type, codecs, bytes)
            }

            fn schema() -> #derived::Value {
                #derived::root::<Self>()
            }
        }
    }
}

impl Scope {
    fn new(krate: &Path) -> Self {
        Scope {
            derived: schema::derived(krate),
            names: Vec::new(),
        }
    }

    /// `None` for a field that prost does not send.
    fn field(&mut self, index: usize, field: &Field) -> Result<Option<Entry>> {
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

    fn variant(&mut self, variant: &syn::Variant) -> Result<Entry> {
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
        let json = Options::read(attributes)?
            .name
            .unwrap_or_else(|| lower_camel(&plain));
        let form = self.form(&ident, prost)?;
        Ok(Entry {
            ident,
            ty,
            plain,
            json,
            form,
        })
    }

    fn form(&mut self, ident: &Ident, prost: &[Item]) -> Result<Form> {
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
        if has("boxed") {
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

    /// The kind of a map's values, of their form in the attribute.
    fn map_value(&mut self, ident: &Ident, text: &str) -> Result<TokenStream> {
        let inner = text
            .strip_prefix("enumeration")
            .map(|rest| rest.trim_matches(|c: char| "()=\" ".contains(c)));
        match inner {
            Some(path) => Ok(self.enumeration(&syn::parse_str(path)?)),
            None => scalar(text, &self.derived)
                .ok_or_else(|| error(ident, &format!("`{text}` is no Protobuf type"))),
        }
    }

    /// The kind of an enumeration, with a type of its own that finds its names.
    fn enumeration(&mut self, path: &Path) -> TokenStream {
        let derived = &self.derived;
        let names = format_ident!("Names{}", self.names.len());
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

/// The kind of a type that needs no more than its name.
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
