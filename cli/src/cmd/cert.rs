//! `micro cert`.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use crate::{
    authority::Authority,
    failure::{Failure, Result},
    session::Session,
};

/// Make certificates for development, and an authority for them
///
/// The first time it makes an authority in the directory: `ca.pem` and `ca-key.pem`. Each time it makes a
/// certificate of it, `cert.pem` and `key.pem`, which running services take up without a restart. Who
/// has `ca-key.pem` can be anyone to those that trust `ca.pem`: it is for development.
#[derive(Args)]
pub(crate) struct Cert {
    /// The directory to write to
    #[arg(long, value_name = "DIR", default_value = "certs")]
    out: PathBuf,
    /// A name or an address that the certificate is for; may be repeated
    #[arg(long = "name", value_name = "NAME", num_args = 1..)]
    names: Vec<String>,
    /// For how many days it is valid
    #[arg(long, default_value_t = 365, value_parser = clap::value_parser!(u32).range(1..=36_500))]
    days: u32,
    /// Make one for a client of this name instead: `NAME.pem` and `NAME-key.pem`
    #[arg(long, value_name = "NAME", conflicts_with = "names")]
    client: Option<String>,
}

/// Where a service in development is reached.
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

    /// How to use what was made.
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

/// Names that a client's files can have.
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
