//! Who we are to a server of NATS.

use async_nats::ConnectOptions;

use micro_core::{Error, Result, url::Options};

/// By what we are known. Never printed.
#[derive(Default, PartialEq, Eq)]
pub(super) struct Identity {
    user: Option<(String, String)>,
    token: Option<String>,
    /// Files, read at each connection.
    credentials: Option<String>,
    nkey: Option<String>,
}

impl Identity {
    /// By what the URL says, or where it says nothing of it, by the environment.
    pub(super) fn of(
        options: &Options,
        variable: impl Fn(&str) -> Result<Option<String>>,
    ) -> Result<Self> {
        let said = |key| options.url.query(key).filter(|file| !file.is_empty());
        let by_url = Identity {
            user: options.user.clone(),
            token: options.token.clone(),
            credentials: said("creds"),
            nkey: said("nkey"),
        };
        if by_url != Identity::default() {
            return Ok(by_url);
        }
        let user = match variable("NATS_USER")? {
            Some(user) => Some((user, variable("NATS_PASSWORD")?.unwrap_or_default())),
            None => None,
        };
        Ok(Identity {
            user,
            token: variable("NATS_TOKEN")?,
            credentials: variable("NATS_CREDS")?,
            nkey: variable("NATS_NKEY")?,
        })
    }

    /// Whether a secret itself is sent: of a key only a signature is.
    pub(super) fn is_sent(&self) -> bool {
        self.user.is_some() || self.token.is_some()
    }

    /// The same options, with who we are.
    ///
    /// Fails with [`Code::FailedPrecondition`](micro_core::Code::FailedPrecondition) for a file that cannot be used.
    pub(super) fn put_into(&self, mut options: ConnectOptions) -> Result<ConnectOptions> {
        if let Some((user, password)) = &self.user {
            options = options.user_and_password(user.clone(), password.clone());
        }
        if let Some(token) = &self.token {
            options = options.token(token.clone());
        }
        if let Some(file) = &self.credentials {
            let text = read(file)?;
            options = options.credentials(&text).map_err(|error| {
                Error::failed_precondition(format!("`{file}` holds no credentials of NATS"))
                    .with_source(error)
            })?;
        }
        if let Some(file) = &self.nkey {
            options = options.nkey(read(file)?.trim().to_owned());
        }
        Ok(options)
    }
}

fn read(file: &str) -> Result<String> {
    std::fs::read_to_string(file).map_err(|error| {
        Error::failed_precondition(format!("`{file}` cannot be read")).with_source(error)
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may end in a panic")]
mod tests {
    use super::*;
    use micro_core::url::Url;

    fn identity(url: &str) -> Identity {
        let options = Options::of(&Url::parse(url), 4222, &["creds", "nkey"]).unwrap();
        let variable = |name: &str| match name {
            "NATS_TOKEN" => Ok(Some("theirs".to_owned())),
            "NATS_CREDS" => Ok(Some("/their.creds".to_owned())),
            _ => Ok(None),
        };
        Identity::of(&options, variable).unwrap()
    }

    #[test]
    fn environment_sets_credentials_only_if_the_url_has_none() {
        let by_environment = identity("nats://h");
        assert_eq!(by_environment.token.as_deref(), Some("theirs"));
        assert_eq!(by_environment.credentials.as_deref(), Some("/their.creds"));
        let by_url = identity("nats://me:word@h");
        assert_eq!(by_url.user, Some(("me".to_owned(), "word".to_owned())));
        assert!(by_url.token.is_none() && by_url.credentials.is_none());
        let by_file = identity("nats://h?nkey=/my.nk");
        assert_eq!(by_file.nkey.as_deref(), Some("/my.nk"));
        assert!(by_file.token.is_none() && by_file.credentials.is_none());
    }
}
