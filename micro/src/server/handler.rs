//! Handlers: async functions of a context and a payload, and how they say what they are.

use std::{marker::PhantomData, sync::Arc};

use crate::{
    call::{Answer, Call},
    codec::{Codecs, Payload},
    context::Context,
    error::{Error, Result},
    message::{Request, Response},
    registry::Endpoint,
};

/// An async function `(Context, Request) -> Result<Response>`, each side one message or a
/// [`Streaming`](crate::Streaming) of them.
///
/// ```
/// use micro::{Context, Handler, Result, Router, Streaming};
///
/// async fn upper(_: Context, text: String) -> Result<String> {
///     Ok(text.to_uppercase())
/// }
///
/// async fn count(_: Context, mut words: Streaming<String>) -> Result<String> {
///     let mut count = 0;
///     while let Some(word) = words.next().await {
///         word?;
///         count += 1;
///     }
///     Ok(count.to_string())
/// }
///
/// let router = Router::new()
///     .handle("Text.Upper", upper.idempotent())
///     .handle("Text.Count", count);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot handle calls",
    label = "not an `async fn(Context, Request) -> micro::Result<Response>`",
    note = "request and response are a type with `#[derive(micro::Message)]`, or `micro::Streaming` of one; the future must be `Send`"
)]
pub trait Handler<Args>: Clone + Send + Sync + Sized + 'static {
    /// What it says of itself in the registry, under a name.
    fn describe(&self, name: &str) -> Endpoint;

    /// Answers a request.
    fn handle(&self, request: Request, codecs: &Codecs) -> Answer;

    /// The same handler, whose work may be done twice without harm: callers may retry it on another
    /// node when they do not know whether it was done.
    fn idempotent(self) -> Idempotent<Self> {
        Idempotent(self)
    }

    /// The same handler, which changes nothing: it is idempotent, and browsers and caches may ask for it by
    /// Connect's GET.
    fn read_only(self) -> ReadOnly<Self> {
        ReadOnly(self)
    }

    /// The same handler, run on the blocking pool: for work that computes long between awaits.
    fn blocking(self) -> Blocking<Self> {
        Blocking(self)
    }
}

impl<F, Fut, In, Out> Handler<(In, Out)> for F
where
    F: Fn(Context, In) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Result<Out>> + Send + 'static,
    In: Payload,
    Out: Payload,
{
    fn describe(&self, name: &str) -> Endpoint {
        let mut endpoint = Endpoint::new(name);
        endpoint.request = Some(In::schema());
        endpoint.response = Some(Out::schema());
        let shape = match (In::STREAM, Out::STREAM) {
            (false, false) => return endpoint,
            (false, true) => "server",
            (true, false) => "client",
            (true, true) => "bidi",
        };
        let metadata = &mut endpoint.metadata;
        metadata.insert("stream".into(), "true".into());
        metadata.insert("stream_shape".into(), shape.into());
        endpoint
    }

    fn handle(&self, request: Request, codecs: &Codecs) -> Answer {
        let function = self.clone();
        let codecs = codecs.clone();
        Box::pin(async move {
            let (context, content_type, body) = request.into_parts();
            let input = In::from_body(&content_type, &codecs, body)?;
            let mut output = function(context, input).await.map_err(Error::answered)?;
            let metadata = output.take_metadata();
            let body = output.into_body(&content_type, &codecs)?;
            let mut response = Response::new(content_type, body);
            *response.metadata_mut() = metadata;
            Ok(response)
        })
    }
}

/// A handler whose work may be done twice without harm; see [`Handler::idempotent`].
#[derive(Clone, Debug)]
pub struct Idempotent<H>(H);

impl<Args, H: Handler<Args>> Handler<(Idempotent<()>, Args)> for Idempotent<H> {
    fn describe(&self, name: &str) -> Endpoint {
        let mut endpoint = self.0.describe(name);
        endpoint.metadata.insert("idempotent".into(), "true".into());
        endpoint
    }

    fn handle(&self, request: Request, codecs: &Codecs) -> Answer {
        self.0.handle(request, codecs)
    }
}

/// A handler that changes nothing; see [`Handler::read_only`].
#[derive(Clone, Debug)]
pub struct ReadOnly<H>(H);

impl<Args, H: Handler<Args>> Handler<(ReadOnly<()>, Args)> for ReadOnly<H> {
    fn describe(&self, name: &str) -> Endpoint {
        let mut endpoint = self.0.describe(name);
        endpoint.metadata.insert("idempotent".into(), "true".into());
        endpoint.metadata.insert("read_only".into(), "true".into());
        endpoint
    }

    fn handle(&self, request: Request, codecs: &Codecs) -> Answer {
        self.0.handle(request, codecs)
    }
}

/// A handler run on the blocking pool; see [`Handler::blocking`].
#[derive(Clone, Debug)]
pub struct Blocking<H>(H);

impl<Args, H: Handler<Args>> Handler<(Blocking<()>, Args)> for Blocking<H> {
    fn describe(&self, name: &str) -> Endpoint {
        self.0.describe(name)
    }

    fn handle(&self, request: Request, codecs: &Codecs) -> Answer {
        let work = self.0.handle(request, codecs);
        Box::pin(async move {
            let runtime = tokio::runtime::Handle::current();
            tokio::task::spawn_blocking(move || runtime.block_on(work))
                .await
                .unwrap_or_else(|error| match error.try_into_panic() {
                    // It is told as any other panic of a handler.
                    Ok(panic) => std::panic::resume_unwind(panic),
                    Err(error) => Err(Error::cancelled("the server is ending").with_source(error)),
                })
        })
    }
}

/// A handler behind the seam.
pub(super) struct Erased<H, Args> {
    handler: H,
    codecs: Codecs,
    args: PhantomData<fn(Args)>,
}

impl<Args: 'static, H: Handler<Args>> Call for Erased<H, Args> {
    fn call(&self, request: Request) -> Answer {
        self.handler.handle(request, &self.codecs)
    }
}

/// A handler that waits for the codecs it will be given.
pub(super) type Prepare = Box<dyn Fn(&Codecs) -> Arc<dyn Call> + Send + Sync>;

pub(super) fn prepare<Args: 'static>(handler: impl Handler<Args>) -> Prepare {
    Box::new(move |codecs| {
        Arc::new(Erased {
            handler: handler.clone(),
            codecs: codecs.clone(),
            args: PhantomData,
        })
    })
}
