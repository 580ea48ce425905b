//! The macros, re-exported and documented.

/// Makes a type a message, with codecs, a schema and a JSON form.
///
/// Add it beside serde's derives or beside prost's, which it recognises by prost's attributes.
///
/// # Serde types
/// Structs and enums, also with type parameters that are messages themselves. The default encoding is MessagePack with
/// field names. A field of bytes is cheap as [`bytes::Bytes`]; a `Vec<u8>`
/// needs `#[serde(with = "serde_bytes")]`.
///
/// ```
/// use micro::{Codecs, ContentType, Message};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Debug, PartialEq, Serialize, Deserialize, micro::Message)]
/// struct Hello {
///     name: String,
///     #[serde(default)]
///     times: u32,
/// }
///
/// let codecs = Codecs::default();
/// let hello = Hello::decode(&ContentType::Json, &codecs, r#"{"name":"John"}"#.into())?;
/// assert_eq!(hello, Hello { name: "John".into(), times: 0 });
/// # Ok::<(), micro::Error>(())
/// ```
///
/// # Prost types
/// Messages, oneofs and enumerations, written by hand or generated. The default encoding is Protobuf;
/// other content types use [Protobuf's JSON form], which this derive implements as
/// serde's traits: names are written in camel case and read in either spelling, unknown fields
/// are skipped. A message without fields needs `#[message(prost)]` to be distinguished from a serde type.
///
/// The names of an enumeration's values are those of prost's generated code. An enumeration written by hand gets
/// names from this derive with `#[message(prost)]`, in upper snake case or as `#[message(name = "…")]` says. Without
/// either, its values are written as numbers. With generated functions, `#[message(prost, named)]` adds
/// the values to the schema. On a field, `#[message(name = "…")]` is Protobuf's `json_name`, and
/// `#[message(original = "…")]` its name in the `.proto`, if it differs in Rust.
///
/// Fields may also have the types of [`prost_types`] and the wrapped values that prost has for Protobuf's
/// [well-known types]: a `Timestamp` or `Duration` is text in JSON, a `Struct` or `Value` is plain JSON. For an
/// `Any`, JSON shows well-known types; other types are shown as `@value`, their bytes in Base64.
///
/// ```
/// use micro::{Codecs, ContentType, Message};
///
/// #[derive(Clone, PartialEq, prost::Message, micro::Message)]
/// struct Paint {
///     #[prost(string, tag = "1")]
///     brand_name: String,
///     #[prost(enumeration = "Colour", tag = "2")]
///     colour: i32,
/// }
///
/// #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, prost::Enumeration, micro::Message)]
/// #[message(prost)]
/// enum Colour {
///     Unspecified = 0,
///     DarkRed = 1,
/// }
///
/// let paint = Paint { brand_name: "Acme".into(), colour: Colour::DarkRed.into() };
/// let json = paint.encode(&ContentType::Json, &Codecs::default())?;
/// assert_eq!(json, r#"{"brandName":"Acme","colour":"DARK_RED"}"#);
/// # Ok::<(), micro::Error>(())
/// ```
///
/// If `micro` has another name, `#[message(crate = "…")]` gives it.
///
/// [well-known types]: https://protobuf.dev/reference/protobuf/google.protobuf/
/// [Protobuf's JSON form]: https://protobuf.dev/programming-guides/json/
pub use micro_rs_macros::Message;

/// Makes a service of a trait: the trait, a server that answers with it, and a client that calls it.
///
/// Every method is an endpoint, `async fn name(&self, cx: Context, request: T) -> Result<U>`, where `T`
/// and `U` are a [message](trait@crate::Message) or [`Streaming`](crate::Streaming) of one. Endpoint
/// names are the trait's name and the method's in upper camel case: `Greeter.SayHello`. `trait Greeter`
/// becomes:
///
/// - `Greeter`, `Send + Sync + 'static`, its futures `Send`; an implementation writes `async fn`;
/// - `GreeterServer::new(implementation)`, the [`Routes`](crate::Routes) to add to a service or router;
/// - `GreeterClient::new(&client, "service")` with a method for each endpoint, which returns a
///   [`RequestBuilder`](crate::client::RequestBuilder) to set options on and await.
///
/// `#[idempotent]` on a method declares to both sides that its work may be done twice without harm, and
/// `#[read_only]` that it changes nothing, so that browsers and caches may use Connect's GET. The first
/// line of a method's documentation is registered as the endpoint's `description`.
/// `#[name = "GetURL"]` on a method replaces its name in upper camel case.
/// `#[micro::service(name = "Say")]` replaces the trait's name in endpoints; `crate = "…"` gives the path of
/// `micro`, if it is not `::micro`.
///
/// Traits generated from a `.proto` file, by `micro gen` or the crate `micro-rs-build`, have
/// two more arguments. `package = "greeter"` is the Protobuf package, which gives each endpoint its gRPC path, in the
/// registry as `path=/greeter.Greeter/SayHello`. `descriptors = FILE_DESCRIPTOR_SET` names the encoded
/// descriptors of its files, which the router keeps for reflection.
///
/// ```
/// use micro::{Client, Context, Result, Router, Streaming};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize, micro::Message)]
/// pub struct Hello {
///     name: String,
/// }
///
/// #[derive(Serialize, Deserialize, micro::Message)]
/// pub struct Reply {
///     msg: String,
/// }
///
/// /// Greets people.
/// #[micro::service]
/// pub trait Greeter {
///     /// Greets one.
///     #[idempotent]
///     async fn hello(&self, cx: Context, request: Hello) -> Result<Reply>;
///
///     /// Greets each as they come.
///     async fn hello_all(&self, cx: Context, names: Streaming<Hello>) -> Result<Streaming<Reply>>;
/// }
///
/// struct Polite;
///
/// impl Greeter for Polite {
///     async fn hello(&self, _: Context, request: Hello) -> Result<Reply> {
///         Ok(Reply { msg: format!("Hello {}", request.name) })
///     }
///
///     async fn hello_all(&self, cx: Context, mut names: Streaming<Hello>) -> Result<Streaming<Reply>> {
///         let (replies, stream) = Streaming::channel(8);
///         while let Some(hello) = names.next().await {
///             replies.send(Polite.hello(cx.clone(), hello?).await?).await?;
///         }
///         Ok(stream)
///     }
/// }
///
/// let router = Router::new().merge(GreeterServer::new(Polite));
///
/// async fn greet(client: &Client) -> Result<String> {
///     let greeter = GreeterClient::new(client, "greeter");
///     let reply = greeter.hello(&Context::new(), Hello { name: "John".into() }).await?;
///     Ok(reply.msg)
/// }
/// ```
pub use micro_rs_macros::service;

#[cfg(test)]
mod tests;
