//! [`Router`]: handlers by the names of their endpoints.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, OnceLock},
};

use crate::{
    call::{Answer, Call, Listing, Shape},
    codec::{Codecs, Payload},
    context::Context,
    error::{Error, Outcome, Result},
    message::{Request, Target},
    middleware::{Layer, Layers},
    node::Endpoint,
    server::{
        handler::{Handler, Prepare, prepare},
        stats::EndpointStats,
        status::Status,
        subscriber::Topic,
    },
};

/// Endpoints by name, each with its handler.
///
/// A name has the form `Type.Method`. Two endpoints of the same name are an error at the start of the service.
///
/// A router answers calls without a server, too, for a client in the same process: see
/// [`Client::new`](crate::Client::new). It then has the default codecs.
#[derive(Default)]
pub struct Router {
    endpoints: BTreeMap<String, Entry>,
    twice: Option<String>,
    descriptors: Vec<&'static [u8]>,
    /// Answers calls to the router itself; built at the first call.
    own: OnceLock<Result<Table>>,
}

struct Entry {
    endpoint: Endpoint,
    prepare: Prepare,
    /// The layers of this router, the first outermost.
    layers: Layers,
}

/// Endpoints that are added to a router together, such as the server that `#[micro::service]` makes of a trait.
pub trait Routes {
    /// Returns the endpoints.
    fn routes(self) -> Router;
}

impl Routes for Router {
    fn routes(self) -> Router {
        self
    }
}

impl Router {
    /// Creates a router without endpoints.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a handler for an endpoint.
    pub fn handle<Args: 'static>(self, name: &str, handler: impl Handler<Args>) -> Self {
        let endpoint = handler.describe(name);
        self.add(endpoint, prepare(handler))
    }

    /// Adds a handler with further properties of the endpoint, for the registry.
    pub fn handle_with<Args: 'static>(
        self,
        name: &str,
        handler: impl Handler<Args>,
        properties: impl IntoIterator<Item = (String, String)>,
    ) -> Self {
        let mut endpoint = handler.describe(name);
        endpoint.metadata.extend(properties);
        self.add(endpoint, prepare(handler))
    }

    /// Adds the descriptors of the `.proto` files that define endpoints: an encoded
    /// `google.protobuf.FileDescriptorSet` with all imports. Adding the same set again does nothing.
    pub fn with_descriptors(mut self, set: &'static [u8]) -> Self {
        if !self.descriptors.contains(&set) {
            self.descriptors.push(set);
        }
        self
    }

    /// Returns the descriptors of [`with_descriptors`](Self::with_descriptors), for reflection.
    pub fn descriptors(&self) -> &[&'static [u8]] {
        &self.descriptors
    }

    /// Adds a handler for the events of a topic.
    pub fn subscribe<Args: 'static>(self, topic: &Topic, handler: impl Handler<Args>) -> Self {
        let mut endpoint = handler.describe(&topic.endpoint());
        // Its response is not sent to anyone.
        endpoint.response = None;
        let metadata = &mut endpoint.metadata;
        metadata.insert("subscriber".into(), "true".into());
        metadata.insert("topic".into(), topic.name.clone());
        if let Some(queue) = &topic.queue {
            metadata.insert("queue".into(), queue.clone());
        }
        self.add(endpoint, prepare(handler))
    }

    /// Adds all endpoints of another router.
    pub fn merge(mut self, other: impl Routes) -> Self {
        let other = other.routes();
        self.twice = self.twice.or(other.twice);
        for set in other.descriptors {
            self = self.with_descriptors(set);
        }
        for entry in other.endpoints.into_values() {
            self = self.add(entry.endpoint, entry.prepare.layered(&entry.layers));
        }
        self
    }

    /// Puts a layer around each endpoint that this router has so far, inside those of the service, and inside those added
    /// to this router before.
    ///
    /// Add the routes of a group to a router of their own, then its layers, then merge it: layers of the router that it is
    /// merged into are outside. Each endpoint has the layer for
    /// itself: a limit counts for each endpoint, not for all of the group.
    ///
    /// ```
    /// use micro::{Context, Error, Request, Result, Router, middleware::{Next, from_fn}};
    ///
    /// async fn public(_: Context, _: ()) -> Result<()> {
    ///     Ok(())
    /// }
    ///
    /// async fn secret(_: Context, _: ()) -> Result<()> {
    ///     Ok(())
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<()> {
    /// let refuse = from_fn(async |_: Request, _: Next| Err(Error::permission_denied("not you")));
    /// let admin = Router::new().handle("Admin.Secret", secret).layer(refuse);
    /// let router = Router::new().handle("Pages.Public", public).merge(admin);
    ///
    /// router.call::<(), ()>(&Context::new(), "Pages.Public", ()).await?;
    /// assert!(router.call::<(), ()>(&Context::new(), "Admin.Secret", ()).await.is_err());
    /// # Ok(())
    /// # }
    /// ```
    pub fn layer(mut self, layer: impl Layer) -> Self {
        let layer: Arc<dyn Layer> = Arc::new(layer);
        self.own = OnceLock::new();
        for entry in self.endpoints.values_mut() {
            entry.layers.push(layer.clone());
        }
        self
    }

    /// Calls an endpoint without a network, for unit tests: the input is encoded, the handler runs with the layers of the
    /// endpoint and of this router, and its answer is decoded. The codecs are the default ones.
    ///
    /// ```
    /// use micro::{Code, Context, Error, Result, Router};
    ///
    /// async fn half(_: Context, number: u32) -> Result<u32> {
    ///     match number % 2 {
    ///         0 => Ok(number / 2),
    ///         _ => Err(Error::invalid_argument("odd")),
    ///     }
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<()> {
    /// let router = Router::new().handle("Math.Half", half);
    /// let answer: u32 = router.call(&Context::new(), "Math.Half", 8_u32).await?;
    /// assert_eq!(answer, 4);
    /// let error = router.call::<u32, u32>(&Context::new(), "Math.Half", 3).await.unwrap_err();
    /// assert_eq!(error.code(), Code::InvalidArgument);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// The handler's or a layer's; [`Code::NotFound`](crate::Code::NotFound), *rejected*, for an endpoint that is not there;
    /// [`Code::InvalidArgument`](crate::Code::InvalidArgument) for input that the handler cannot decode.
    pub async fn call<In: Payload, Out: Payload>(
        &self,
        cx: &Context,
        endpoint: &str,
        input: In,
    ) -> Result<Out> {
        let codecs = Codecs::default();
        let content_type = In::content_type();
        let body = input.into_body(&content_type, &codecs)?;
        let request = Request::new(Target::new("", endpoint), content_type, body);
        let mut response = self.own()?.call(request.with_context(cx.clone())).await?;
        let body = response.body_mut().take();
        let mut output = Out::from_body(response.content_type(), &codecs, body)?;
        output.note(&response);
        Ok(output)
    }

    fn add(mut self, endpoint: Endpoint, prepare: Prepare) -> Self {
        let name = endpoint.name.clone();
        let entry = Entry {
            endpoint,
            prepare,
            layers: Layers::new(),
        };
        self.own = OnceLock::new();
        if self.endpoints.insert(name.clone(), entry).is_some() {
            self.twice.get_or_insert(name);
        }
        self
    }

    /// Builds the router of `service`, and the records of its endpoints, sorted by name.
    pub(crate) fn build(self, service: &str, codecs: &Codecs) -> Result<(Table, Vec<Endpoint>)> {
        let table = self.table(service, codecs)?;
        let endpoints = self.endpoints.into_values();
        Ok((table, endpoints.map(|entry| entry.endpoint).collect()))
    }

    fn own(&self) -> Result<&Table> {
        let own = self.own.get_or_init(|| self.table("", &Codecs::default()));
        own.as_ref().map_err(Error::clone)
    }

    fn table(&self, service: &str, codecs: &Codecs) -> Result<Table> {
        if let Some(name) = &self.twice {
            return Err(Error::already_exists(format!(
                "endpoint `{name}` is handled twice; give one of them another name"
            )));
        }
        let routes = self.endpoints.values();
        let routes = routes.map(|entry| Route::new(entry, codecs));
        Ok(Table {
            service: service.into(),
            routes: routes.collect(),
            descriptors: self.descriptors.clone(),
            status: None,
        })
    }
}

impl Call for Router {
    fn call(&self, request: Request) -> Answer {
        match self.own() {
            Ok(table) => table.call(request),
            Err(error) => Box::pin(async { Err(error) }),
        }
    }

    fn shape(&self, endpoint: &str) -> Option<Shape> {
        self.own().ok()?.shape(endpoint)
    }

    fn listing(&self) -> Option<Listing> {
        self.own().ok()?.listing()
    }
}

impl fmt::Debug for Router {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.endpoints.keys()).finish()
    }
}

/// A built router.
pub(crate) struct Table {
    service: String,
    /// Sorted by name.
    routes: Vec<Route>,
    descriptors: Vec<&'static [u8]>,
    status: Option<Arc<Status>>,
}

/// An endpoint of a built router.
pub(crate) struct Route {
    pub(crate) name: Arc<str>,
    pub(crate) call: Arc<dyn Call>,
    shape: Shape,
    /// Whether the handler runs on the blocking pool.
    pub(crate) blocking: bool,
    pub(crate) stats: Arc<EndpointStats>,
    /// One of the endpoints that every service has.
    pub(crate) is_operational: bool,
}

impl Table {
    /// Returns the handler of an endpoint.
    ///
    /// Records the place of the handler in the target, which later requests of the connection share.
    pub(crate) fn find(&self, target: &Target) -> Option<&Route> {
        let endpoint = target.endpoint();
        if let Some(route) = self.routes.get(target.place())
            && *route.name == *endpoint
        {
            return Some(route);
        }
        let place = self.position(endpoint).ok()?;
        target.set_place(place);
        Some(&self.routes[place])
    }

    /// The error for an unknown endpoint, with suggestions. It is [`Outcome::Rejected`], unlike a handler's own
    /// [`Code::NotFound`](crate::Code::NotFound), which is answered.
    pub(crate) fn unknown(&self, target: &Target) -> Error {
        let endpoint = target.endpoint();
        let known = self.routes.iter().map(|route| &*route.name);
        let hint = crate::suggest::hint(endpoint, known);
        let service = match &*self.service {
            "" => target.service(),
            own => own,
        };
        let text = format!("service `{service}` has no endpoint `{endpoint}`{hint}");
        Error::not_found(text).with_outcome(Outcome::Rejected)
    }

    fn position(&self, endpoint: &str) -> Result<usize, usize> {
        self.routes
            .binary_search_by(|route| (*route.name).cmp(endpoint))
    }

    /// The counts of the endpoints, by name.
    pub(crate) fn stats(&self) -> Vec<(Arc<str>, Arc<EndpointStats>)> {
        let routes = self.routes.iter();
        routes
            .map(|route| (route.name.clone(), route.stats.clone()))
            .collect()
    }

    /// Sets what tells whether requests are accepted.
    pub(crate) fn with_status(mut self, status: &Arc<Status>) -> Self {
        self.status = Some(status.clone());
        self
    }

    /// Adds the endpoints of `debug`, which `call` answers; they are not in the node's record. An endpoint of the user's
    /// with the same name stays.
    pub(crate) fn with_debug(mut self, debug: &Table, call: &Arc<dyn Call>) -> Self {
        for route in &debug.routes {
            // This endpoint is for `/metrics` alone.
            #[cfg(feature = "http")]
            if *route.name == *crate::call::METRICS {
                continue;
            }
            if let Err(place) = self.position(&route.name) {
                let route = Route {
                    name: route.name.clone(),
                    call: call.clone(),
                    shape: route.shape,
                    blocking: route.blocking,
                    stats: route.stats.clone(),
                    is_operational: true,
                };
                self.routes.insert(place, route);
            }
        }
        self
    }
}

impl Route {
    fn new(entry: &Entry, codecs: &Codecs) -> Self {
        let Entry {
            endpoint,
            prepare,
            layers,
        } = entry;
        Route {
            name: endpoint.name.as_str().into(),
            blocking: prepare.blocking,
            call: layers.stack((prepare.with)(codecs)),
            shape: endpoint.shape(),
            stats: Arc::default(),
            is_operational: false,
        }
    }

    /// Whether the request or the response is a stream.
    pub(crate) fn is_stream(&self) -> bool {
        self.shape.request_stream || self.shape.response_stream
    }
}

impl Call for Table {
    fn call(&self, mut request: Request) -> Answer {
        request.context_mut().arrive();
        match self.find(request.target()) {
            Some(route) => route.call.call(request),
            None => {
                let error = self.unknown(request.target());
                Box::pin(async { Err(error) })
            }
        }
    }

    fn shape(&self, endpoint: &str) -> Option<Shape> {
        let place = self.position(endpoint).ok()?;
        Some(self.routes[place].shape)
    }

    fn listing(&self) -> Option<Listing> {
        let mut listing = Listing::default();
        listing.service.clone_from(&self.service);
        listing.endpoints = self.routes.iter().map(|route| route.name.clone()).collect();
        listing.descriptors.clone_from(&self.descriptors);
        listing.ready = self.status.as_ref().is_none_or(|status| status.is_ready());
        Some(listing)
    }
}
