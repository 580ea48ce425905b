//! Where every request enters, whatever protocol brought it: refused, begun in place, counted.

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
    context::Trace,
    error::{Code, Error, Outcome, Result},
    message::{Request, Response, TOPICS},
    server::{
        busy::{Busy, Permit},
        counted::Counted,
        ops::OpsListener,
        report,
        router::{Route, Table},
        stats::{EndpointStats, Timing},
    },
    time::{self, NEVER, Nanos},
};

/// Of the requests of one batch, the first and then every eighth is timed: a reading of the clock for
/// each would cost a fiftieth of a whole call.
const TIMED: u32 = 8;

/// Metadata by which a caller says which service it is.
const FROM: &str = "micro-from-service";

thread_local! {
    /// The batch of this thread's last request, by its time, and how many came in it.
    static BATCH: Cell<(Nanos, u32)> = const { Cell::new((0, 0)) };
}

/// Whether a request of the batch read at `now` is to be timed.
fn is_timed(now: Nanos) -> bool {
    let (batch, count) = BATCH.get();
    let count = if batch == now { count + 1 } else { 0 };
    BATCH.set((now, count));
    count % TIMED == 0
}

/// The first layer of a server.
pub struct Entrance {
    table: Arc<Table>,
    /// The user's layers over the table, if there are any.
    layered: Option<Arc<dyn Call>>,
    /// Which node it is of which service.
    identity: Identity,
    /// What answers publishers whose events come by this port.
    events: OnceLock<Arc<dyn Call>>,
    busy: Arc<Busy>,
    operations: OpsListener,
}

impl Entrance {
    pub(crate) fn new(
        table: Arc<Table>,
        layered: Option<Arc<dyn Call>>,
        identity: Identity,
        limit: usize,
        operations: OpsListener,
    ) -> Self {
        Entrance {
            table,
            layered,
            operations,
            identity,
            events: OnceLock::new(),
            busy: Arc::new(Busy::new(limit)),
        }
    }

    /// Has requests for services whose names begin with `topic:` answered by `events`.
    pub fn take_events(&self, events: Arc<dyn Call>) {
        // Whoever attached first goes on.
        let _ = self.events.set(events);
    }

    /// Answers a request for what this service has no endpoint of: an event of a subscriber, or an error.
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
        } else if self.busy.running.load(Relaxed) >= self.busy.limit {
            Error::resource_exhausted(format!(
                "{} requests are at work, which is this server's limit",
                self.busy.limit
            ))
        } else {
            return None;
        };
        Some(error.with_outcome(Outcome::Rejected))
    }
}

impl Entrance {
    /// Refuses a request, or begins it and counts it.
    // Inlined, so that the request is not moved once more on its way.
    #[inline(always)]
    fn admit(&self, mut request: Request, route: Option<&Route>, now: Nanos) -> Begun {
        if let Some(error) = self.refuse(&request, now) {
            return Begun::Done(Err(error));
        }
        let Some(route) = route else {
            return self.without_route(request);
        };
        request.context_mut().arrive();
        let call = self.layered.as_ref().unwrap_or(&route.call);
        let deadline = request.context().deadline();
        let trace = *request.context().trace();
        let mut permit = None;
        if route.blocking {
            // Its job may outlive the call, and holds the permit for as long.
            let taken = Permit::take(&self.busy);
            request.extensions_mut().insert(taken.clone());
            permit = Some(taken);
        }
        let began = is_timed(now).then(time::now);
        let begun = catch_unwind(AssertUnwindSafe(|| Begun::poll(call.call(request))));
        let took = began.map(|began| time::now().saturating_sub(began));
        let timing = match took {
            Some(took) => {
                self.busy.check_poll(&route.name, took);
                Timing::Sampled(took)
            }
            None => Timing::Skipped,
        };
        let mut answer = match begun {
            Ok(Begun::Done(answer)) => answer,
            Ok(Begun::Running(answer)) => {
                return Begun::Running(Box::pin(Work::new(
                    answer,
                    route,
                    self.busy.clone(),
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
                Counted::wrap(response, endpoint, stats, trace, now);
            }
            Ok(_) => route.stats.record(timing, None),
            Err(error) => {
                report::failed(&route.name, &trace, error);
                route.stats.record(timing, Some(error.code()));
            }
        }
        Begun::Done(self.busy.stamp(answer))
    }

    /// Begins a request in a span, which has an event at its end.
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

impl Call for Entrance {
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
            // It has layers and a limit of its own.
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

/// A request that did not end at its first poll.
struct Work {
    answer: Answer,
    endpoint: Arc<str>,
    stats: Arc<EndpointStats>,
    busy: Arc<Busy>,
    trace: Trace,
    /// Shared with what goes on after the call; counted apart from it where there is none.
    permit: Option<Permit>,
    began: Nanos,
    /// Ends the handler when nobody waits for its answer any more.
    deadline: Option<Pin<Box<Sleep>>>,
    recorded: bool,
}

impl Work {
    fn new(
        answer: Answer,
        route: &Route,
        busy: Arc<Busy>,
        permit: Option<Permit>,
        trace: Trace,
        began: Nanos,
        deadline: Nanos,
    ) -> Self {
        if permit.is_none() {
            busy.running.fetch_add(1, Relaxed);
        }
        route.stats.begin();
        let deadline = (deadline != NEVER)
            .then(|| Box::pin(tokio::time::sleep_until(time::instant(deadline))));
        Work {
            answer,
            endpoint: route.name.clone(),
            stats: route.stats.clone(),
            busy,
            trace,
            permit,
            began,
            deadline,
            recorded: false,
        }
    }
}

impl Future for Work {
    type Output = Result<Response>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let poll_began = time::now();
        let polled = catch_unwind(AssertUnwindSafe(|| this.answer.as_mut().poll(cx)));
        let ended = time::now();
        this.busy.check_poll(&this.endpoint, ended - poll_began);
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
        let mut answer = this.busy.stamp(answer);
        match &mut answer {
            Ok(response) if response.body().is_stream() => {
                let (endpoint, stats) = (this.endpoint.clone(), this.stats.clone());
                Counted::wrap(response, endpoint, stats, this.trace, this.began);
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

impl Drop for Work {
    fn drop(&mut self) {
        if self.permit.is_none() {
            self.busy.running.fetch_sub(1, Relaxed);
        }
        self.stats.end();
        if !self.recorded {
            // Cancelled by the caller, or with its connection.
            let took = time::now().saturating_sub(self.began);
            self.stats
                .record(Timing::Exact(took), Some(Code::Cancelled));
        }
    }
}
