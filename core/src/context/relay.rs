//! Which metadata of a received request is passed on to the services that its handler calls.

use crate::metadata::Metadata;

/// Names of trace context and baggage, which are always passed on: those of W3C, B3 and go-micro's wrappers.
const TRACE: [&str; 12] = [
    "tracestate",
    "baggage",
    "b3",
    "x-b3-traceid",
    "x-b3-spanid",
    "x-b3-parentspanid",
    "x-b3-sampled",
    "x-b3-flags",
    "micro-trace-id",
    "micro-span-id",
    "uber-trace-id",
    "x-amzn-trace-id",
];

/// Metadata that is passed on without the handler's mark, besides trace context and baggage.
#[derive(Clone, Debug, Default)]
pub struct Relay {
    /// Everything but hop-by-hop names, as in go-micro.
    all: bool,
    names: Vec<String>,
}

impl Relay {
    /// Parses names separated by commas, or `all`.
    pub fn named(names: &str) -> Self {
        let names = names.split(',').map(str::trim);
        let names: Vec<_> = names
            .filter(|name| !name.is_empty())
            .map(str::to_owned)
            .collect();
        Relay {
            all: names.iter().any(|name| name == "all"),
            names,
        }
    }

    /// The metadata of a request that is passed on; `marked` are the entries that its handler marked.
    pub fn pick(&self, metadata: &Metadata, marked: &Metadata) -> Metadata {
        if self.all {
            return metadata.clone();
        }
        let mut picked = marked.clone();
        for (name, value) in metadata.iter() {
            let is = |other: &str| other.eq_ignore_ascii_case(name);
            let travels =
                TRACE.iter().any(|other| is(other)) || self.names.iter().any(|other| is(other));
            if travels && marked.get(name).is_none() {
                picked.append(name, value);
            }
        }
        picked
    }
}
