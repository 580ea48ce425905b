//! Codes by Connect's names, and as HTTP statuses.

use http::StatusCode;

use crate::error::Code;

/// The name of a code, which is ours except for one `l`.
pub(super) fn name(code: Code) -> &'static str {
    match code {
        Code::Cancelled => "canceled",
        code => code.as_str(),
    }
}

/// The code with a name.
pub(super) fn named(name: &str) -> Option<Code> {
    let mut codes = (1..=16).map(Code::from_number);
    codes.find(|code| self::name(*code) == name)
}

/// The HTTP status of a unary error.
pub(super) fn status(code: Code) -> StatusCode {
    let status = match code {
        Code::DeadlineExceeded => 504,
        Code::FailedPrecondition => 400,
        code => code.http_status(),
    };
    StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_survive_and_have_the_statuses_of_connect() {
        let statuses = [
            499, 500, 400, 504, 404, 409, 403, 429, 400, 409, 400, 501, 500, 503, 500, 401,
        ];
        for (number, expected) in (1..=16).zip(statuses) {
            let code = Code::from_number(number);
            assert_eq!(named(name(code)), Some(code));
            assert_eq!(status(code).as_u16(), expected, "{code}");
        }
        assert_eq!(named("cancelled"), None);
    }
}
