//! Consul's own variables of the environment, for what the URL does not say.

use std::fs;

use micro_core::{
    Error, Result,
    url::{Options, Url, non_blank},
};

/// The URL with what `CONSUL_HTTP_ADDR`, `CONSUL_HTTP_TOKEN`, `CONSUL_HTTP_TOKEN_FILE`, `CONSUL_HTTP_AUTH` and, where
/// TLS is spoken, `CONSUL_CACERT`, `CONSUL_CLIENT_CERT`, `CONSUL_CLIENT_KEY` and `CONSUL_HTTP_SSL_VERIFY` add to it.
pub(super) fn complete(
    url: &Url,
    variable: impl Fn(&str) -> Result<Option<String>>,
) -> Result<Url> {
    let switch = |name: &str| match non_blank(variable(name)?).as_deref() {
        None => Ok(None),
        Some("1" | "t" | "T" | "true" | "TRUE" | "True") => Ok(Some(true)),
        Some("0" | "f" | "F" | "false" | "FALSE" | "False") => Ok(Some(false)),
        Some(other) => Err(Error::invalid_argument(format!(
            "`{name}={other}` is neither `true` nor `false`"
        ))),
    };
    let mut said = url.clone();
    if url.hosts().next().is_none()
        && let Some(address) = non_blank(variable("CONSUL_HTTP_ADDR")?)
    {
        if address.starts_with("unix:") {
            return Err(Error::invalid_argument(format!(
                "`CONSUL_HTTP_ADDR={address}`: Consul is not reached over Unix sockets; name `host:port`"
            )));
        }
        said = said.at(&address);
        Options::of(&said, super::DEFAULT_PORT, &[])
            .map_err(|error| error.context("`CONSUL_HTTP_ADDR`"))?;
        for key in url.keys() {
            said = said.with_query(key, &url.query(key).unwrap_or_default());
        }
        if let Some((user, password)) = url.user() {
            said = said.with_query("user", &user);
            if url.has_password() {
                said = said.with_query("password", &password);
            }
        }
    }
    if let Some(token) = variable("CONSUL_HTTP_TOKEN")? {
        said = said.with_query("token", &token);
    } else if let Some(file) = variable("CONSUL_HTTP_TOKEN_FILE")? {
        let token = fs::read_to_string(&file).map_err(|error| {
            let text = format!("`CONSUL_HTTP_TOKEN_FILE={file}` cannot be read");
            Error::failed_precondition(text).with_source(error)
        })?;
        said = said.with_query("token", token.trim());
    }
    if said.user().is_none()
        && said.query("user").is_none()
        && let Some(both) = variable("CONSUL_HTTP_AUTH")?
    {
        let (user, password) = both.split_once(':').unwrap_or((&both, ""));
        said = said
            .with_query("user", user)
            .with_query("password", password);
    }
    if switch("CONSUL_HTTP_SSL")? == Some(true) {
        said = said.with_query("tls", "true");
    }
    let secure = match said.query("tls").as_deref() {
        Some(switch) => !["false", "no", "0"].contains(&switch),
        None => said.is_https(),
    };
    if secure {
        for (key, name) in [
            ("tls-ca", "CONSUL_CACERT"),
            ("tls-cert", "CONSUL_CLIENT_CERT"),
            ("tls-key", "CONSUL_CLIENT_KEY"),
        ] {
            if let Some(file) = variable(name)? {
                said = said.with_query(key, &file);
            }
        }
        if switch("CONSUL_HTTP_SSL_VERIFY")? == Some(false) {
            said = said.with_query("tls-insecure", "true");
        }
    }
    Ok(said)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn completed(url: &str, variables: &[(&str, &str)]) -> Result<Url> {
        let variable = |name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name);
            Ok(found.map(|(_, value)| (*value).to_owned()))
        };
        complete(&Url::parse(url), variable)
    }

    fn options(url: &str, variables: &[(&str, &str)]) -> Options {
        let url = completed(url, variables).expect("it is complete");
        Options::of(&url, 8500, &[]).expect("it is well said")
    }

    #[test]
    fn environment_completes_the_url() {
        let options = options(
            "consul://?namespace=east",
            &[
                ("CONSUL_HTTP_ADDR", "https://consul.example:8501"),
                ("CONSUL_HTTP_TOKEN", "s&cret"),
                ("CONSUL_HTTP_AUTH", "me:word"),
                ("CONSUL_CACERT", "/ca.pem"),
                ("CONSUL_HTTP_SSL_VERIFY", "false"),
            ],
        );
        assert_eq!(options.hosts, ["consul.example:8501"]);
        assert_eq!(options.token.as_deref(), Some("s&cret"));
        assert_eq!(options.user, Some(("me".into(), "word".into())));
        assert_eq!(options.namespace, "east");
        let tls = options.tls.expect("TLS is spoken");
        assert!(tls.insecure && tls.ca.is_some());
    }

    #[test]
    fn url_takes_precedence_over_the_environment() {
        let options = options(
            "consul://me:word@h?token=mine",
            &[
                ("CONSUL_HTTP_ADDR", "other:1"),
                ("CONSUL_HTTP_TOKEN", "theirs"),
                ("CONSUL_HTTP_AUTH", "them:theirs"),
                ("CONSUL_CACERT", "/ca.pem"),
            ],
        );
        assert_eq!(options.hosts, ["h:8500"]);
        assert_eq!(options.token.as_deref(), Some("mine"));
        assert_eq!(options.user, Some(("me".into(), "word".into())));
        assert_eq!(options.tls, None, "files alone do not make it secure");
    }

    #[test]
    fn invalid_variable_is_named_in_the_error() {
        for (name, value, reason) in [
            ("CONSUL_HTTP_ADDR", "http://h/prefix", "the path `/prefix`"),
            ("CONSUL_HTTP_ADDR", "ftp://h", "`ftp://`"),
            ("CONSUL_HTTP_SSL", "maybe", "neither `true` nor `false`"),
        ] {
            let error = completed("consul", &[(name, value)]).expect_err("it is wrong");
            let error = error.to_string();
            assert!(error.contains(name) && error.contains(reason), "{error}");
        }
        let variables = [("CONSUL_HTTP_ADDR", " h:1 "), ("CONSUL_HTTP_SSL", "True")];
        let options = options("consul://me:word@", &variables);
        assert_eq!(options.hosts, ["h:1"]);
        assert_eq!(options.user, Some(("me".into(), "word".into())));
        assert!(options.tls.is_some());
    }
}
