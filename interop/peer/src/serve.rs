//! The serving side.

use micro::{Result, Service};
use micro_rs_interop_greeter::Greeter;
use tokio::signal::unix::{SignalKind, signal};

use crate::{arguments::Arguments, parts, say};

/// Offers the greeter until SIGTERM or SIGINT.
pub(crate) async fn serve(arguments: &Arguments) -> Result<()> {
    // First of all, so that nothing can be cut off.
    let mut terminate = signal(SignalKind::terminate())?;
    let mut service = Service::new(&arguments.name)
        .plugins(parts::plugins(arguments)?)
        .settings(parts::settings(arguments)?)
        .lifecycle(|lifecycle| lifecycle.deregister_delay = std::time::Duration::from_millis(100));
    // go-micro's clients choose by it how to speak.
    match arguments.protocol.as_deref() {
        Some("grpc") => {
            service = service
                .metadata("protocol", "grpc")
                .metadata("transport", "grpc")
        }
        Some("mucp") => {
            service = service
                .metadata("protocol", "mucp")
                .metadata("transport", "http")
        }
        _ => {}
    }
    let running = Greeter::new().serve(service)?.serve().await?;
    say(&format!("ready {}", running.node().address));
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted?,
        _ = terminate.recv() => {}
    }
    running.stop().await;
    Ok(())
}
