//! One call: its endpoint, its options, and the future that performs it.

use std::{
    future::{Future, IntoFuture},
    marker::PhantomData,
    pin::Pin,
    sync::Arc,
    task::{self, Poll},
    time::Duration,
};

use crate::{
    balance::{Options, Record, Recorder},
    call::Answer,
    client::Client,
    codec::{Codecs, Payload, in_answer},
    context::{Compression, Context},
    error::{Error, Result},
    message::{ContentType, Expected, Request, Target},
    node::Node,
    selector::{Filter, filter},
};

/// An endpoint, with the types of its request and response.
pub struct Method<In, Out> {
    client: Client,
    target: Target,
    idempotent: bool,
    content_type: ContentType,
    types: PhantomData<fn(In) -> Out>,
}

impl<In, Out> Clone for Method<In, Out> {
    fn clone(&self) -> Self {
        Method {
            client: self.client.clone(),
            target: self.target.clone(),
            idempotent: self.idempotent,
            content_type: self.content_type.clone(),
            types: PhantomData,
        }
    }
}

impl<In: Payload, Out: Payload> Method<In, Out> {
    pub(super) fn new(client: Client, target: Target) -> Self {
        Method {
            client,
            target,
            idempotent: false,
            content_type: In::content_type(),
            types: PhantomData,
        }
    }

    /// Declares that the endpoint's work may be done twice without harm.
    pub fn idempotent(mut self) -> Self {
        self.idempotent = true;
        self
    }

    /// Sets the content type of requests and responses.
    pub fn content_type(mut self, content_type: ContentType) -> Self {
        self.content_type = content_type;
        self
    }

    /// Creates a call on behalf of `cx`; awaiting it performs it.
    ///
    /// `cx` is the context that the handler received, or [`Context::new`] where a call tree begins.
    pub fn call(&self, cx: &Context, input: In) -> RequestBuilder<'_, In, Out> {
        let request = self.encode(cx, input);
        let call = RequestBuilder {
            client: &self.client,
            request,
            output: PhantomData,
        };
        if Out::STREAM {
            return call.option(|options| options.stream = true);
        }
        call
    }

    fn encode(&self, cx: &Context, input: In) -> Result<Request> {
        let body = input.into_body(&self.content_type, self.client.codecs())?;
        let mut request = Request::build(
            self.target.clone(),
            cx.child(self.client.relay()),
            self.content_type.clone(),
            body,
            self.idempotent,
        );
        request.expect(match Out::STREAM {
            true => Expected::Stream,
            false => Expected::Message,
        });
        Ok(request)
    }
}

/// A call with its options. Awaiting it performs it.
#[must_use = "a call is made when it is awaited"]
pub struct RequestBuilder<'a, In, Out> {
    client: &'a Client,
    request: Result<Request>,
    output: PhantomData<fn(In) -> Out>,
}

impl<In, Out> RequestBuilder<'_, In, Out> {
    /// Changes the request, unless its body could not be encoded.
    fn with(mut self, change: impl FnOnce(&mut Request)) -> Self {
        if let Ok(request) = &mut self.request {
            change(request);
        }
        self
    }

    /// Sets a timeout for the call and its streams. An earlier deadline of the context still
    /// applies.
    pub fn timeout(self, timeout: Duration) -> Self {
        self.with(|request| {
            let context = std::mem::take(request.context_mut());
            *request.context_mut() = context.with_timeout(timeout);
        })
    }

    /// Adds an entry of metadata.
    pub fn metadata(self, name: &str, value: &str) -> Self {
        self.with(|request| request.context_mut().metadata_mut().insert(name, value))
    }

    /// Controls and observes the compression of single messages. Only gRPC compresses them.
    pub fn compression(self, compression: &Compression) -> Self {
        self.with(|request| request.context_mut().set_compression(compression.clone()))
    }

    /// Declares whether the work may be done twice without harm.
    pub fn idempotent(self, idempotent: bool) -> Self {
        self.with(|request| request.set_idempotent(idempotent))
    }

    /// Considers only nodes that pass this filter and those set before.
    pub fn filter(self, filter: Arc<dyn Filter>) -> Self {
        self.option(|options| {
            options.filter = Some(match options.filter.take() {
                Some(before) => filter::and(before, filter),
                None => filter,
            });
        })
    }

    /// Considers only nodes of this version.
    pub fn version(self, version: &str) -> Self {
        self.filter(filter::version(version))
    }

    /// Considers only nodes with this entry of metadata.
    pub fn label(self, name: &str, value: &str) -> Self {
        self.filter(filter::metadata(name, value))
    }

    /// Calls this address, without discovery.
    pub fn address(self, address: &str) -> Self {
        self.option(|options| options.address = Some(address.to_owned()))
    }

    /// Calls this node by its record, without discovery. Another server at its address refuses the call.
    #[doc(hidden)]
    pub fn node(self, node: &Node) -> Self {
        self.option(|options| options.node = Some(Arc::new(node.clone())))
    }

    /// Sends the request to a second node if the first has not answered after `delay`, and uses the first
    /// answer. Only idempotent calls are hedged, within the retry budget.
    pub fn hedge(self, delay: Duration) -> Self {
        self.option(|options| options.hedge = Some(delay))
    }

    fn option(self, change: impl FnOnce(&mut Options)) -> Self {
        self.with(|request| {
            let extensions = request.extensions_mut();
            let mut options = extensions.get::<Options>().cloned().unwrap_or_default();
            change(&mut options);
            extensions.insert(options);
        })
    }
}

impl<In, Out: Payload> RequestBuilder<'_, In, Out> {
    /// Performs the call, and returns the decisions made for it together with its result.
    pub async fn explain(self) -> (Result<Out>, Record) {
        let recorder = Recorder::default();
        let call = self.with(|request| request.extensions_mut().insert(recorder.clone()));
        let result = call.await;
        (result, recorder.record())
    }
}

impl<'a, In, Out: Payload> IntoFuture for RequestBuilder<'a, In, Out> {
    type Output = Result<Out>;
    type IntoFuture = Sending<'a, Out>;

    fn into_future(self) -> Sending<'a, Out> {
        let state = match self.request {
            Ok(request) => Ok(self.client.send(request)),
            Err(error) => Err(Some(error)),
        };
        Sending {
            state,
            client: self.client,
            output: PhantomData,
        }
    }
}

/// A call in progress. Dropping it cancels the work at the server.
#[must_use = "futures do nothing unless polled"]
pub struct Sending<'a, Out> {
    state: Result<Answer, Option<Error>>,
    client: &'a Client,
    output: PhantomData<fn() -> Out>,
}

impl<Out: Payload> Future for Sending<'_, Out> {
    type Output = Result<Out>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        match &mut this.state {
            Ok(answer) => answer
                .as_mut()
                .poll(cx)
                .map(|answer| decode(this.client.codecs(), answer?)),
            Err(error) => Poll::Ready(Err(error
                .take()
                .unwrap_or_else(|| Error::internal("a call was polled after its end")))),
        }
    }
}

fn decode<Out: Payload>(codecs: &Codecs, mut response: crate::message::Response) -> Result<Out> {
    let body = response.body_mut().take();
    let mut output = Out::from_body(response.content_type(), codecs, body).map_err(in_answer)?;
    output.note(&response);
    Ok(output)
}
