//! Credentials for the API server.

use std::{fs, path::PathBuf, time::Duration};

use http::HeaderValue;
use parking_lot::Mutex;
use tokio::time::Instant;

use micro_core::{
    Error, Result,
    http::client::{basic, secret},
};

/// How long a token is cached: the cluster renews tokens well before they expire.
const TOKEN_CACHE_TIME: Duration = Duration::from_secs(60);

/// A token, a token file or a user. Never printed.
pub(super) struct Credentials {
    token: Option<String>,
    file: Option<PathBuf>,
    user: Option<(String, String)>,
    /// The header from the file, and when it was read.
    kept: Mutex<Option<(Instant, HeaderValue)>>,
}

impl Credentials {
    pub(super) fn new(
        token: Option<String>,
        file: Option<PathBuf>,
        user: Option<(String, String)>,
    ) -> Self {
        Credentials {
            token,
            file,
            user,
            kept: Mutex::default(),
        }
    }

    /// The value of `authorization`, if there are credentials.
    ///
    /// Fails with [`Code::FailedPrecondition`](micro_core::Code::FailedPrecondition) if the file cannot be read.
    pub(super) fn header(&self) -> Result<Option<HeaderValue>> {
        if let Some(token) = &self.token {
            return secret(&format!("Bearer {token}")).map(Some);
        }
        if let Some((user, password)) = &self.user {
            return basic(user, password).map(Some);
        }
        let Some(file) = &self.file else {
            return Ok(None);
        };
        let mut kept = self.kept.lock();
        let now = Instant::now();
        if let Some((read, header)) = &*kept
            && now < *read + TOKEN_CACHE_TIME
        {
            return Ok(Some(header.clone()));
        }
        let text = fs::read_to_string(file).map_err(|error| {
            let file = file.display();
            Error::failed_precondition(format!("token file `{file}` cannot be read"))
                .with_source(error)
        })?;
        let header = secret(&format!("Bearer {}", text.trim()))?;
        *kept = Some((now, header.clone()));
        Ok(Some(header))
    }

    /// The server refused the token. Returns whether the file may have a new one.
    pub(super) fn refused(&self) -> bool {
        self.kept.lock().take().is_some()
    }
}
