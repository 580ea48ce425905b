//! Failures of requests to etcd, and their errors with advice for users.

use micro_core::{Code, Error};

/// Why a request failed.
#[derive(Clone, Debug)]
pub(super) enum Failure {
    /// The server was not reached or is silent; the reason.
    Lost(String),
    /// The configuration is invalid.
    Unusable(Error),
    /// The response is too large.
    TooLarge,
    /// The status of the server.
    Refused { code: Code, message: String },
}

/// etcd's errors for a token that it does not know any more, or that is older than the permissions.
const STALE_TOKEN_ERRORS: [&str; 2] = ["invalid auth token", "revision of auth store is old"];

impl Failure {
    pub(super) fn lost(why: impl ToString) -> Self {
        Failure::Lost(why.to_string())
    }

    /// Whether a new token may help.
    pub(super) fn wants_token(&self) -> bool {
        matches!(self, Failure::Refused { message, .. } if STALE_TOKEN_ERRORS.iter().any(|text| message.contains(text)))
    }

    /// Whether a retry may help, here or at another member.
    pub(super) fn is_passing(&self) -> bool {
        match self {
            Failure::Lost(_) => true,
            Failure::Refused { code, .. } => {
                matches!(
                    code,
                    Code::Unavailable | Code::DeadlineExceeded | Code::Cancelled
                )
            }
            Failure::Unusable(_) | Failure::TooLarge => false,
        }
    }

    /// Whether the message of etcd contains a text.
    pub(super) fn says(&self, text: &str) -> bool {
        matches!(self, Failure::Refused { message, .. } if message.contains(text))
    }
}

/// Messages of etcd (`api/v3rpc/rpctypes/error.go`) that get another code, or advice.
const ERROR_TEXTS: [(&str, Code, &str); 8] = [
    (
        "user name is empty",
        Code::Unauthenticated,
        "it asks who we are; put user and password into the URL, or into `ETCD_USERNAME` and `ETCD_PASSWORD`",
    ),
    (
        "authentication failed",
        Code::Unauthenticated,
        "it does not know this user with this password",
    ),
    (
        "invalid auth token",
        Code::Unauthenticated,
        "it does not take the token",
    ),
    (
        "permission denied",
        Code::PermissionDenied,
        "this user may not do that; grant a role that reads and writes the keys under the registry's prefix",
    ),
    (
        "request is too large",
        Code::InvalidArgument,
        "the record is larger than etcd takes, 1.5 MiB unless `--max-request-bytes` says more; \
         register less metadata or fewer endpoints",
    ),
    (
        "message larger than max",
        Code::InvalidArgument,
        "the record is larger than etcd takes, 1.5 MiB unless `--max-request-bytes` says more; \
         register less metadata or fewer endpoints",
    ),
    (
        "database space exceeded",
        Code::ResourceExhausted,
        "its database is full: compact and defragment it, then `etcdctl alarm disarm`",
    ),
    (
        "no leader",
        Code::Unavailable,
        "the cluster has no leader; are most of its members up?",
    ),
];

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        let (code, message) = match failure {
            Failure::Unusable(error) => return error,
            Failure::Lost(why) => return Error::unavailable(why),
            Failure::TooLarge => {
                return Error::resource_exhausted("an answer of etcd is larger than 16 MiB");
            }
            Failure::Refused { code, message } => (code, message),
        };
        let known = ERROR_TEXTS.iter().find(|(text, ..)| message.contains(text));
        let said = message.strip_prefix("etcdserver: ").unwrap_or(&message);
        match known {
            Some((_, code, advice)) => Error::new(*code, format!("{advice} (etcd: `{said}`)")),
            None if code == Code::DeadlineExceeded || code == Code::Cancelled => {
                Error::unavailable(format!("etcd: `{said}`"))
            }
            None => Error::new(code, format!("etcd: `{said}`")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn etcds_words_become_codes_and_advice() {
        let cases = [
            (
                Code::InvalidArgument,
                "etcdserver: user name is empty",
                Code::Unauthenticated,
                "`ETCD_USERNAME`",
            ),
            (
                Code::PermissionDenied,
                "etcdserver: permission denied",
                Code::PermissionDenied,
                "grant a role",
            ),
            (
                Code::ResourceExhausted,
                "grpc: received message larger than max (3 vs. 2)",
                Code::InvalidArgument,
                "larger than etcd takes",
            ),
            (
                Code::DeadlineExceeded,
                "context deadline exceeded",
                Code::Unavailable,
                "etcd: `context",
            ),
            (
                Code::Unavailable,
                "etcdserver: leader changed",
                Code::Unavailable,
                "etcd: `leader changed`",
            ),
        ];
        for (code, message, expected, advice) in cases {
            let message = message.to_owned();
            let error = Error::from(Failure::Refused { code, message });
            assert_eq!(error.code(), expected);
            assert!(error.message().contains(advice), "{error}");
        }
    }
}
