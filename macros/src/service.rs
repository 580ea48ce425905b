//! `#[service]`: a trait of endpoints, its server and its client.

mod client;
mod endpoint;
mod server;

use proc_macro2::TokenStream;
use quote::quote;
use syn::{
    Error, Expr, Ident, ItemTrait, LitStr, Path, Result, Token, TraitItem,
    ext::IdentExt,
    parse::{Parse, ParseStream},
    parse_quote,
};

use crate::options::error;
use endpoint::{Endpoint, FORM};

/// `#[service(…)]`.
pub(crate) struct Options {
    krate: Path,
    /// The first part of the endpoints' names, if not the trait's own name.
    name: Option<String>,
    /// The Protobuf package, from which the endpoints' gRPC paths are made.
    package: Option<String>,
    /// The descriptors for reflection: a `&'static [u8]`.
    descriptors: Option<Expr>,
}

impl Parse for Options {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let mut options = Options {
            krate: parse_quote!(::micro),
            name: None,
            package: None,
            descriptors: None,
        };
        while !input.is_empty() {
            let key = input.call(Ident::parse_any)?;
            input.parse::<Token![=]>()?;
            let text = || input.parse::<LitStr>();
            match key.to_string().as_str() {
                "name" => options.name = Some(text()?.value()),
                "package" => options.package = Some(text()?.value()),
                "descriptors" => options.descriptors = Some(input.parse()?),
                "crate" => options.krate = text()?.parse()?,
                _ => {
                    let text = "unknown option; there are `name = \"…\"`, `package = \"…\"`, `descriptors = …` and `crate = \"…\"`";
                    return Err(Error::new(key.span(), text));
                }
            }
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        Ok(options)
    }
}

pub(crate) fn expand(options: &Options, mut input: ItemTrait) -> Result<TokenStream> {
    if !input.generics.params.is_empty() {
        let text = "a service has no type parameters; use concrete messages";
        return Err(error(&input.generics, text));
    }
    let trait_name = input.ident.unraw().to_string();
    let prefix = options.name.as_ref().unwrap_or(&trait_name);
    let mut endpoints = Vec::new();
    for item in &mut input.items {
        match item {
            TraitItem::Fn(function) => endpoints.push(Endpoint::take(
                function,
                prefix,
                options.package.as_deref(),
            )?),
            other => return Err(error(other, FORM)),
        }
    }
    input.supertraits.push(parse_quote!(::core::marker::Send));
    input.supertraits.push(parse_quote!(::core::marker::Sync));
    input.supertraits.push(parse_quote!('static));

    let krate = &options.krate;
    let checks = endpoints.iter().map(|endpoint| endpoint.check(krate));
    let server = server::expand(options, &input, &endpoints);
    let client = client::expand(krate, &input, &endpoints);
    Ok(quote! {
        #input
        #(#checks)*
        #server
        #client
    })
}
