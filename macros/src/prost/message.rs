//! The implementation for a message.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{DataStruct, DeriveInput, Ident, Path, Result, ext::IdentExt, parse_quote};

use crate::{
    implementation,
    options::error,
    prost::field::{Entry, Form, Scope},
};

/// A oneof takes a range of places, one for each variant.
const ONEOF: usize = 1 << 16;

/// Schema, JSON form and codecs of a prost message.
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
    let mut parts = Parts::default();
    for (index, entry) in entries.iter().enumerate() {
        match &entry.form {
            Form::Value { kind, always } => parts.value(derived, index, entry, kind, *always),
            Form::Oneof => parts.oneof(&proto, index, entry),
        }
    }

    let name = &input.ident;
    let text = name.unraw().to_string();
    let fields = parts.fields_impl(name, &text, &proto);
    let describe = parts.describe_impl(name, &text, derived);
    let serde = serde_impls(name, &proto);
    let message = implementation::message(name, &input.generics, krate, &quote!(Protobuf), &proto);
    Ok(quote! {
        // Fields may be deprecated; this is not a use of theirs.
        #[allow(deprecated)]
        const _: () = {
            #(#names)*
            #fields
            #describe
            #serde
            #message
        };
    })
}

/// The part of each field in each function. Type parameters begin with two underscores, since a
/// message may be called `A`.
#[derive(Default)]
struct Parts {
    find: Vec<TokenStream>,
    find_in_oneof: Vec<TokenStream>,
    count: Vec<TokenStream>,
    write: Vec<TokenStream>,
    read: Vec<TokenStream>,
    describe: Vec<TokenStream>,
}

impl Parts {
    fn value(
        &mut self,
        derived: &Path,
        index: usize,
        entry: &Entry,
        kind: &TokenStream,
        always: bool,
    ) {
        let Entry {
            ident, ty, json, ..
        } = entry;
        let proto = quote!(#derived::proto);
        let written = match always {
            true => quote!(true),
            false => quote!(!#proto::is_default::<#kind, _>(&self.#ident)),
        };
        let optional = !always;
        let spellings = entry.spellings();
        self.find
            .push(quote!(#spellings => ::core::option::Option::Some(#index)));
        self.count
            .push(quote!(::core::primitive::usize::from(#written)));
        self.write.push(quote! {
            if #written {
                #proto::write::<#kind, _, _>(to, #json, &self.#ident)?;
            }
        });
        self.read.push(quote! {
            #index => if let ::core::option::Option::Some(value) =
                #proto::read::<#kind, #ty, __A>(from, #json)?
            {
                self.#ident = value;
            }
        });
        self.describe.push(quote! {
            #derived::field(fields, #json, #optional, <#kind as #proto::Kind<#ty>>::describe(depth));
        });
    }

    fn oneof(&mut self, proto: &Path, index: usize, entry: &Entry) {
        let Entry {
            ident, ty, plain, ..
        } = entry;
        let first = (index + 1) * ONEOF;
        let last = first + ONEOF - 1;
        let oneof = quote!(<#ty as #proto::OneofField>::Oneof);
        self.find_in_oneof.push(quote! {
            if let ::core::option::Option::Some(place) = <#oneof as #proto::Oneof>::find(name) {
                return ::core::option::Option::Some(#first + place);
            }
        });
        self.count
            .push(quote!(::core::primitive::usize::from(self.#ident.is_some())));
        self.write.push(quote! {
            if let ::core::option::Option::Some(variant) = &self.#ident {
                #proto::Oneof::write(variant, to)?;
            }
        });
        self.read.push(quote! {
            #first..=#last => {
                #proto::read_variant(&mut self.#ident, #plain, place - #first, from)?
            }
        });
        self.describe
            .push(quote!(<#oneof as #proto::Oneof>::describe(depth, fields);));
    }

    fn fields_impl(&self, name: &Ident, text: &str, proto: &Path) -> TokenStream {
        let Parts {
            find,
            find_in_oneof,
            count,
            write,
            read,
            ..
        } = self;
        quote! {
            #[automatically_derived]
            impl #proto::Fields for #name {
                const NAME: &'static str = #text;

                fn find(name: &str) -> ::core::option::Option<usize> {
                    match name {
                        #(#find,)*
                        _ => {
                            #(#find_in_oneof)*
                            ::core::option::Option::None
                        }
                    }
                }

                fn count(&self) -> usize {
                    0 #(+ #count)*
                }

                fn write<__S: #proto::SerializeStruct>(
                    &self,
                    to: &mut __S,
                ) -> ::core::result::Result<(), __S::Error> {
                    let _ = &to;
                    #(#write)*
                    ::core::result::Result::Ok(())
                }

                fn read<'de, __A: #proto::MapAccess<'de>>(
                    &mut self,
                    place: usize,
                    from: &mut __A,
                ) -> ::core::result::Result<(), __A::Error> {
                    let _ = &from;
                    match place {
                        #(#read,)*
                        _ => {}
                    }
                    ::core::result::Result::Ok(())
                }
            }
        }
    }

    fn describe_impl(&self, name: &Ident, text: &str, derived: &Path) -> TokenStream {
        let describe = &self.describe;
        quote! {
            #[automatically_derived]
            impl #derived::Describe for #name {
                fn describe(depth: u8) -> #derived::Value {
                    #derived::object(#text, depth, |depth, fields| {
                        let _ = (depth, &fields);
                        #(#describe)*
                    })
                }
            }
        }
    }
}

/// Serde's traits, by the fields.
fn serde_impls(name: &Ident, proto: &Path) -> TokenStream {
    quote! {
        #[automatically_derived]
        impl #proto::Serialize for #name {
            fn serialize<__S: #proto::Serializer>(
                &self,
                to: __S,
            ) -> ::core::result::Result<__S::Ok, __S::Error> {
                #proto::serialize(self, to)
            }
        }

        #[automatically_derived]
        impl<'de> #proto::Deserialize<'de> for #name {
            fn deserialize<__D: #proto::Deserializer<'de>>(
                from: __D,
            ) -> ::core::result::Result<Self, __D::Error> {
                #proto::deserialize(from)
            }
        }
    }
}
