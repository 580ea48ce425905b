//! Errors in Connect's JSON: `{"code":"not_found","message":"…","details":[{"type":"…","value":"…"}]}`.

use serde_json::{Value, json};

use super::code;
use crate::{
    base64,
    error::{Code, Error},
};

/// Encodes an error as JSON.
pub(super) fn write(error: &Error) -> Value {
    let mut told = json!({ "code": code::name(error.code()) });
    if !error.message().is_empty() {
        told["message"] = error.message().into();
    }
    let details = error.details();
    if !details.is_empty() {
        let details = details.iter().map(|(url, value)| {
            let kind = url.rsplit_once('/').map_or(&**url, |(_, kind)| kind);
            json!({ "type": kind, "value": base64::unpadded(value) })
        });
        told["details"] = details.collect();
    }
    told
}

/// Decodes an error; `otherwise` is the code if the JSON has no valid one.
pub(super) fn read(told: &Value, otherwise: Code) -> Error {
    let text = |value: &Value, name| value.get(name).and_then(Value::as_str).map(str::to_owned);
    let code = text(told, "code").and_then(|name| code::named(&name));
    let message = text(told, "message").unwrap_or_default();
    let mut error = Error::new(code.unwrap_or(otherwise), message);
    let details = told.get("details").and_then(Value::as_array);
    for detail in details.into_iter().flatten() {
        let value = text(detail, "value").and_then(|value| base64::decode(&value));
        if let (Some(kind), Some(value)) = (text(detail, "type"), value) {
            error = error.with_detail(format!("type.googleapis.com/{kind}"), &value);
        }
    }
    error
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_survives_with_its_details() {
        let url = "type.googleapis.com/shop.Book";
        let sent = Error::cancelled("no more").with_detail(url, b"\xff\xfe");
        let told = write(&sent);
        let expected = json!({
            "code": "canceled",
            "message": "no more",
            "details": [{ "type": "shop.Book", "value": "//4" }],
        });
        assert_eq!(told, expected);
        let came = read(&told, Code::Unknown);
        assert_eq!((came.code(), came.message()), (Code::Cancelled, "no more"));
        assert_eq!(came.details(), [(url.to_owned(), b"\xff\xfe".to_vec())]);
    }

    #[test]
    fn malformed_error_gets_the_other_code() {
        for told in [
            json!({}),
            json!({ "code": "oops" }),
            json!([1]),
            json!(null),
        ] {
            assert_eq!(read(&told, Code::Internal).code(), Code::Internal);
        }
    }
}
