//! The client: a trait's methods as calls.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::{ItemTrait, Path, ext::IdentExt};

use crate::service::endpoint::{Endpoint, Repeats};

pub(super) fn expand(krate: &Path, input: &ItemTrait, endpoints: &[Endpoint]) -> TokenStream {
    let service = &input.ident;
    let visibility = &input.vis;
    let client = format_ident!("{}Client", service.unraw());
    let docs = format!("Calls a [`{}`] elsewhere.", service.unraw());
    let fields = endpoints.iter().map(|endpoint| {
        let Endpoint {
            function,
            conditions,
            request,
            response,
            ..
        } = endpoint;
        quote!(#(#conditions)* #function: #krate::client::Method<#request, #response>)
    });
    let values = endpoints.iter().map(|endpoint| {
        let Endpoint {
            function,
            name,
            conditions,
            ..
        } = endpoint;
        let idempotent = (endpoint.repeats != Repeats::Unsafe).then(|| quote!(.idempotent()));
        quote!(#(#conditions)* #function: client.method(service, #name) #idempotent)
    });
    let methods = endpoints.iter().map(|endpoint| {
        let Endpoint {
            function,
            docs,
            conditions,
            request,
            response,
            ..
        } = endpoint;
        quote! {
            #(#docs)*
            #(#conditions)*
            #visibility fn #function(
                &self,
                cx: &#krate::Context,
                request: #request,
            ) -> #krate::client::RequestBuilder<#request, #response> {
                self.#function.call(cx, request)
            }
        }
    });
    quote! {
        #[doc = #docs]
        #[derive(Clone)]
        #visibility struct #client {
            #(#fields,)*
        }

        impl #client {
            /// Calls the nodes of `service` through `client`.
            #visibility fn new(client: &#krate::Client, service: &str) -> Self {
                let _ = (client, service);
                Self {
                    #(#values,)*
                }
            }

            #(#methods)*
        }
    }
}
