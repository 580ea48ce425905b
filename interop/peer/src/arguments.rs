//! The command line, in Go's style: one dash, the value after a space.

use std::time::Duration;

use micro::{ContentType, settings};

/// What the command line says.
pub(crate) struct Arguments {
    pub(crate) side: Side,
    /// The service's name.
    pub(crate) name: String,
    /// What is spoken whatever a node says; what it says where unsaid.
    pub(crate) protocol: Option<String>,
    /// Of calls and events.
    pub(crate) content_type: ContentType,
    /// The server's address, where it is not to be discovered.
    pub(crate) at: Option<String>,
    /// The cases to run; all where empty.
    pub(crate) only: Vec<String>,
    /// The cases not to run.
    pub(crate) skip: Vec<String>,
    /// Of a call.
    pub(crate) timeout: Duration,
    /// Of a case: one that takes longer has failed.
    pub(crate) hang: Duration,
    /// What `micro::Settings` reads, in its form.
    pub(crate) settings: Vec<String>,
}

/// Which side of a run it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// Offers the greeter.
    Server,
    /// Checks one.
    Client,
}

/// Flags that a setting of the library stands for.
const SETTINGS: [(&str, &str); 13] = [
    ("registry", "registry"),
    ("registry_address", "registry-address"),
    ("broker", "broker"),
    ("broker_address", "broker-address"),
    ("listen", "server-address"),
    ("advertise", "server-advertise"),
    ("id", "server-id"),
    ("metadata", "server-metadata"),
    ("register_ttl", "register-ttl"),
    ("register_interval", "register-interval"),
    ("tls_cert", "tls-cert"),
    ("tls_key", "tls-key"),
    ("tls_require", "tls-require"),
];

impl Arguments {
    pub(crate) fn parse(arguments: impl IntoIterator<Item = String>) -> Result<Self, String> {
        let mut arguments = arguments.into_iter();
        let side = match arguments.next().as_deref() {
            Some("server") => Side::Server,
            Some("client") => Side::Client,
            _ => return Err("usage: interop-peer server|client [-flag value]…".into()),
        };
        let mut parsed = Arguments {
            side,
            name: "greeter".into(),
            protocol: None,
            content_type: ContentType::Json,
            at: None,
            only: Vec::new(),
            skip: Vec::new(),
            timeout: Duration::from_secs(5),
            hang: Duration::from_secs(15),
            settings: Vec::new(),
        };
        while let Some(flag) = arguments.next() {
            let value = arguments.next();
            let value = value.ok_or_else(|| format!("`{flag}` has no value"))?;
            let name = flag.strip_prefix('-').unwrap_or(&flag);
            parsed.take(name.strip_prefix('-').unwrap_or(name), value)?;
        }
        Ok(parsed)
    }

    fn take(&mut self, name: &str, value: String) -> Result<(), String> {
        if let Some((_, setting)) = SETTINGS.iter().find(|(flag, _)| *flag == name) {
            self.settings.push(format!("--{setting}={value}"));
            return Ok(());
        }
        match name {
            "name" => self.name = value,
            "protocol" => self.protocol = Some(value),
            "content_type" => self.content_type = ContentType::parse(&value),
            "at" => self.at = Some(value),
            "only" => self.only = list(&value),
            "skip" => self.skip = list(&value),
            "timeout" => self.timeout = duration(name, &value)?,
            "hang" => self.hang = duration(name, &value)?,
            // Each protocol has its own: HTTP/1.1 for mucp, HTTP/2 for gRPC.
            "transport" if value == "http" => {}
            "transport" => return Err(format!("transport `{value}` is not built")),
            "transport_address" => return Err("`-transport_address` is of no transport".into()),
            _ => return Err(format!("flag `-{name}` is not known")),
        }
        Ok(())
    }
}

fn list(value: &str) -> Vec<String> {
    let names = value.split(',').map(str::trim);
    names.filter(|n| !n.is_empty()).map(Into::into).collect()
}

fn duration(name: &str, value: &str) -> Result<Duration, String> {
    settings::duration(value)
        .ok_or_else(|| format!("`-{name} {value}` is no duration such as `5s`"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may end in a panic")]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Arguments, String> {
        Arguments::parse(line.split(' ').map(str::to_owned))
    }

    #[test]
    fn flags_are_read_in_gos_style() {
        let read = parse(
            "client -at 127.0.0.1:1 -only hello,chat -timeout 300ms -registry_address a,b \
             -content_type application/protobuf -protocol grpc",
        );
        let read = read.unwrap();
        assert_eq!(read.side, Side::Client);
        assert_eq!(read.at.as_deref(), Some("127.0.0.1:1"));
        assert_eq!(read.only, ["hello", "chat"]);
        assert_eq!(read.timeout, Duration::from_millis(300));
        assert_eq!(read.content_type, ContentType::Protobuf);
        assert_eq!(read.protocol.as_deref(), Some("grpc"));
        assert_eq!(read.settings, ["--registry-address=a,b"]);
    }

    #[test]
    fn what_is_wrong_is_said() {
        let wrong = |line| parse(line).err().unwrap();
        assert_eq!(wrong("client -at"), "`-at` has no value");
        assert_eq!(wrong("client -colour red"), "flag `-colour` is not known");
        assert_eq!(
            wrong("client -transport nats"),
            "transport `nats` is not built"
        );
        assert!(wrong("listen").starts_with("usage: "));
    }
}
