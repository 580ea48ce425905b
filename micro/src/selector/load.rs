//! What is known of a node from its calls.

/// What is known of a node from its calls: latency, calls in flight, health. All atomics.
#[derive(Debug, Default)]
pub struct Load {}
