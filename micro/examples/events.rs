//! Events: one service publishes, two subscribe, one of them as a queue of two processes.
#![allow(clippy::print_stdout, reason = "the example shows its result")]

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering::Relaxed},
};

use micro::{Context, Error, Message, Plugins, Result, Running, Service, registry::Memory};
use serde::{Deserialize, Serialize};

#[derive(Clone, Serialize, Deserialize, Message)]
struct OrderPlaced {
    id: u32,
}

/// A process of the mailer; all of them share the events of the queue `mailer`.
async fn mailer(plugins: &Plugins, sent: &Arc<AtomicU32>) -> Result<Running> {
    let sent = sent.clone();
    Service::new("mailer")
        .plugins(plugins.clone())
        .subscribe_queue(
            "orders.placed",
            "mailer",
            move |_: Context, _: OrderPlaced| {
                sent.fetch_add(1, Relaxed);
                async { Ok::<_, Error>(()) }
            },
        )
        .serve()
        .await
}

#[tokio::main]
async fn main() -> Result<()> {
    let (mails, audited) = run().await?;
    println!("{mails} mails sent, {audited} orders audited");
    Ok(())
}

pub(crate) async fn run() -> Result<(u32, u32)> {
    let plugins = Plugins::new().registry(Memory::new());
    let (sent, audited) = (Arc::default(), Arc::new(AtomicU32::new(0)));
    let mailers = [
        mailer(&plugins, &sent).await?,
        mailer(&plugins, &sent).await?,
    ];
    let counted = audited.clone();
    // Without a queue, each process receives every event.
    let audit = Service::new("audit")
        .plugins(plugins.clone())
        .subscribe("orders.placed", move |_: Context, _: OrderPlaced| {
            counted.fetch_add(1, Relaxed);
            async { Ok::<_, Error>(()) }
        })
        .serve()
        .await?;

    let client = audit.client();
    for id in 1..=10 {
        client
            .publish(&Context::new(), "orders.placed", &OrderPlaced { id })
            .await?;
    }
    // Wait until every event has been acknowledged.
    client.broker().flush().await;
    for running in mailers.into_iter().chain([audit]) {
        running.stop().await;
    }
    Ok((sent.load(Relaxed), audited.load(Relaxed)))
}
