//! The server: a trait's methods as the handlers of a router.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::{ItemTrait, ext::IdentExt};

use crate::service::{
    Options,
    endpoint::{Endpoint, Repeats},
};

pub(super) fn expand(options: &Options, input: &ItemTrait, endpoints: &[Endpoint]) -> TokenStream {
    let krate = &options.krate;
    let descriptors = options
        .descriptors
        .as_ref()
        .map(|set| quote!(let router = router.with_descriptors(#set);));
    let service = &input.ident;
    let visibility = &input.vis;
    let server = format_ident!("{}Server", service.unraw());
    let docs = format!(
        "Answers calls with a [`{}`]: add it to a service or a router.",
        service.unraw()
    );
    let routes = endpoints.iter().map(|endpoint| {
        let Endpoint {
            function,
            name,
            path,
            conditions,
            request,
            ..
        } = endpoint;
        let declared = match endpoint.repeats {
            Repeats::Unsafe => None,
            Repeats::Idempotent => Some(quote!(#krate::Handler::idempotent(handler))),
            Repeats::ReadOnly => Some(quote!(#krate::Handler::read_only(handler))),
        };
        let declared = declared.map(|declared| quote!(let handler = #declared;));
        let description = endpoint.description();
        let properties = [
            ("description", description.as_ref()),
            ("path", path.as_ref()),
        ];
        let properties = properties.into_iter().filter_map(|(name, value)| {
            let value = value?;
            Some(quote!((
                ::std::string::String::from(#name),
                ::std::string::String::from(#value),
            )))
        });
        quote! {
            #(#conditions)*
            let router = {
                let service = ::std::sync::Arc::clone(&self.0);
                let handler = move |cx: #krate::Context, request: #request| {
                    let service = ::std::sync::Arc::clone(&service);
                    async move { #service::#function(&*service, cx, request).await }
                };
                #declared
                router.handle_with(#name, handler, [#(#properties),*])
            };
        }
    });
    quote! {
        #[doc = #docs]
        #visibility struct #server<__T>(::std::sync::Arc<__T>);

        impl<__T: #service> #server<__T> {
            /// Answers with `service`.
            #visibility fn new(service: __T) -> Self {
                Self(::std::sync::Arc::new(service))
            }
        }

        impl<__T: #service> ::core::convert::From<::std::sync::Arc<__T>> for #server<__T> {
            fn from(service: ::std::sync::Arc<__T>) -> Self {
                Self(service)
            }
        }

        impl<__T> ::core::clone::Clone for #server<__T> {
            fn clone(&self) -> Self {
                Self(::std::sync::Arc::clone(&self.0))
            }
        }

        impl<__T: #service> #krate::Routes for #server<__T> {
            fn routes(self) -> #krate::Router {
                let router = #krate::Router::new();
                #descriptors
                #(#routes)*
                router
            }
        }
    }
}
