//! Faults on purpose: delays, errors and aborted calls, for tests of how a fleet copes.

use std::{fmt, sync::Arc, time::Duration};

use crate::{
    error::{Code, Error, Outcome, Result},
    message::{Request, Response},
    middleware::{BoxService, Layer, Next, from_fn},
    random::Rng,
};

/// Injects faults into calls, as a layer of a client, a service, a router or an endpoint.
///
/// Each fault has a share of calls, from 0 (none) to 1 (all). Without [`Fault::endpoint`] and [`Fault::header`], every call
/// is subject to it.
///
/// ```
/// use micro::{Code, Context, Error, Result, Router, middleware::Fault};
/// use std::time::Duration;
///
/// async fn hello(_: Context, name: String) -> Result<String> {
///     Ok(format!("Hello {name}"))
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let faults = Fault::new()
///     .endpoint("Greeter.Hello")
///     .delay(0.5, Duration::from_millis(1))
///     .error(1.0, Code::Unavailable);
/// let router = Router::new().handle("Greeter.Hello", hello).layer(faults);
///
/// let answer = router.call::<_, String>(&Context::new(), "Greeter.Hello", "John".to_owned()).await;
/// assert_eq!(answer.unwrap_err().code(), Code::Unavailable);
/// # }
/// ```
///
/// An injected error has the origin `fault`, so that it is told apart in logs and in the record of a call.
#[derive(Clone)]
pub struct Fault {
    endpoints: Vec<String>,
    header: Option<(String, String)>,
    delay: Option<(f64, Duration)>,
    error: Option<(f64, Code)>,
    abort: Option<f64>,
    rng: Arc<Rng>,
}

impl Fault {
    /// No fault yet.
    pub fn new() -> Self {
        Fault {
            endpoints: Vec::new(),
            header: None,
            delay: None,
            error: None,
            abort: None,
            rng: Arc::new(Rng::new()),
        }
    }

    /// Draws the same faults in every run with this seed.
    pub fn seed(mut self, seed: u64) -> Self {
        self.rng = Arc::new(Rng::seeded(seed));
        self
    }

    /// Affects this endpoint only, or all that begin with a prefix: `Greeter.Hello`, `Greeter.*`. May be given several times.
    pub fn endpoint(mut self, pattern: impl Into<String>) -> Self {
        self.endpoints.push(pattern.into());
        self
    }

    /// Affects only requests with this entry of metadata, such as `("x-fault", "on")`.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.header = Some((name.into(), value.into()));
        self
    }

    /// Delays this share of calls.
    pub fn delay(mut self, share: f64, delay: Duration) -> Self {
        self.delay = Some((share, delay));
        self
    }

    /// Answers this share of calls with an error of this code, before any work: its outcome is
    /// [`Outcome::Answered`](crate::Outcome::Answered), as if the handler had failed.
    pub fn error(mut self, share: f64, code: Code) -> Self {
        self.error = Some((share, code));
        self
    }

    /// Does the work of this share of calls and loses the answer: the caller receives `unavailable` with
    /// [`Outcome::Unknown`](crate::Outcome::Unknown), as when a connection breaks. On the side of a service the outcome
    /// that reaches the caller is *answered*, since an answer comes.
    pub fn abort(mut self, share: f64) -> Self {
        self.abort = Some(share);
        self
    }

    fn affects(&self, request: &Request) -> bool {
        let endpoint = request.endpoint();
        let named = self.endpoints.is_empty()
            || self
                .endpoints
                .iter()
                .any(|pattern| match pattern.strip_suffix('*') {
                    Some(prefix) => endpoint.starts_with(prefix),
                    None => endpoint == pattern,
                });
        let marked = self.header.as_ref().is_none_or(|(name, value)| {
            request.context().metadata().get(name) == Some(value.as_str())
        });
        named && marked
    }

    fn draw(&self, share: f64) -> bool {
        // 53 bits are what a `f64` holds exactly.
        let drawn = (self.rng.number() >> 11) as f64 / (1_u64 << 53) as f64;
        drawn < share
    }

    async fn run(self, request: Request, next: Next) -> Result<Response> {
        if !self.affects(&request) {
            return next.run(request).await;
        }
        if let Some((share, delay)) = self.delay
            && self.draw(share)
        {
            tokio::time::sleep(delay).await;
        }
        if let Some((share, code)) = self.error
            && self.draw(share)
        {
            let error = Error::new(code, "injected by a fault layer").with_origin("fault");
            return Err(error.with_outcome(Outcome::Answered));
        }
        let aborted = self.abort.is_some_and(|share| self.draw(share));
        let answer = next.run(request).await;
        match aborted {
            false => answer,
            true => {
                let error = Error::unavailable("the answer was dropped by a fault layer");
                Err(error.with_origin("fault").with_outcome(Outcome::Unknown))
            }
        }
    }
}

impl Layer for Fault {
    fn wrap(&self, inner: BoxService) -> BoxService {
        let fault = self.clone();
        from_fn(move |request, next| fault.clone().run(request, next)).wrap(inner)
    }
}

impl Default for Fault {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fault")
            .field("endpoints", &self.endpoints)
            .field("delay", &self.delay)
            .field("error", &self.error)
            .field("abort", &self.abort)
            .finish_non_exhaustive()
    }
}
