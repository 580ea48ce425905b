//! What is logged as a warning while a test runs on its thread.

use std::sync::{Arc, Mutex, Once};

use tracing::subscriber::Interest;

/// Keeps what is warned of.
#[derive(Clone)]
pub(crate) struct Warnings(pub(crate) Arc<Mutex<Vec<String>>>);

impl Default for Warnings {
    /// While one subscriber is all there is, `tracing` asks that of the thread which comes by a place first whether
    /// anybody cares, and remembers the answer for all: another test, without a subscriber, would say no.
    fn default() -> Self {
        static OTHERS: Once = Once::new();
        OTHERS.call_once(|| {
            tracing::subscriber::set_global_default(Nobody).expect("it is set here only");
        });
        Warnings(Arc::default())
    }
}

/// What threads without a subscriber of their own have: it takes nothing, but may be asked each time.
struct Nobody;

impl tracing::Subscriber for Nobody {
    fn register_callsite(&self, _: &'static tracing::Metadata<'static>) -> Interest {
        Interest::sometimes()
    }
    fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
        false
    }
    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }
    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}
    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
    fn event(&self, _: &tracing::Event<'_>) {}
    fn enter(&self, _: &tracing::span::Id) {}
    fn exit(&self, _: &tracing::span::Id) {}
}

impl tracing::Subscriber for Warnings {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        *metadata.level() <= tracing::Level::WARN
    }
    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }
    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}
    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
    fn event(&self, event: &tracing::Event<'_>) {
        struct Text(String);
        impl tracing::field::Visit for Text {
            fn record_debug(&mut self, _: &tracing::field::Field, value: &dyn std::fmt::Debug) {
                self.0 += &format!("{value:?} ");
            }
        }
        let mut text = Text(String::new());
        event.record(&mut text);
        self.0.lock().unwrap().push(text.0);
    }
    fn enter(&self, _: &tracing::span::Id) {}
    fn exit(&self, _: &tracing::span::Id) {}
}
