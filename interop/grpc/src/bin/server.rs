//! `grpc-interop-server`: `grpc.testing.TestService` on Micro's one port.
//!
//! ```text
//! grpc-interop-server --port 10000 [--use_tls --tls_cert_file FILE --tls_key_file FILE]
//! ```

use std::{
    error::Error,
    io::{self, Write},
    time::Duration,
};

use micro::{Plugins, Service, Socket, registry::Memory, transport::Tls};
use micro_rs_interop_grpc::{flags::Flags, service};
use tokio::signal::unix::{SignalKind, signal};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let known = ["port", "use_tls", "tls_cert_file", "tls_key_file"];
    let flags = Flags::parse(std::env::args().skip(1), &known)?;
    let mut terminated = signal(SignalKind::terminate())?;
    // As the official ones have it.
    let socket = Socket::new().limit(|limits| limits.max_message_size = 16 << 20);
    let mut plugins = Plugins::new().registry(Memory::new()).socket(socket);
    if flags.is_set("use_tls") {
        let certificate = flags.get("tls_cert_file");
        let certificate = certificate.ok_or("`--use_tls` needs `--tls_cert_file`")?;
        let key = flags.get("tls_key_file");
        let key = key.ok_or("`--use_tls` needs `--tls_key_file`")?;
        plugins = plugins.tls(Tls::new().certificate(certificate, key).require());
    }
    let port: u16 = flags.number("port", 10000)?;
    let running = Service::new("grpc.testing")
        .plugins(plugins)
        .address(format!("127.0.0.1:{port}"))
        // The suite names a host for which it has a certificate.
        .allow_host("*")
        .lifecycle(|life| life.deregister_delay = Duration::ZERO)
        .routes(service::router())
        .serve()
        .await?;
    writeln!(io::stdout(), "ready {}", running.node().address)?;
    terminated.recv().await;
    running.stop().await;
    Ok(())
}
