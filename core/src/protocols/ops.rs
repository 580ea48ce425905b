//! Operational endpoints over HTTP: `/health`, `/ready`, `/metrics`.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header, request::Parts};
use serde_json::Value;

use super::{
    connection_context::ConnectionContext, dialect::Dialect, failure::failed, propagation,
};
use crate::{
    call::{METRICS, Operation},
    error::{Error, Result},
    http::{HttpAnswer, HttpBegun, HttpBody},
    message::{self, ContentType, Target},
    time::{self, Nanos},
};

const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The timeout of a request without one: a layer over these endpoints may delay it.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Answers from `Debug.Health` and `Debug.Metrics` of the same server.
pub(crate) struct Ops {
    health: Target,
    metrics: Target,
}

impl Ops {
    pub(crate) fn new() -> Self {
        Ops {
            health: Target::new("", "Debug.Health"),
            metrics: Target::new("", METRICS),
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
            return Box::pin(async { wrong_method() });
        }
        let (operation, target) = match head.uri.path() {
            "/metrics" => (Operation::Metrics, &self.metrics),
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
        let parameters = match operation {
            Operation::Metrics if prefers_openmetrics(&head.headers) => r#"{"openmetrics":true}"#,
            // A liveness probe does not wait for what the service needs.
            Operation::Health => r#"{"last_checks":true}"#,
            _ => "{}",
        };
        let content_type = match operation {
            Operation::Metrics if parameters != "{}" => OPENMETRICS,
            Operation::Metrics => PROMETHEUS,
            _ => "application/json",
        };
        let left = propagation::timeout(&head.headers).unwrap_or(TIMEOUT);
        let context = propagation::context(&head.headers, time::now(), Some(left));
        let body = Bytes::from_static(parameters.as_bytes());
        let request = message::Request::new(target.clone(), ContentType::Json, body);
        let answer = call.call(request.with_context(context));
        Box::pin(async move {
            match answer.await.and_then(read) {
                Ok((Value::String(text), _)) => respond(200, content_type, text.into()),
                Ok((health, text)) => {
                    let field = |name| health.get(name).cloned();
                    let is_well = match operation {
                        Operation::Ready => field("ready") == Some(Value::Bool(true)),
                        _ => field("status").is_some_and(|status| status == "ok"),
                    };
                    respond(if is_well { 200 } else { 503 }, content_type, text)
                }
                Err(error) => {
                    let status = StatusCode::from_u16(error.http_status());
                    failed(&error, status.unwrap_or(StatusCode::SERVICE_UNAVAILABLE))
                }
            }
        })
    }
}

/// Whether a scraper accepts OpenMetrics, and prefers no other text.
fn prefers_openmetrics(headers: &HeaderMap) -> bool {
    let fields = headers.get_all(header::ACCEPT).iter();
    let ranges = fields.filter_map(|field| field.to_str().ok());
    let (mut openmetrics, mut text) = (0.0, 0.0f32);
    for range in ranges.flat_map(|field| field.split(',')) {
        let mut parts = range.split(';').map(str::trim);
        let media = parts.next().unwrap_or_default().to_ascii_lowercase();
        let weight = parts.find_map(|part| part.strip_prefix("q=")?.parse::<f32>().ok());
        let weight = weight.unwrap_or(1.0);
        match &*media {
            "application/openmetrics-text" => openmetrics = weight.max(openmetrics),
            "text/plain" | "text/*" => text = weight.max(text),
            _ => {}
        }
    }
    openmetrics > 0.0 && openmetrics >= text
}

/// The JSON of a response, parsed and as text.
fn read(answer: message::Response) -> Result<(Value, Bytes)> {
    let text = answer.into_parts().1.into_bytes()?;
    let value = serde_json::from_slice(&text).map_err(|error| {
        Error::internal("`Debug.*` of this server did not answer with JSON").with_source(error)
    })?;
    Ok((value, text))
}

fn respond(status: u16, content_type: &'static str, body: Bytes) -> Response<HttpBody> {
    let mut response = Response::new(HttpBody::Whole(body));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or_default();
    let headers = response.headers_mut();
    let content_type = HeaderValue::from_static(content_type);
    headers.insert(header::CONTENT_TYPE, content_type);
    let fresh = HeaderValue::from_static("no-store");
    headers.insert(header::CACHE_CONTROL, fresh);
    response
}

fn wrong_method() -> Response<HttpBody> {
    let error = Error::unimplemented("use `GET`");
    let mut response = failed(&error, StatusCode::METHOD_NOT_ALLOWED);
    let allowed = HeaderValue::from_static("GET, HEAD");
    response.headers_mut().insert(header::ALLOW, allowed);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn openmetrics_is_chosen_by_the_accept_header() {
        let prefers = |accept: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, HeaderValue::from_static(accept));
            prefers_openmetrics(&headers)
        };
        // As Prometheus 3 sends it.
        assert!(prefers(
            "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,\
             application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;q=0.3,\
             text/plain;version=0.0.4;q=0.2,*/*;q=0.1"
        ));
        assert!(prefers("Application/OpenMetrics-Text"));
        assert!(!prefers(
            "text/plain;version=0.0.4;q=0.5, application/openmetrics-text;q=0.4"
        ));
        assert!(!prefers("application/openmetrics-text;q=0"));
        assert!(!prefers("*/*"));
        assert!(!prefers_openmetrics(&HeaderMap::new()));
    }
}
