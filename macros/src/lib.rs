//! The macros of `micro-rs`; use them through `micro`, where they are documented.

mod case;
mod enumeration;
mod implementation;
mod message;
mod options;
mod prost;
mod schema;
mod serde;
mod service;

use proc_macro::TokenStream;
use syn::{DeriveInput, ItemTrait, parse_macro_input};

#[expect(missing_docs, reason = "documented where `micro` re-exports it")]
#[proc_macro_derive(Message, attributes(message))]
pub fn derive_message(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    message::expand(&input)
        .unwrap_or_else(syn::Error::into_compile_error)
        .into()
}

#[expect(missing_docs, reason = "documented where `micro` re-exports it")]
#[proc_macro_attribute]
pub fn service(arguments: TokenStream, input: TokenStream) -> TokenStream {
    let options = parse_macro_input!(arguments as service::Options);
    let input = parse_macro_input!(input as ItemTrait);
    service::expand(&options, input)
        .unwrap_or_else(syn::Error::into_compile_error)
        .into()
}
