//! `#[service]`: a trait of endpoints, its server and its client.

use proc_macro2::TokenStream;
use quote::{format_ident, quote, quote_spanned};
use syn::{
    Attribute, Error, Expr, FnArg, GenericArgument, Ident, ItemTrait, Lit, LitStr, Meta, Pat, Path,
    PathArguments, Result, ReturnType, Token, TraitItem, TraitItemFn, Type,
    ext::IdentExt,
    parse::{Parse, ParseStream},
    parse_quote,
    spanned::Spanned,
};

use crate::{
    case::upper_camel,
    options::{error, named},
};

const FORM: &str = "an endpoint has the form `async fn name(&self, cx: Context, request: Request) -> Result<Response>`";

/// `#[service(…)]`.
pub(crate) struct Options {
    krate: Path,
    /// The first part of the endpoints' names, if not the trait's own name.
    name: Option<String>,
}

impl Parse for Options {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let mut options = Options {
            krate: parse_quote!(::micro),
            name: None,
        };
        while !input.is_empty() {
            let key = input.call(Ident::parse_any)?;
            input.parse::<Token![=]>()?;
            let value: LitStr = input.parse()?;
            match key.to_string().as_str() {
                "name" => options.name = Some(value.value()),
                "crate" => options.krate = value.parse()?,
                _ => {
                    let text = "unknown option; there are `name = \"…\"` and `crate = \"…\"`";
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
            TraitItem::Fn(function) => endpoints.push(Endpoint::take(function, prefix)?),
            other => return Err(error(other, FORM)),
        }
    }
    input.supertraits.push(parse_quote!(::core::marker::Send));
    input.supertraits.push(parse_quote!(::core::marker::Sync));
    input.supertraits.push(parse_quote!('static));

    let krate = &options.krate;
    let checks = endpoints.iter().map(|endpoint| endpoint.check(krate));
    let server = server(options, &input, &endpoints);
    let client = client(options, &input, &endpoints);
    Ok(quote! {
        #input
        #(#checks)*
        #server
        #client
    })
}

/// One method of the trait.
struct Endpoint {
    function: Ident,
    /// Such as `Greeter.Hello`.
    name: String,
    idempotent: bool,
    docs: Vec<Attribute>,
    /// Whether it is there at all.
    conditions: Vec<Attribute>,
    context: Type,
    request: Type,
    response: Type,
}

impl Endpoint {
    /// Reads a method, and leaves one in its place that anybody can write with `async fn`.
    fn take(function: &mut TraitItemFn, prefix: &str) -> Result<Self> {
        let signature = &mut function.sig;
        if signature.asyncness.take().is_none() {
            return Err(error(
                &signature.fn_token,
                &format!("{FORM}; this one is not `async`"),
            ));
        }
        if !signature.generics.params.is_empty() {
            return Err(error(
                &signature.generics,
                &format!("{FORM}, without type parameters"),
            ));
        }
        if signature.ident.unraw() == "new" {
            let text = "`new` is what makes the client; give the endpoint another name";
            return Err(error(&signature.ident, text));
        }
        let (context, request) = arguments(signature)?;
        let response = response(signature)?;
        let output = match &signature.output {
            ReturnType::Type(_, ty) => ty.clone(),
            ReturnType::Default => return Err(error(signature, FORM)),
        };
        signature.output = parse_quote! {
            -> impl ::core::future::Future<Output = #output> + ::core::marker::Send
        };
        if let Some(body) = &mut function.default {
            *body = parse_quote!({ async move #body });
        }

        let idempotent = named(&function.attrs, "idempotent").next().is_some();
        function
            .attrs
            .retain(|attribute| !attribute.path().is_ident("idempotent"));
        let attributes = |name| named(&function.attrs, name).cloned().collect();
        let ident = function.sig.ident.clone();
        Ok(Endpoint {
            name: format!("{prefix}.{}", upper_camel(&ident.unraw().to_string())),
            function: ident,
            idempotent,
            docs: attributes("doc"),
            conditions: attributes("cfg"),
            context,
            request,
            response,
        })
    }

    /// Where its types are wrong, says so at their own place.
    fn check(&self, krate: &Path) -> TokenStream {
        let Endpoint {
            conditions,
            context,
            request,
            response,
            ..
        } = self;
        let context_is_one = quote_spanned! {context.span()=>
            let _ = |cx: #krate::Context| -> #context { cx };
        };
        let request_is_payload = quote_spanned!(request.span()=> payload::<#request>(););
        let response_is_payload = quote_spanned!(response.span()=> payload::<#response>(););
        quote! {
            #(#conditions)*
            const _: fn() = || {
                fn payload<T: #krate::Payload>() {}
                #context_is_one
                #request_is_payload
                #response_is_payload
            };
        }
    }

    /// The first line of its documentation.
    fn description(&self) -> Option<String> {
        self.docs.iter().find_map(|attribute| {
            let Meta::NameValue(pair) = &attribute.meta else {
                return None;
            };
            let Expr::Lit(literal) = &pair.value else {
                return None;
            };
            let Lit::Str(text) = &literal.lit else {
                return None;
            };
            let line = text.value().trim().to_string();
            (!line.is_empty()).then_some(line)
        })
    }
}

/// The types of context and request.
fn arguments(signature: &syn::Signature) -> Result<(Type, Type)> {
    let mut inputs = signature.inputs.iter();
    let receiver = inputs.next();
    let by_reference = matches!(
        receiver,
        Some(FnArg::Receiver(receiver)) if receiver.reference.is_some() && receiver.mutability.is_none()
    );
    if !by_reference {
        let text = format!("{FORM}; it takes `&self`");
        return match receiver {
            Some(receiver) => Err(error(receiver, &text)),
            None => Err(error(&signature.ident, &text)),
        };
    }
    let types: Vec<_> = inputs
        .filter_map(|input| match input {
            FnArg::Typed(typed) => Some(typed),
            FnArg::Receiver(_) => None,
        })
        .collect();
    match types[..] {
        [context, request] => {
            for argument in [context, request] {
                if !matches!(*argument.pat, Pat::Ident(_) | Pat::Wild(_)) {
                    return Err(error(&argument.pat, "give this argument a plain name"));
                }
            }
            Ok(((*context.ty).clone(), (*request.ty).clone()))
        }
        [only] if is_context(&only.ty) => Err(Error::new(
            only.span(),
            format!("{FORM}; the request is missing: write `_: ()` if there is nothing to say"),
        )),
        [only] => Err(Error::new(
            only.span(),
            format!("{FORM}; the context is missing: write `cx: Context` before the request"),
        )),
        _ => Err(error(
            &signature.inputs,
            &format!("{FORM}; put what it needs into one request"),
        )),
    }
}

fn is_context(ty: &Type) -> bool {
    matches!(ty, Type::Path(path) if path.path.segments.last().is_some_and(|last| last.ident == "Context"))
}

/// The `T` of `Result<T>`.
fn response(signature: &syn::Signature) -> Result<Type> {
    let missing = |at: &dyn quote::ToTokens| {
        Err(error(
            &at.to_token_stream(),
            &format!("{FORM}; it returns a `micro::Result`"),
        ))
    };
    let ReturnType::Type(_, ty) = &signature.output else {
        return missing(&signature.ident);
    };
    let Type::Path(path) = &**ty else {
        return missing(ty);
    };
    let Some(last) = path.path.segments.last() else {
        return missing(ty);
    };
    let PathArguments::AngleBracketed(arguments) = &last.arguments else {
        return missing(ty);
    };
    match arguments.args.first() {
        Some(GenericArgument::Type(response)) if last.ident.to_string().ends_with("Result") => {
            Ok(response.clone())
        }
        _ => missing(ty),
    }
}

fn server(options: &Options, input: &ItemTrait, endpoints: &[Endpoint]) -> TokenStream {
    let krate = &options.krate;
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
            conditions,
            request,
            ..
        } = endpoint;
        let idempotent = endpoint
            .idempotent
            .then(|| quote!(let handler = #krate::Handler::idempotent(handler);));
        let description = endpoint.description().map(|text| {
            quote!((
                ::std::string::String::from("description"),
                ::std::string::String::from(#text),
            ))
        });
        quote! {
            #(#conditions)*
            let router = {
                let service = ::std::sync::Arc::clone(&self.0);
                let handler = move |cx: #krate::Context, request: #request| {
                    let service = ::std::sync::Arc::clone(&service);
                    async move { #service::#function(&*service, cx, request).await }
                };
                #idempotent
                router.handle_with(#name, handler, [#description])
            };
        }
    });
    quote! {
        #[doc = #docs]
        #visibility struct #server<T>(::std::sync::Arc<T>);

        impl<T: #service> #server<T> {
            /// Answers with `service`.
            #visibility fn new(service: T) -> Self {
                Self(::std::sync::Arc::new(service))
            }
        }

        impl<T: #service> ::core::convert::From<::std::sync::Arc<T>> for #server<T> {
            fn from(service: ::std::sync::Arc<T>) -> Self {
                Self(service)
            }
        }

        impl<T> ::core::clone::Clone for #server<T> {
            fn clone(&self) -> Self {
                Self(::std::sync::Arc::clone(&self.0))
            }
        }

        impl<T: #service> #krate::Routes for #server<T> {
            fn routes(self) -> #krate::Router {
                let router = #krate::Router::new();
                #(#routes)*
                router
            }
        }
    }
}

fn client(options: &Options, input: &ItemTrait, endpoints: &[Endpoint]) -> TokenStream {
    let krate = &options.krate;
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
        let idempotent = endpoint.idempotent.then(|| quote!(.idempotent()));
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
                Self {
                    #(#values,)*
                }
            }

            #(#methods)*
        }
    }
}
