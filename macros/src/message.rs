//! `#[derive(Message)]`: the kind of the type, and the implementation for serde types.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Data, DeriveInput, Fields, GenericParam, Path, Result, parse_quote};

use crate::{
    enumeration, implementation,
    options::{Options, error, named},
    prost, schema,
};

pub(crate) fn expand(input: &DeriveInput) -> Result<TokenStream> {
    let options = Options::read(&input.attrs)?;
    owned(input)?;
    let krate = options.krate();
    match (&input.data, options.prost || has_prost_fields(&input.data)) {
        (Data::Struct(data), true) => prost::message(input, data, &krate),
        (Data::Enum(data), true)
            if data
                .variants
                .iter()
                .all(|v| matches!(v.fields, Fields::Unit)) =>
        {
            enumeration::expand(input, data, options.named, &krate)
        }
        (Data::Enum(data), true) => prost::oneof(input, data, &krate),
        _ => structured(input, &krate),
    }
}

/// The implementation for a type with serde's `Serialize` and `Deserialize`.
fn structured(input: &DeriveInput, krate: &Path) -> Result<TokenStream> {
    let derived = schema::derived(krate);
    let tree = schema::tree(input, &derived)?;
    let name = &input.ident;

    let mut generics = input.generics.clone();
    for parameter in generics.type_params_mut() {
        parameter.bounds.push(parse_quote!(#derived::Describe));
    }
    let (described, parameters, describe_where) = generics.split_for_impl();
    let mut whole = generics.clone();
    whole
        .make_where_clause()
        .predicates
        .push(parse_quote!(Self: #derived::Serde));
    let message = implementation::message(name, &whole, krate, &quote!(MsgPack), &derived);
    Ok(quote! {
        #[automatically_derived]
        impl #described #derived::Describe for #name #parameters #describe_where {
            fn describe(depth: u8) -> #derived::Value {
                let _ = depth;
                #tree
            }
        }

        #message
    })
}

/// A message outlives the call that brought it, so it cannot borrow.
fn owned(input: &DeriveInput) -> Result<()> {
    let lifetime = input
        .generics
        .params
        .iter()
        .find_map(|parameter| match parameter {
            GenericParam::Lifetime(lifetime) => Some(lifetime),
            _ => None,
        });
    match lifetime {
        Some(lifetime) => Err(error(
            lifetime,
            "a message owns what is in it; use `String` for `&str`, `Bytes` or `Vec` for slices",
        )),
        None => Ok(()),
    }
}

fn has_prost_fields(data: &Data) -> bool {
    let fields: Vec<_> = match data {
        Data::Struct(data) => data.fields.iter().map(|field| &field.attrs).collect(),
        Data::Enum(data) => data.variants.iter().map(|variant| &variant.attrs).collect(),
        Data::Union(_) => Vec::new(),
    };
    fields
        .into_iter()
        .any(|attributes| named(attributes, "prost").next().is_some())
}
