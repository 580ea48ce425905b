//! The implementation for a oneof.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{DataEnum, DeriveInput, Path, Result, parse_quote};

use crate::{
    options::error,
    prost::field::{Entry, Form, Scope},
};

/// Schemas and JSON form of a oneof's variants.
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
            json,
            form,
            ..
        } = entry;
        let Form::Value { kind, .. } = form else {
            return Err(error(ident, "a oneof cannot stand in a oneof"));
        };
        let spellings = entry.spellings();
        find.push(quote!(#spellings => ::core::option::Option::Some(#index)));
        write.push(quote!(Self::#ident(value) => #proto::write::<#kind, _, _>(to, #json, value)));
        read.push(quote! {
            #index => #proto::read::<#kind, #ty, __A>(from, #json)?.map(Self::#ident)
        });
        describe.push(quote! {
            #derived::field(fields, #json, true, <#kind as #proto::Kind<#ty>>::describe(depth));
        });
    }
    Ok(quote! {
        #[allow(deprecated)]
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

                fn write<__S: #proto::SerializeStruct>(
                    &self,
                    to: &mut __S,
                ) -> ::core::result::Result<(), __S::Error> {
                    match self {
                        #(#write,)*
                    }
                }

                fn read<'de, __A: #proto::MapAccess<'de>>(
                    place: usize,
                    from: &mut __A,
                ) -> ::core::result::Result<::core::option::Option<Self>, __A::Error> {
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
