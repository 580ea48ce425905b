//! `micro cert`.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use crate::{
    authority::Authority,
    failure::{Failure, Result},
    session::Session,
};

/// Create certificates for development, and an authority for them
///
/// The first run creates an authority in the directory: `ca.pem` and `ca-key.pem`. Each run creates a
/// certificate signed by it, `cert.pem` and `key.pem`, which running services load without a restart. Everybody
/// who has `ca-key.pem` can impersonate any service to clients that trust `ca.pem`: use it for development only.
#[derive(Args)]
pub(crate) struct Cert {
    /// The directory to write to
    #[arg(long, value_name = "DIR", default_value = "certs")]
    out: PathBuf,
    /// Name or address for the certificate; repeatable; the loopback names by default
    #[arg(long = "name", value_name = "NAME", num_args = 1..)]
    names: Vec<String>,
    /// Days until the certificate expires
    #[arg(long, default_value_t = 365, value_parser = clap::value_parser!(u32).range(1..=36_500))]
    days: u32,
    /// Create a client certificate for this name instead: `NAME.pem` and `NAME-key.pem`
    #[arg(long, value_name = "NAME", conflicts_with = "names")]
    client: Option<String>,
}

/// Names of a service in development.
const DEFAULT_NAMES: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

impl Cert {
    pub(crate) fn run(self, session: &Session) -> Result {
        let client = self.client.as_deref();
        let names = match client {
            Some(name) => vec![check_client(name)?.to_owned()],
            None if self.names.is_empty() => DEFAULT_NAMES.map(str::to_owned).to_vec(),
            None => self.names.clone(),
        };
        let authority = Authority::in_directory(&self.out)?;
        let (certificate, key) = authority.certify(&names, self.days, client)?;
        let ca = authority.certificate();
        if session.json() {
            return session.print(json!({
                "authority": ca,
                "authority_made": authority.is_new,
                "certificate": certificate,
                "key": key,
                "names": names,
                "days": self.days,
            }));
        }
        if authority.is_new {
            session.print(ca.display())?;
            session.print(self.out.join("ca-key.pem").display())?;
        }
        session.print(certificate.display())?;
        session.print(key.display())?;
        session.say(&self.hint(&ca, &certificate, &key, &names));
        Ok(())
    }

    /// How to use the certificate.
    fn hint(&self, ca: &Path, certificate: &Path, key: &Path, names: &[String]) -> String {
        let (ca, certificate, key) = (ca.display(), certificate.display(), key.display());
        let own = format!("--tls-cert={certificate} --tls-key={key}");
        let (names, days) = (names.join(", "), self.days);
        match self.client {
            Some(_) => format!(
                "for the client {names}, {days} days; the client takes\n  {own} --tls-ca={ca}\nand a \
                 service that asks for certificates\n  --tls-client-ca={ca}"
            ),
            None => format!(
                "for {names}, {days} days; a service takes\n  {own} --tls-ca={ca} --tls-require\nand its \
                 callers\n  --tls-ca={ca}"
            ),
        }
    }
}

/// Checks that a client's name can name its files.
fn check_client(name: &str) -> Result<&str> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    // These files are the authority's and the service's.
    let taken = ["ca", "ca-key", "cert", "key"];
    if name.chars().all(plain) && name.starts_with(char::is_alphanumeric) && !taken.contains(&name)
    {
        return Ok(name);
    }
    Err(Failure::Usage(format!(
        "`{name}` cannot name a client; use letters, digits, `-`, `_` and `.`, such as `web-1`"
    )))
}
