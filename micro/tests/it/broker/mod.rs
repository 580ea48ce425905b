//! Brokers: the contract that all keep, and what is special in each.

mod direct;
#[cfg(feature = "http")]
mod http;
mod memory;
#[cfg(unix)]
mod processes;
mod service;

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use micro::{
    Broker, Client, ContentType, Plugins, Result,
    broker::{Delivery, Event, Subscription},
};
use tokio::time::timeout;

/// The broker of a client.
struct Of(Client);

#[async_trait]
impl Broker for Of {
    fn name(&self) -> &str {
        self.0.broker().name()
    }

    async fn publish(&self, topic: &str, event: Event) -> Result<usize> {
        self.0.publish_raw(topic, event).await
    }

    async fn subscribe(&self, topic: &str, queue: Option<&str>) -> Result<Subscription> {
        self.0.subscribe(topic, queue).await
    }

    async fn flush(&self) {
        self.0.broker().flush().await;
    }
}

/// A handle on the default broker, as a process of its own would have it.
fn direct(plugins: Plugins) -> Arc<dyn Broker> {
    Arc::new(Of(quick(plugins).client().unwrap()))
}

/// What leaves is waited for but shortly.
fn quick(plugins: Plugins) -> Plugins {
    plugins.direct(|settings| settings.deregister_delay = Duration::from_millis(20))
}

fn event(body: &'static str) -> Event {
    Event::new(ContentType::Json, body)
}

async fn take(subscription: &mut Subscription) -> Delivery {
    let next = timeout(Duration::from_secs(10), subscription.next()).await;
    next.expect("an event comes").expect("it goes on")
}

/// A directory that goes when the test ends.
struct Directory(PathBuf);

impl Directory {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("micro-broker-{}-{count}", std::process::id());
        Directory(std::env::temp_dir().join(name))
    }

    fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
