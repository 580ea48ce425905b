//! What those who operate a service ask it: `/health`, `/ready`, `/metrics`.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header, request::Parts};
use serde_json::Value;

use super::{
    connection_context::ConnectionContext, dialect::Dialect, failure::failed, propagation,
};
use crate::{
    call::Operation,
    error::{Error, Result},
    http::{HttpAnswer, HttpBegun, HttpBody},
    message::{self, ContentType, Target},
    time::{self, Nanos},
};

/// The time for an answer where the caller gives none: a layer that covers these endpoints may hold it up.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Answers from `Debug.Health` and `Debug.Stats` of the same server.
pub(crate) struct Ops {
    health: Target,
    stats: Target,
}

impl Ops {
    pub(crate) fn new() -> Self {
        Ops {
            health: Target::new("", "Debug.Health"),
            stats: Target::new("", "Debug.Stats"),
        }
    }
}

impl Dialect for Ops {
    fn speaks(&self, head: &Parts) -> bool {
        matches!(head.uri.path(), "/health" | "/ready" | "/metrics")
    }

    fn begin(
        &self,
        request: Request<HttpBody>,
        connection: &ConnectionContext,
        _: Nanos,
    ) -> HttpBegun {
        HttpBegun::poll(self.respond(request, connection))
    }
}

impl Ops {
    fn respond(&self, request: Request<HttpBody>, connection: &ConnectionContext) -> HttpAnswer {
        let (head, _) = request.into_parts();
        if head.method != Method::GET && head.method != Method::HEAD {
            return Box::pin(async { not_asked() });
        }
        let (operation, target) = match head.uri.path() {
            "/metrics" => (Operation::Metrics, &self.stats),
            "/ready" => (Operation::Ready, &self.health),
            _ => (Operation::Health, &self.health),
        };
        let call = match connection.call.operations() {
            Some(operations) => operations.serve(operation, None),
            None => Some(connection.call.clone()),
        };
        let Some(call) = call else {
            let path = head.uri.path();
            let error = Error::not_found(format!("there is no `{path}` at this address"));
            return Box::pin(async move { failed(&error, StatusCode::NOT_FOUND) });
        };
        let is_ready = operation == Operation::Ready;
        let is_metrics = operation == Operation::Metrics;
        let left = propagation::timeout(&head.headers).unwrap_or(TIMEOUT);
        let context = propagation::context(&head.headers, time::now(), Some(left));
        let body = Bytes::from_static(b"{}");
        let asked = message::Request::new(target.clone(), ContentType::Json, body);
        let answer = call.call(asked.with_context(context));
        Box::pin(async move {
            match answer.await.and_then(read) {
                Ok((stats, _)) if is_metrics => metrics(&stats),
                Ok((health, text)) => {
                    let field = |name| health.get(name).cloned();
                    let well = match is_ready {
                        true => field("ready") == Some(Value::Bool(true)),
                        false => field("status").is_some_and(|status| status == "ok"),
                    };
                    let status = if well { 200 } else { 503 };
                    told(status, "application/json", text)
                }
                Err(error) => {
                    let status = StatusCode::from_u16(error.http_status());
                    failed(&error, status.unwrap_or(StatusCode::SERVICE_UNAVAILABLE))
                }
            }
        })
    }
}

/// The JSON of an answer, read and as it is.
fn read(answer: message::Response) -> Result<(Value, Bytes)> {
    let text = answer.into_parts().1.into_bytes()?;
    let value = serde_json::from_slice(&text).map_err(|error| {
        Error::internal("the server's account of itself is no JSON").with_source(error)
    })?;
    Ok((value, text))
}

fn told(status: u16, content_type: &'static str, body: Bytes) -> Response<HttpBody> {
    let mut response = Response::new(HttpBody::Whole(body));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or_default();
    let headers = response.headers_mut();
    let content_type = HeaderValue::from_static(content_type);
    headers.insert(header::CONTENT_TYPE, content_type);
    let fresh = HeaderValue::from_static("no-store");
    headers.insert(header::CACHE_CONTROL, fresh);
    response
}

fn not_asked() -> Response<HttpBody> {
    let error = Error::unimplemented("this is asked for by `GET`");
    let mut response = failed(&error, StatusCode::METHOD_NOT_ALLOWED);
    let allowed = HeaderValue::from_static("GET, HEAD");
    response.headers_mut().insert(header::ALLOW, allowed);
    response
}

/// `Debug.Stats` in Prometheus's text format 0.0.4.
fn metrics(stats: &Value) -> Response<HttpBody> {
    let mut text = Text::default();
    let endpoints = stats.get("endpoints").and_then(Value::as_array);
    let endpoints = endpoints.map_or(&[][..], Vec::as_slice);
    let number = |of: &Value, name: &str| of.get(name).and_then(Value::as_f64).unwrap_or(0.0);
    text.family("micro_requests_total", "counter", "Requests answered.");
    for endpoint in endpoints {
        let (executed, failed) = (number(endpoint, "executed"), number(endpoint, "failed"));
        for (result, count) in [("ok", executed - failed), ("error", failed)] {
            text.sample("endpoint", endpoint, &[("result", result)], count.max(0.0));
        }
    }
    text.family(
        "micro_requests_refused_total",
        "counter",
        "Requests refused before they reached an endpoint.",
    );
    let refused = stats.get("refused").and_then(Value::as_object);
    for (reason, count) in refused.into_iter().flatten() {
        text.0 += &format!("micro_requests_refused_total{{reason=\"{reason}\"}} {count}\n");
    }
    text.family(
        "micro_requests_in_flight",
        "gauge",
        "Requests that wait for something.",
    );
    for endpoint in endpoints {
        text.sample("endpoint", endpoint, &[], number(endpoint, "in_flight"));
    }
    text.family(
        "micro_request_duration_seconds",
        "summary",
        "Time to answer, of the requests that were timed, within an eighth.",
    );
    for endpoint in endpoints {
        for (quantile, field) in [("0.5", "p50_us"), ("0.99", "p99_us"), ("0.999", "p999_us")] {
            let seconds = number(endpoint, field) / 1e6;
            text.sample("endpoint", endpoint, &[("quantile", quantile)], seconds);
        }
    }
    text.family(
        "micro_discovery_age_seconds",
        "gauge",
        "For how long what is known of a service may have been out of date.",
    );
    let services = stats.get("discovery").and_then(Value::as_array);
    for service in services.map_or(&[][..], Vec::as_slice) {
        text.sample("service", service, &[], number(service, "age_seconds"));
    }
    let registered = stats.get("registered").and_then(Value::as_bool);
    text.family(
        "micro_registered",
        "gauge",
        "Whether the service is in its registry.",
    );
    text.0 += &format!("micro_registered {}\n", u8::from(registered == Some(true)));
    for (name, kind, help, field) in [
        (
            "micro_uptime_seconds",
            "gauge",
            "Time since the service began.",
            "uptime",
        ),
        (
            "process_start_time_seconds",
            "gauge",
            "When it began, in Unix time.",
            "started",
        ),
        (
            "process_resident_memory_bytes",
            "gauge",
            "Resident memory.",
            "memory",
        ),
        (
            "micro_buffered_bytes",
            "gauge",
            "Bytes of bodies, streams and answers held.",
            "buffered_bytes",
        ),
        (
            "micro_connections_refused_total",
            "counter",
            "Connections closed as there were too many.",
            "connections_refused",
        ),
        (
            "micro_accept_errors_total",
            "counter",
            "Connections that could not be accepted.",
            "accept_errors",
        ),
    ] {
        // The system or the transport may not say.
        if stats.get(field).is_some() {
            text.family(name, kind, help);
            text.0 += &format!("{name} {}\n", number(stats, field));
        }
    }
    told(
        200,
        "text/plain; version=0.0.4; charset=utf-8",
        text.0.into(),
    )
}

/// Samples by family: what is written last names the next.
#[derive(Default)]
struct Text(String, &'static str);

impl Text {
    fn family(&mut self, name: &'static str, kind: &str, help: &str) {
        self.0 += &format!("# HELP {name} {help}\n# TYPE {name} {kind}\n");
        self.1 = name;
    }

    /// Of what is named in `of`: an endpoint under `name`, another thing under its kind.
    fn sample(&mut self, kind: &str, of: &Value, labels: &[(&str, &str)], value: f64) {
        let name = of.get("name").or(of.get(kind)).and_then(Value::as_str);
        let escaped = name
            .unwrap_or_default()
            .replace('\\', r"\\")
            .replace('"', r#"\""#)
            .replace('\n', r"\n");
        self.0 += &format!("{}{{{kind}=\"{escaped}\"", self.1);
        for (label, said) in labels {
            self.0 += &format!(",{label}=\"{said}\"");
        }
        self.0 += &format!("}} {value}\n");
    }
}
