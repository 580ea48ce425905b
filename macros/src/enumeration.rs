//! `#[derive(Message)]` on a prost enumeration: the names of its values.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{DataEnum, DeriveInput, Path, Result, ext::IdentExt};

use crate::{case::snake, options::Options, schema};

/// The two functions that prost's generated code has and its derive lacks, unless the type has them (`named`),
/// and the schema.
pub(crate) fn expand(
    input: &DeriveInput,
    data: &DataEnum,
    named: bool,
    krate: &Path,
) -> Result<TokenStream> {
    let derived = schema::derived(krate);
    let name = &input.ident;
    let type_name = name.unraw().to_string();
    let idents: Vec<_> = data.variants.iter().map(|variant| &variant.ident).collect();
    let names = data
        .variants
        .iter()
        .map(|variant| {
            let given = Options::read(&variant.attrs)?.name;
            let ident = variant.ident.unraw().to_string();
            Ok(given.unwrap_or_else(|| snake(&ident).to_ascii_uppercase()))
        })
        .collect::<Result<Vec<String>>>()?;

    let functions = (!named).then(|| {
        quote! {
            impl #name {
                /// The name of this value in Protobuf's JSON form.
                pub fn as_str_name(&self) -> &'static str {
                    match self {
                        #(Self::#idents => #names,)*
                    }
                }

                /// The value of a name.
                pub fn from_str_name(name: &str) -> ::core::option::Option<Self> {
                    match name {
                        #(#names => ::core::option::Option::Some(Self::#idents),)*
                        _ => ::core::option::Option::None,
                    }
                }
            }
        }
    });
    Ok(quote! {
        #functions

        #[automatically_derived]
        #[allow(deprecated)]
        impl #derived::Describe for #name {
            fn describe(depth: u8) -> #derived::Value {
                #derived::choice(#type_name, depth.max(#derived::OBJECT), |_, values| {
                    #(#derived::field(
                        values,
                        Self::#idents.as_str_name(),
                        false,
                        #derived::Value::new("", "string"),
                    );)*
                })
            }
        }
    })
}
