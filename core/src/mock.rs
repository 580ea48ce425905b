//! [`Mock`], a client for unit tests, whose calls are answered by handlers of the test.

use std::{collections::BTreeMap, fmt, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;

use crate::{
    broker::{self, Broker, Event, Subscription},
    call::{Answer, Call},
    client::{Client, Parts},
    codec::{Codecs, Message},
    context::Relay,
    error::{Error, Result},
    message::{ContentType, Request},
    server::{Handler, Router},
};

/// A client whose calls are answered by handlers of a test, without a network; it records calls and published events.
///
/// ```
/// use micro::{Client, Context, Error, Mock, Result};
///
/// /// Code under test: it asks the stock service before it confirms.
/// async fn order(cx: Context, article: String, client: Client) -> Result<String> {
///     let left = client.method::<String, u32>("stock", "Stock.Left").call(&cx, article.clone()).await?;
///     match left {
///         0 => Err(Error::failed_precondition("sold out")),
///         _ => {
///             client.publish(&cx, "orders", &article).await?;
///             Ok(format!("{article} ordered"))
///         }
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<()> {
/// let mock = Mock::new().on("stock", "Stock.Left", async |_: Context, article: String| {
///     Ok::<_, Error>(if article == "tea" { 3_u32 } else { 0 })
/// });
/// let client = mock.client();
///
/// let answer = order(Context::new(), "tea".into(), client.clone()).await?;
/// assert_eq!(answer, "tea ordered");
/// assert!(order(Context::new(), "milk".into(), client).await.is_err());
///
/// assert_eq!(mock.requests::<String>("stock", "Stock.Left")?, ["tea", "milk"]);
/// assert_eq!(mock.events::<String>("orders")?, ["tea"]);
/// # Ok(())
/// # }
/// ```
///
/// A call that no handler answers fails with [`Code::Unimplemented`](crate::Code::Unimplemented), and names the endpoint.
/// Handlers run at once, so there is neither discovery nor retry: what they return is the result of the call.
#[derive(Clone, Default)]
pub struct Mock(Arc<Inner>);

#[derive(Default)]
struct Inner {
    /// By service and endpoint.
    handlers: Mutex<BTreeMap<(String, String), Arc<Router>>>,
    /// In the order of the calls.
    requests: Mutex<Vec<Received>>,
    events: Mutex<Vec<(String, Event)>>,
    broker: broker::Memory,
}

struct Received {
    service: String,
    endpoint: String,
    content_type: ContentType,
    /// `None` for a stream.
    body: Option<Bytes>,
}

impl Mock {
    /// Creates a mock without handlers.
    pub fn new() -> Self {
        Self::default()
    }

    /// Answers calls of an endpoint with a handler, which replaces an earlier one.
    pub fn on<Args: 'static>(
        self,
        service: &str,
        endpoint: &str,
        handler: impl Handler<Args>,
    ) -> Self {
        let key = (service.to_owned(), endpoint.to_owned());
        let router = Arc::new(Router::new().handle(endpoint, handler));
        self.0.handlers.lock().insert(key, router);
        self
    }

    /// Returns a client for the code under test.
    pub fn client(&self) -> Client {
        Client::from_parts(Parts {
            stack: self.0.clone(),
            balance: None,
            broker: Arc::new(self.clone()),
            codecs: Codecs::default(),
            relay: Relay::default(),
        })
    }

    /// Returns how often an endpoint was called.
    pub fn calls(&self, service: &str, endpoint: &str) -> usize {
        let requests = self.0.requests.lock();
        requests
            .iter()
            .filter(|request| request.is(service, endpoint))
            .count()
    }

    /// Returns the requests to an endpoint so far, decoded. Requests that are streams are left out.
    ///
    /// # Errors
    /// [`Code::InvalidArgument`](crate::Code::InvalidArgument) for a request of another type.
    pub fn requests<T: Message>(&self, service: &str, endpoint: &str) -> Result<Vec<T>> {
        let requests = self.0.requests.lock();
        let requests = requests
            .iter()
            .filter(|request| request.is(service, endpoint));
        requests
            .filter_map(|request| Some((&request.content_type, request.body.clone()?)))
            .map(|(content_type, body)| T::decode(content_type, &Codecs::default(), body))
            .collect()
    }

    /// Returns the events published to a topic so far, decoded.
    ///
    /// # Errors
    /// [`Code::InvalidArgument`](crate::Code::InvalidArgument) for an event of another type.
    pub fn events<T: Message>(&self, topic: &str) -> Result<Vec<T>> {
        let events = self.0.events.lock();
        let events = events.iter().filter(|(other, _)| other == topic);
        events
            .map(|(_, event)| {
                T::decode(
                    event.content_type(),
                    &Codecs::default(),
                    event.body().clone(),
                )
            })
            .collect()
    }
}

impl Received {
    fn is(&self, service: &str, endpoint: &str) -> bool {
        self.service == service && self.endpoint == endpoint
    }
}

impl Call for Inner {
    fn call(&self, mut request: Request) -> Answer {
        request.context_mut().clear_values();
        let (service, endpoint) = (request.service().to_owned(), request.endpoint().to_owned());
        let key = (service.clone(), endpoint.clone());
        let handler = self.handlers.lock().get(&key).cloned();
        self.requests.lock().push(Received {
            service,
            endpoint,
            content_type: request.content_type().clone(),
            body: request.body().as_bytes().cloned(),
        });
        match handler {
            Some(router) => Call::call(&*router, request),
            None => {
                let (service, endpoint) = key;
                let text = format!(
                    "the mock has no handler for `{endpoint}` of service `{service}`; add one with `Mock::on`"
                );
                Box::pin(async { Err(Error::unimplemented(text)) })
            }
        }
    }
}

#[async_trait]
impl Broker for Mock {
    fn name(&self) -> &str {
        "mock"
    }

    async fn publish(&self, topic: &str, event: Event) -> Result<usize> {
        let copy = Event::new(event.content_type().clone(), event.body().clone());
        self.0.events.lock().push((topic.to_owned(), copy));
        self.0.broker.publish(topic, event).await
    }

    async fn subscribe(&self, topic: &str, queue: Option<&str>) -> Result<Subscription> {
        self.0.broker.subscribe(topic, queue).await
    }
}

impl fmt::Debug for Mock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let handlers = self.0.handlers.lock();
        f.debug_set().entries(handlers.keys()).finish()
    }
}
