//! TLS in both directions: the service shows a certificate, and asks its callers for one.
#![allow(clippy::print_stdout, reason = "the example shows its result")]

use std::{fs, path::Path};

use micro::{Client, Context, Handler, Plugins, Result, Service, registry::Memory, transport::Tls};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

async fn hello(_cx: Context, name: String) -> Result<String> {
    Ok(format!("Hello {name}"))
}

#[tokio::main]
async fn main() -> Result<()> {
    let directory = std::env::temp_dir().join("micro-tls-example");
    let (greeting, stranger) = run(&directory).await?;
    println!("with a certificate: {greeting}");
    if let Err(refusal) = stranger {
        println!("without: {refusal}");
    }
    Ok(())
}

/// Returns the answer to a caller with a certificate, and that to a caller without one.
pub(crate) async fn run(directory: &Path) -> Result<(String, Result<String>)> {
    make_certificates(directory)?;
    let file = |name: &str| directory.join(name);
    let registry = Memory::new();

    // Callers must have a certificate of this authority, so plaintext is refused, too.
    let tls = Tls::new()
        .certificate(file("server.pem"), file("server-key.pem"))
        .clients(file("ca.pem"));
    let running = Service::new("greeter")
        .plugins(Plugins::new().registry(registry.clone()))
        .tls(tls)
        .handle("Greeter.Hello", hello.idempotent())
        .serve()
        .await?;

    // The certificate of every node is verified, by its authority, its dates and its name.
    let verified = Tls::new().trust(file("ca.pem"));
    let caller = verified
        .clone()
        .certificate(file("caller.pem"), file("caller-key.pem"));
    let greeting = greet(&registry, caller).await?;
    let stranger = greet(&registry, verified).await;
    running.stop().await;
    Ok((greeting, stranger))
}

async fn greet(registry: &Memory, tls: Tls) -> Result<String> {
    let client = Client::builder()
        .registry(registry.clone())
        .tls(tls)
        .build()?;
    let hello = client.method::<String, String>("greeter", "Greeter.Hello");
    hello.call(&Context::new(), "John".into()).await
}

/// Writes an authority, and a certificate each for the server and the caller. For development, `micro cert` does the
/// same; in production, the files come from your authority and are renewed while the service runs.
fn make_certificates(directory: &Path) -> Result<()> {
    let failed = |error: rcgen::Error| micro::Error::internal(error.to_string());
    fs::create_dir_all(directory)?;
    let mut params = CertificateParams::new([]).map_err(failed)?;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().map_err(failed)?;
    let authority = CertifiedIssuer::self_signed(params, key).map_err(failed)?;
    fs::write(directory.join("ca.pem"), authority.pem())?;
    for name in ["server", "caller"] {
        // Nodes are called by address here, so the certificate is for an address.
        let params = CertificateParams::new(["127.0.0.1".to_owned()]).map_err(failed)?;
        let key = KeyPair::generate().map_err(failed)?;
        let certificate = params.signed_by(&key, &authority).map_err(failed)?;
        fs::write(directory.join(format!("{name}.pem")), certificate.pem())?;
        fs::write(
            directory.join(format!("{name}-key.pem")),
            key.serialize_pem(),
        )?;
    }
    Ok(())
}
