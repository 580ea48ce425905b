//! Applies the settings of TLS.

use super::Settings;
use micro_core::error::Result;
use micro_core::plugins::Plugins;

/// Flags of files that belong together.
#[cfg(feature = "tls")]
const PAIR: (&str, &str) = ("tls-cert", "tls-key");

#[cfg(feature = "tls")]
impl Settings {
    /// Returns `parts` with the settings of TLS. Every file is read at once, so that a wrong one is found at the start.
    pub(super) fn secure(&self, plugins: Plugins) -> Result<Plugins> {
        use micro_core::{Error, net::tls::Identity};

        if !self.values.keys().any(|name| name.starts_with("tls-")) {
            return Ok(plugins);
        }
        if let Some(transport) = &plugins.transport {
            tracing::warn!(
                transport = transport.name(),
                "settings of TLS are for the native transport; this one does not follow them"
            );
        }
        let mut tls = plugins.own_socket().own_tls();
        tls.identity = match (self.text(PAIR.0), self.text(PAIR.1)) {
            (None, None) => tls.identity,
            (Some(certificate), Some(key)) => Some(Identity {
                certificate: certificate.into(),
                key: key.into(),
            }),
            (certificate, _) => {
                let (given, missing) = match certificate {
                    Some(_) => PAIR,
                    None => (PAIR.1, PAIR.0),
                };
                return Err(Error::invalid_argument(format!(
                    "`--{given}` is given without `--{missing}`; a certificate takes both"
                )));
            }
        };
        let file = |name| self.text(name).map(Into::into);
        tls.trust = file("tls-ca").or(tls.trust);
        tls.clients = file("tls-client-ca").or(tls.clients);
        tls.server_name = self
            .text("tls-server-name")
            .map(str::to_owned)
            .or(tls.server_name);
        for (name, switch) in [
            ("tls-always", &mut tls.always),
            ("tls-client-optional", &mut tls.clients_optional),
            ("tls-insecure", &mut tls.insecure),
            ("tls-require", &mut tls.require),
        ] {
            if let Some(setting) =
                self.read_as(name, "is neither `true` nor `false`", super::value::switch)?
            {
                *switch = setting;
            }
        }
        if self.text("tls-require").is_some() && !tls.require && tls.refuses_plaintext() {
            return Err(Error::invalid_argument(
                "`--tls-require=no` contradicts `--tls-client-ca`: plaintext clients show no certificate; \
                 take clients without one by `--tls-client-optional`",
            ));
        }
        tls.check()?;
        plugins.change_socket(|socket| Ok(socket.tls(tls)))
    }
}

#[cfg(not(feature = "tls"))]
impl Settings {
    /// The parts, in a build without TLS.
    pub(super) fn secure(&self, plugins: Plugins) -> Result<Plugins> {
        match self.values.keys().find(|name| name.starts_with("tls-")) {
            None => Ok(plugins),
            Some(name) => Err(micro_core::Error::invalid_argument(format!(
                "`--{name}`: TLS is not built in; enable the `tls` feature"
            ))),
        }
    }
}
