//! [`Handler`]: an async function of a context and a payload.

use std::{marker::PhantomData, sync::Arc};

use tokio::{runtime, sync::oneshot};

use crate::{
    call::{Answer, Call},
    codec::{Codecs, Payload},
    context::Context,
    error::{Error, Outcome, Result},
    message::{Request, Response},
    middleware::{Layer, Layers},
    node::Endpoint,
    server::in_flight::Permit,
    time,
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
///
/// The error is any type that converts into [`micro::Error`](crate::Error):
///
/// ```
/// use micro::{Context, Error, Router};
///
/// enum ShopError {
///     OutOfStock(u32),
/// }
///
/// impl From<ShopError> for Error {
///     fn from(error: ShopError) -> Self {
///         let ShopError::OutOfStock(id) = error;
///         Error::failed_precondition(format!("article {id} is out of stock"))
///     }
/// }
///
/// async fn order(_: Context, id: u32) -> Result<(), ShopError> {
///     Err(ShopError::OutOfStock(id))
/// }
///
/// let router = Router::new().handle("Shop.Order", order);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot handle calls",
    label = "not an `async fn(Context, Request) -> Result<Response, Error>`",
    note = "request and response are a type with `#[derive(micro::Message)]`, or `micro::Streaming` of one; `micro::Error` must implement `From` of the error; the future must be `Send`"
)]
pub trait Handler<Args>: Clone + Send + Sync + Sized + 'static {
    /// Returns the endpoint's record for the registry, under a name.
    fn describe(&self, name: &str) -> Endpoint;

    /// Answers a request.
    fn handle(&self, request: Request, codecs: &Codecs) -> Answer;

    /// Declares that the work may be done twice without harm: callers may retry it on another
    /// node if they do not know whether it was done.
    fn idempotent(self) -> Idempotent<Self> {
        Idempotent(self)
    }

    /// Declares that the handler changes nothing: it is idempotent, and browsers and caches may use
    /// Connect's GET.
    fn read_only(self) -> ReadOnly<Self> {
        ReadOnly(self)
    }

    /// Runs the handler on the blocking pool, for work that computes for long between awaits.
    ///
    /// A job counts towards `Lifecycle::concurrency` until it has really ended,
    /// also when its caller has given up. A job whose caller has given up, or whose deadline has passed, before a
    /// thread is free for it does not run; one that runs is dropped at its next await.
    fn blocking(self) -> Blocking<Self> {
        Blocking(self)
    }

    /// Puts a layer around this endpoint alone, inside those of its router and its service, and inside those it already has.
    ///
    /// ```
    /// use micro::{Context, Handler, Result, Router};
    /// use std::time::Duration;
    /// use tower::timeout::TimeoutLayer;
    ///
    /// async fn report(_: Context, year: u32) -> Result<String> {
    ///     Ok(format!("the report of {year}"))
    /// }
    ///
    /// let limited = report.idempotent().layer(TimeoutLayer::new(Duration::from_secs(1)));
    /// let router = Router::new().handle("Reports.Get", limited);
    /// ```
    fn layer(self, layer: impl Layer) -> Layered<Self> {
        Layered {
            handler: self,
            layers: Layers::new().with(layer),
        }
    }

    /// Whether the handler runs on the blocking pool.
    #[doc(hidden)]
    fn is_blocking(&self) -> bool {
        false
    }

    /// The layers around the handler, the first outermost.
    #[doc(hidden)]
    fn layers(&self) -> Layers {
        Layers::new()
    }
}

impl<F, Fut, In, Out, E> Handler<(In, Out)> for F
where
    F: Fn(Context, In) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Result<Out, E>> + Send + 'static,
    In: Payload,
    Out: Payload,
    E: Into<Error>,
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
            let mut output = function(context, input)
                .await
                .map_err(|error| error.into().answered())?;
            let metadata = output.take_metadata();
            let body = output.into_body(&content_type, &codecs)?;
            let mut response = Response::new(content_type, body);
            *response.metadata_mut() = metadata;
            Ok(response)
        })
    }
}

/// An idempotent handler; see [`Handler::idempotent`].
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

    fn is_blocking(&self) -> bool {
        self.0.is_blocking()
    }

    fn layers(&self) -> Layers {
        self.0.layers()
    }
}

/// A read-only handler; see [`Handler::read_only`].
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

    fn is_blocking(&self) -> bool {
        self.0.is_blocking()
    }

    fn layers(&self) -> Layers {
        self.0.layers()
    }
}

/// A handler on the blocking pool; see [`Handler::blocking`].
#[derive(Clone, Debug)]
pub struct Blocking<H>(H);

impl<Args, H: Handler<Args>> Handler<(Blocking<()>, Args)> for Blocking<H> {
    fn describe(&self, name: &str) -> Endpoint {
        self.0.describe(name)
    }

    fn handle(&self, request: Request, codecs: &Codecs) -> Answer {
        let permit = request.extensions().get::<Permit>().cloned();
        let deadline = request.context().deadline();
        let work = self.0.handle(request, codecs);
        Box::pin(async move {
            let runtime = runtime::Handle::current();
            let (mut caller, answer) = oneshot::channel();
            let job = tokio::task::spawn_blocking(move || {
                // Released last, after the work and what it holds are gone.
                let _permit = permit;
                let work = work;
                if caller.is_closed() || deadline <= time::now() {
                    return;
                }
                let answer = runtime.block_on(async {
                    tokio::select! {
                        biased;
                        () = caller.closed() => None,
                        answer = work => Some(answer),
                    }
                });
                if let Some(answer) = answer {
                    // The caller may have given up meanwhile.
                    let _ = caller.send(answer);
                }
            });
            if let Ok(answer) = answer.await {
                return answer;
            }
            Err(
                match job.await.map_err(tokio::task::JoinError::try_into_panic) {
                    // Reported like any other panic of a handler.
                    Err(Ok(panic)) => std::panic::resume_unwind(panic),
                    Err(Err(error)) => Error::cancelled("the server is ending").with_source(error),
                    Ok(()) => Error::deadline_exceeded(
                        "the time ran out before a thread was free for the handler",
                    )
                    .with_outcome(Outcome::Rejected),
                },
            )
        })
    }

    fn is_blocking(&self) -> bool {
        true
    }

    fn layers(&self) -> Layers {
        self.0.layers()
    }
}

/// A handler with layers around it; see [`Handler::layer`].
#[derive(Clone, Debug)]
pub struct Layered<H> {
    handler: H,
    layers: Layers,
}

impl<Args, H: Handler<Args>> Handler<(Layered<()>, Args)> for Layered<H> {
    fn describe(&self, name: &str) -> Endpoint {
        self.handler.describe(name)
    }

    fn handle(&self, request: Request, codecs: &Codecs) -> Answer {
        self.handler.handle(request, codecs)
    }

    fn is_blocking(&self) -> bool {
        self.handler.is_blocking()
    }

    fn layers(&self) -> Layers {
        self.handler.layers().and(self.layers.clone())
    }
}

/// A type-erased handler.
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

/// A handler without codecs yet.
pub(super) struct Prepare {
    /// Whether the handler runs on the blocking pool.
    pub(super) blocking: bool,
    pub(super) with: WithCodecs,
}

type WithCodecs = Box<dyn Fn(&Codecs) -> Arc<dyn Call> + Send + Sync>;

pub(super) fn prepare<Args: 'static>(handler: impl Handler<Args>) -> Prepare {
    let layers = handler.layers();
    let prepared = Prepare {
        blocking: handler.is_blocking(),
        with: Box::new(move |codecs| {
            Arc::new(Erased {
                handler: handler.clone(),
                codecs: codecs.clone(),
                args: PhantomData,
            })
        }),
    };
    prepared.layered(&layers)
}

impl Prepare {
    /// Puts layers around the handler.
    pub(super) fn layered(self, layers: &Layers) -> Self {
        if layers.is_empty() {
            return self;
        }
        let (layers, with) = (layers.clone(), self.with);
        Prepare {
            with: Box::new(move |codecs| layers.stack(with(codecs))),
            ..self
        }
    }
}
