//! Admission: refuses requests over the limit, begins the others in place, and counts them, for every protocol.

use std::{
    cell::Cell,
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::{Arc, OnceLock, atomic::Ordering::Relaxed},
    task::{Context, Poll},
};

use tokio::time::Sleep;

use crate::{
    call::{Answer, Begun, Call, Identity, Listing, Operations, Shape, Traced, Watch},
    context::{Leaving, Trace},
    error::{Code, Error, Outcome, Result},
    message::{Request, Response, TOPICS},
    server::{
        counted_stream::CountedStream,
        in_flight::{InFlight, Permit},
        ops::OpsListener,
        report,
        router::{Route, Table},
        stats::{EndpointStats, Timing},
    },
    time::{self, NEVER, Nanos},
};

/// Of the requests in one batch of reads, the first and then every eighth is timed: reading the clock for
/// each would cost a fiftieth of a call.
const TIMED: u32 = 8;

/// The metadata in which callers name their service.
const FROM: &str = "micro-from-service";

thread_local! {
    /// The batch of this thread's last request, by its time, and the number of requests in it so far.
    static BATCH: Cell<(Nanos, u32)> = const { Cell::new((0, 0)) };
}

/// Whether a request of the batch read at `now` is timed.
fn is_timed(now: Nanos) -> bool {
    let (batch, count) = BATCH.get();
    let count = if batch == now { count + 1 } else { 0 };
    BATCH.set((now, count));
    count % TIMED == 0
}

/// The first layer of a server.
pub struct Admission {
    table: Arc<Table>,
    /// The router inside the user's layers, if there are any.
    layered: Option<Arc<dyn Call>>,
    /// The service and node that this is.
    identity: Identity,
    /// Answers publishers whose events arrive on this port.
    events: OnceLock<Arc<dyn Call>>,
    in_flight: Arc<InFlight>,
    operations: OpsListener,
    /// The leaving signal, for handlers of streams.
    leaving: Leaving,
}

impl Admission {
    pub(crate) fn new(
        table: Arc<Table>,
        layered: Option<Arc<dyn Call>>,
        identity: Identity,
        limit: usize,
        operations: OpsListener,
        leaving: Leaving,
    ) -> Self {
        Admission {
            leaving,
            table,
            layered,
            operations,
            identity,
            events: OnceLock::new(),
            in_flight: Arc::new(InFlight::new(limit)),
        }
    }

    /// Passes requests for services whose names begin with `topic:` to `events`.
    pub fn take_events(&self, events: Arc<dyn Call>) {
        // The first call counts.
        let _ = self.events.set(events);
    }

    /// Answers a request for an unknown endpoint: with the event's subscriber, or an error.
    fn without_route(&self, request: Request) -> Begun {
        match self.events.get() {
            Some(events) if request.service().starts_with(TOPICS) => {
                Begun::Running(events.call(request))
            }
            _ => Begun::Done(Err(self.table.unknown(request.target()))),
        }
    }

    fn refuse(&self, request: &Request, now: Nanos) -> Option<Error> {
        let error = if request.context().deadline() <= now {
            Error::deadline_exceeded("the request came when its time had run out")
        } else if self.in_flight.running.load(Relaxed) >= self.in_flight.limit {
            Error::resource_exhausted(format!(
                "{} requests are at work, which is this server's limit",
                self.in_flight.limit
            ))
        } else {
            return None;
        };
        Some(error.with_outcome(Outcome::Rejected))
    }
}

impl Admission {
    /// Refuses a request, or begins it and counts it.
    // Inlined, so that the request is moved once less.
    #[inline(always)]
    fn admit(&self, mut request: Request, route: Option<&Route>, now: Nanos) -> Begun {
        if let Some(error) = self.refuse(&request, now) {
            return Begun::Done(Err(error));
        }
        let Some(route) = route else {
            return self.without_route(request);
        };
        request.context_mut().arrive();
        if route.is_stream() {
            request.context_mut().insert(self.leaving.clone());
        }
        let call = self.layered.as_ref().unwrap_or(&route.call);
        let deadline = request.context().deadline();
        let trace = *request.context().trace();
        let mut permit = None;
        if route.blocking {
            // A blocking job may outlive the call, and holds the permit until it ends.
            let taken = Permit::take(&self.in_flight);
            request.extensions_mut().insert(taken.clone());
            permit = Some(taken);
        }
        let began = is_timed(now).then(time::now);
        let begun = catch_unwind(AssertUnwindSafe(|| Begun::poll(call.call(request))));
        let took = began.map(|began| time::now().saturating_sub(began));
        let timing = match took {
            Some(took) => {
                self.in_flight.check_poll(&route.name, took);
                Timing::Sampled(took)
            }
            None => Timing::Skipped,
        };
        let mut answer = match begun {
            Ok(Begun::Done(answer)) => answer,
            Ok(Begun::Running(answer)) => {
                return Begun::Running(Box::pin(RunningRequest::new(
                    answer,
                    route,
                    self.in_flight.clone(),
                    permit,
                    trace,
                    now,
                    deadline,
                )));
            }
            Err(panic) => {
                route.stats.record(timing, Some(Code::Internal));
                return Begun::Done(Err(report::panicked(&route.name, &trace, &*panic)));
            }
        };
        match &mut answer {
            Ok(response) if response.body().is_stream() => {
                let (endpoint, stats) = (route.name.clone(), route.stats.clone());
                CountedStream::wrap(response, endpoint, stats, trace, now);
            }
            Ok(_) => route.stats.record(timing, None),
            Err(error) => {
                report::failed(&route.name, &trace, error);
                route.stats.record(timing, Some(error.code()));
            }
        }
        Begun::Done(self.in_flight.stamp(answer))
    }

    /// Begins a request in a span; an event is logged at its end.
    #[cold]
    fn begin_traced(&self, mut request: Request, route: Option<&Route>, now: Nanos) -> Begun {
        let trace_id = request.context_mut().ensure_trace().hex_id();
        let span = tracing::debug_span!(
            "request",
            service = request.service(),
            endpoint = request.endpoint(),
            trace_id,
            peer = request.context().metadata().get(FROM),
            code = tracing::field::Empty,
            outcome = tracing::field::Empty,
        );
        let watch = Watch::new(span);
        match watch.span().in_scope(|| self.admit(request, route, now)) {
            Begun::Done(answer) => Begun::Done(watch.end(answer)),
            Begun::Running(answer) => Begun::Running(Box::pin(Traced::new(answer, watch))),
        }
    }
}

impl Call for Admission {
    fn call(&self, request: Request) -> Answer {
        match self.begin(request, time::now()) {
            Begun::Done(answer) => Box::pin(async { answer }),
            Begun::Running(answer) => answer,
        }
    }

    fn begin(&self, request: Request, now: Nanos) -> Begun {
        let route = self.table.find(request.target());
        if let Some(route) = route
            && route.is_operational
        {
            // Operational endpoints have layers and a limit of their own.
            return route.call.begin(request, now);
        }
        if tracing::enabled!(tracing::Level::DEBUG) {
            return self.begin_traced(request, route, now);
        }
        self.admit(request, route, now)
    }

    fn shape(&self, endpoint: &str) -> Option<Shape> {
        let of_event = || self.events.get()?.shape(endpoint);
        self.table.shape(endpoint).or_else(of_event)
    }

    fn listing(&self) -> Option<Listing> {
        self.table.listing()
    }

    fn operations(&self) -> Option<&dyn Operations> {
        Some(&self.operations)
    }

    fn identity(&self) -> Option<&Identity> {
        Some(&self.identity)
    }

    fn is_meant(&self, meant: &Identity) -> Result<bool> {
        match self.events.get() {
            Some(events) if meant.service.starts_with(TOPICS) && events.is_meant(meant).is_ok() => {
                Ok(true)
            }
            _ => self.identity.check(meant).map(|()| true),
        }
    }
}

/// A request that is pending after its first poll.
struct RunningRequest {
    answer: Answer,
    endpoint: Arc<str>,
    stats: Arc<EndpointStats>,
    in_flight: Arc<InFlight>,
    trace: Trace,
    /// Shared with work that outlives the call, which is then counted separately; `None` if there is none.
    permit: Option<Permit>,
    began: Nanos,
    /// Cancels the handler when nobody waits for its response.
    deadline: Option<Pin<Box<Sleep>>>,
    recorded: bool,
}

impl RunningRequest {
    fn new(
        answer: Answer,
        route: &Route,
        in_flight: Arc<InFlight>,
        permit: Option<Permit>,
        trace: Trace,
        began: Nanos,
        deadline: Nanos,
    ) -> Self {
        if permit.is_none() {
            in_flight.running.fetch_add(1, Relaxed);
        }
        route.stats.begin();
        let deadline = (deadline != NEVER)
            .then(|| Box::pin(tokio::time::sleep_until(time::instant(deadline))));
        RunningRequest {
            answer,
            endpoint: route.name.clone(),
            stats: route.stats.clone(),
            in_flight,
            trace,
            permit,
            began,
            deadline,
            recorded: false,
        }
    }
}

impl Future for RunningRequest {
    type Output = Result<Response>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let poll_began = time::now();
        let polled = catch_unwind(AssertUnwindSafe(|| this.answer.as_mut().poll(cx)));
        let ended = time::now();
        this.in_flight
            .check_poll(&this.endpoint, ended - poll_began);
        let answer = match polled {
            Ok(Poll::Ready(answer)) => {
                if let Err(error) = &answer {
                    report::failed(&this.endpoint, &this.trace, error);
                }
                answer
            }
            Err(panic) => Err(report::panicked(&this.endpoint, &this.trace, &*panic)),
            Ok(Poll::Pending) => {
                let over = this
                    .deadline
                    .as_mut()
                    .is_some_and(|deadline| deadline.as_mut().poll(cx).is_ready());
                if !over {
                    return Poll::Pending;
                }
                Err(Error::deadline_exceeded(
                    "the handler was stopped at the deadline",
                ))
            }
        };
        this.recorded = true;
        let mut answer = this.in_flight.stamp(answer);
        match &mut answer {
            Ok(response) if response.body().is_stream() => {
                let (endpoint, stats) = (this.endpoint.clone(), this.stats.clone());
                CountedStream::wrap(response, endpoint, stats, this.trace, this.began);
            }
            answer => {
                let took = ended - this.began;
                let failure = answer.as_ref().err().map(|error| error.code());
                this.stats.record(Timing::Exact(took), failure);
            }
        }
        Poll::Ready(answer)
    }
}

impl Drop for RunningRequest {
    fn drop(&mut self) {
        if self.permit.is_none() {
            self.in_flight.running.fetch_sub(1, Relaxed);
        }
        self.stats.end();
        if !self.recorded {
            // Cancelled by the caller, or by the loss of its connection.
            let took = time::now().saturating_sub(self.began);
            self.stats
                .record(Timing::Exact(took), Some(Code::Cancelled));
        }
    }
}
