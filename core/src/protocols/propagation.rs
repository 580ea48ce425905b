//! Propagation of a call's context in HTTP headers: time and attempts left, criticality, trace, metadata.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::{
    context::{Context, Criticality, Trace},
    error::{Error, Outcome},
    message::{Metadata, Response},
    time::{NEVER, Nanos, nanos},
};

/// The time left for the call in nanoseconds, decimal, by go-micro's name.
pub(crate) const TIMEOUT: HeaderName = HeaderName::from_static("timeout");
/// The attempts left in the call tree, decimal.
pub(crate) const ATTEMPTS: HeaderName = HeaderName::from_static("micro-attempts");
/// `critical`, `default` or `sheddable`.
pub(crate) const CRITICALITY: HeaderName = HeaderName::from_static("micro-criticality");
/// Thousandths of the server's concurrency limit in use, decimal; in responses.
pub(crate) const LOAD: HeaderName = HeaderName::from_static("micro-load");
/// The [`Outcome`](crate::Outcome) of an error that is not a handler's response: `rejected`, `not sent`
/// or `unknown`.
pub(crate) const OUTCOME: HeaderName = HeaderName::from_static("micro-outcome");
/// Where an error was created, percent-encoded like `grpc-message`.
pub(crate) const ORIGIN: HeaderName = HeaderName::from_static("micro-origin");
/// `stream`, if the body of a request or a response is one, for protocols in which the endpoint alone does not
/// tell.
pub(crate) const BODY: HeaderName = HeaderName::from_static("micro-body");
/// The intended service; in the response to [`question`](super::addressing::Addressing::question), the service that answers.
pub(crate) const TO_SERVICE: HeaderName = HeaderName::from_static("micro-to-service");
/// The id of the intended node, likewise.
pub(crate) const TO_NODE: HeaderName = HeaderName::from_static("micro-to-node");
/// The calling service.
pub(crate) const FROM_SERVICE: HeaderName = HeaderName::from_static("micro-from-service");
/// Characters that the value of a header neither begins nor ends with (RFC 9110, section 5.5): receivers remove them, and HTTP/2
/// refuses the message.
pub(crate) const PADDING: [char; 2] = [' ', '\t'];
/// W3C trace context.
pub(crate) const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// Whether a header names the intended server or the caller, and is therefore no metadata.
pub(crate) fn is_addressing(name: &str) -> bool {
    // Most names differ in the first letter.
    name.len() >= TO_NODE.as_str().len()
        && [TO_SERVICE, TO_NODE, FROM_SERVICE]
            .iter()
            .any(|own| name.eq_ignore_ascii_case(own.as_str()))
}

/// Whether a header names the intended server. The caller is metadata that handlers may read, as in
/// go-micro; it is not passed on.
pub(crate) fn is_addressee(name: &str) -> bool {
    is_addressing(name) && !name.eq_ignore_ascii_case(FROM_SERVICE.as_str())
}

/// The context in headers, besides metadata and the time left.
#[derive(Debug, Default)]
pub(crate) struct PropagatedHeaders {
    attempts: Option<u8>,
    criticality: Criticality,
    trace: Trace,
}

impl PropagatedHeaders {
    /// Reads a header, if it belongs to the context.
    pub(crate) fn read(&mut self, name: &str, value: &HeaderValue) -> bool {
        let text = || value.to_str().unwrap_or_default();
        match name {
            "micro-attempts" => self.attempts = text().parse().ok(),
            "micro-criticality" => {
                self.criticality = match text() {
                    "critical" => Criticality::Critical,
                    "sheddable" => Criticality::Sheddable,
                    _ => Criticality::Default,
                }
            }
            "traceparent" => self.trace = read_trace(text()).unwrap_or_default(),
            _ => return false,
        }
        true
    }

    /// Whether it has the attempts left, as our own callers do.
    pub(crate) fn counts_attempts(&self) -> bool {
        self.attempts.is_some()
    }

    /// Creates the context of the request: `left` is the time left in the protocol's own form, counted from `received`.
    pub(crate) fn context(
        self,
        received: Nanos,
        left: Option<Duration>,
        metadata: Metadata,
    ) -> Context {
        let deadline = left.map_or(NEVER, |left| received.saturating_add(nanos(left)));
        Context::received(
            deadline,
            self.attempts,
            self.criticality,
            self.trace,
            metadata,
        )
    }
}

/// The context of a request: `timeout` is the time left in the protocol's own form, counted from
/// `received`. Every header that is not hop-by-hop becomes metadata, with its name as received.
pub(crate) fn context(headers: &HeaderMap, received: Nanos, timeout: Option<Duration>) -> Context {
    let mut propagated = PropagatedHeaders::default();
    for name in [ATTEMPTS, CRITICALITY, TRACEPARENT] {
        if let Some(value) = headers.get(&name) {
            propagated.read(name.as_str(), value);
        }
    }
    propagated.context(received, timeout, metadata(headers))
}

/// The load in a response.
pub(crate) fn read_load(headers: &HeaderMap) -> u16 {
    let load = headers.get(&LOAD).and_then(|load| load.to_str().ok());
    load.and_then(|load| load.parse().ok()).unwrap_or(0)
}

/// The outcome of an error from a server. What the server did not send may have been sent by us.
pub(crate) fn read_outcome(said: Option<&[u8]>) -> Outcome {
    match said {
        Some(b"rejected") => Outcome::Rejected,
        Some(b"unknown") => Outcome::Unknown,
        _ => Outcome::Answered,
    }
}

/// The time left, as a caller sent it; anything but a positive number counts as missing.
pub(crate) fn timeout(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(TIMEOUT)?.to_str().ok()?;
    let nanos = text.parse().ok().filter(|nanos| *nanos > 0)?;
    Some(Duration::from_nanos(nanos))
}

/// A number of attempts as the value of [`ATTEMPTS`].
pub(crate) fn write_attempts(attempts: u8) -> HeaderValue {
    /// The usual numbers, which need no allocation.
    const FEW: [&str; 9] = ["0", "1", "2", "3", "4", "5", "6", "7", "8"];
    match FEW.get(usize::from(attempts)) {
        Some(few) => HeaderValue::from_static(few),
        None => HeaderValue::from(u16::from(attempts)),
    }
}

/// Headers as metadata. Of values that are not text, the readable part is kept.
pub(crate) fn metadata(headers: &HeaderMap) -> Metadata {
    let mut metadata = Metadata::new();
    for (name, value) in headers {
        if name == ATTEMPTS || name == CRITICALITY || name == TRACEPARENT {
            continue;
        }
        if is_addressee(name.as_str()) {
            continue;
        }
        metadata.append(name.as_str(), &String::from_utf8_lossy(value.as_bytes()));
    }
    metadata
}

/// Writes the context of a call into the headers of its request, except the time left, whose form depends on
/// the protocol. `attempts` are those lent to the call tree below.
pub(crate) fn write(context: &Context, attempts: u8, headers: &mut HeaderMap) {
    write_metadata(context.metadata(), headers);
    headers.insert(ATTEMPTS, write_attempts(attempts));
    write_travel(context, headers);
}

/// Writes the context of a call, except metadata, time and attempts.
pub(crate) fn write_travel(context: &Context, headers: &mut HeaderMap) {
    if context.criticality() != Criticality::Default {
        let text = context.criticality().as_str();
        headers.insert(CRITICALITY, HeaderValue::from_static(text));
    }
    if context.trace().is_some()
        && let Ok(value) = HeaderValue::try_from(write_trace(context.trace()))
    {
        headers.insert(TRACEPARENT, value);
    }
}

/// Adds metadata to headers. An entry that HTTP cannot carry is left out and logged once.
pub(crate) fn write_metadata(metadata: &Metadata, headers: &mut HeaderMap) {
    for (name, value) in metadata.iter() {
        write_entry(name, value, headers, |named| is_addressing(named.as_str()));
    }
}

/// Adds an entry of metadata to headers, unless its name is reserved or HTTP cannot carry it.
pub(crate) fn write_entry(
    name: &str,
    value: &str,
    headers: &mut HeaderMap,
    is_reserved: impl Fn(&HeaderName) -> bool,
) {
    let named = HeaderName::try_from(name);
    let valued = HeaderValue::from_bytes(value.trim_matches(PADDING).as_bytes());
    match (named, valued) {
        (Ok(named), Ok(valued)) if !is_reserved(&named) => {
            headers.append(named, valued);
        }
        _ => tracing::debug!(name, "an entry of metadata cannot be a header here"),
    }
}

/// The prefix of metadata that follows the last message of a response, which is removed if the
/// protocol has trailers: as in Connect.
pub(crate) const TRAILER: &str = "trailer-";

/// The name without the prefix of trailers, if it has it.
pub(crate) fn bare(name: &str) -> Option<&str> {
    let (prefix, bare) = name.split_at_checked(TRAILER.len())?;
    prefix.eq_ignore_ascii_case(TRAILER).then_some(bare)
}

/// Writes what accompanies the body of a response: metadata and load.
pub(crate) fn write_answer(response: &Response, headers: &mut HeaderMap) {
    write_metadata(response.metadata(), headers);
    if response.load > 0 {
        headers.insert(LOAD, HeaderValue::from(response.load));
    }
}

/// Writes what accompanies code and message of an error: details, outcome, pushback in seconds.
pub(crate) fn write_error(error: &Error, headers: &mut HeaderMap) {
    write_metadata(error.metadata(), headers);
    if error.outcome() != Outcome::Answered {
        headers.insert(OUTCOME, HeaderValue::from_static(error.outcome().as_str()));
    }
    if let Some(after) = error.retry_after() {
        headers.insert(
            http::header::RETRY_AFTER,
            HeaderValue::from(after.as_secs_f64().ceil() as u64),
        );
    }
}

/// Parses `00-TRACE-SPAN-FLAGS` of <https://www.w3.org/TR/trace-context/#traceparent-header>; of later versions,
/// the first fields.
pub(crate) fn read_trace(text: &str) -> Option<Trace> {
    let mut fields = text.trim().split('-');
    let version = fields.next().filter(|version| version.len() == 2)?;
    if version == "ff" {
        return None;
    }
    let mut trace = Trace::default();
    read_hex(fields.next()?, &mut trace.trace_id)?;
    read_hex(fields.next()?, &mut trace.span_id)?;
    let mut flags = [0];
    read_hex(fields.next()?, &mut flags)?;
    trace.flags = flags[0];
    (trace.trace_id != [0; 16] && trace.span_id != [0; 8]).then_some(trace)
}

pub(crate) fn write_trace(trace: &Trace) -> String {
    let hex = |bytes: &[u8]| -> String { bytes.iter().map(|byte| format!("{byte:02x}")).collect() };
    let (trace_id, span_id) = (hex(&trace.trace_id), hex(&trace.span_id));
    format!("00-{trace_id}-{span_id}-{:02x}", trace.flags)
}

/// Decodes lower-case hexadecimal digits into exactly as many bytes.
fn read_hex(text: &str, into: &mut [u8]) -> Option<()> {
    let digits = text.as_bytes();
    if digits.len() != into.len() * 2 || digits.iter().any(u8::is_ascii_uppercase) {
        return None;
    }
    for (byte, pair) in into.iter_mut().zip(digits.chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may end in a panic")]
mod tests {
    use super::*;

    #[test]
    fn context_survives() {
        let trace = read_trace("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01").unwrap();
        let sent = Context::new()
            .with("Tenant", "acme")
            .with_criticality(Criticality::Critical)
            .with_trace(trace);
        let mut headers = HeaderMap::new();
        write(&sent, 3, &mut headers);
        let came = context(&headers, 7, Some(Duration::from_nanos(5)));
        assert_eq!(came.deadline(), 12);
        assert_eq!(came.attempts_left(), Some(3));
        assert_eq!(came.criticality(), Criticality::Critical);
        assert_eq!(*came.trace(), trace);
        let entries: Vec<_> = came.metadata().iter().collect();
        assert_eq!(entries, [("tenant", "acme")]);
    }

    #[test]
    fn malformed_trace_is_none() {
        for wrong in [
            "",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319+-b7ad6b7169203331-01",
        ] {
            assert_eq!(read_trace(wrong), None, "{wrong}");
        }
    }
}
