//! Oneofs in JSON: at most one field of each is set.

use micro::Code;
use serde_json::json;

use crate::{
    golden::{
        everything::{All, all},
        recursive::{Expr, expr},
    },
    json::{from_json, to_json},
};

#[test]
fn null_field_of_a_oneof_leaves_the_field_that_is_set() {
    for json in [
        r#"{"chosenText":"test","chosenNumber":null}"#,
        r#"{"chosenNumber":null,"chosenText":"test"}"#,
        r#"{"chosenInner":null,"chosenText":"test","chosenBytes":null,"chosenColour":null}"#,
    ] {
        let all: All = from_json(&serde_json::from_str(json).unwrap()).unwrap();
        assert_eq!(
            all.choice,
            Some(all::Choice::ChosenText("test".into())),
            "{json}"
        );
    }
    let none: All = from_json(&json!({"chosenText": null, "chosenNumber": null})).unwrap();
    assert_eq!(none.choice, None);
}

#[test]
fn two_fields_of_a_oneof_are_refused() {
    for json in [
        json!({"number": 1, "not": {}}),
        json!({"number": 1, "null": null}),
        json!({"literal": null, "number": 1}),
    ] {
        let error = from_json::<Expr>(&json).unwrap_err();
        assert_eq!(error.code(), Code::InvalidArgument);
        assert!(
            error.message().contains("oneof `kind` is set twice"),
            "{error}"
        );
    }
}

#[test]
fn null_value_is_read_by_its_name_and_number() {
    for json in [
        json!({"null": null}),
        json!({"null": "NULL_VALUE"}),
        json!({"null": 0}),
    ] {
        let expr: Expr = from_json(&json).unwrap();
        assert_eq!(expr.kind, Some(expr::KindOneOf::Null(0)), "{json}");
        assert_eq!(to_json(&expr), json!({"null": null}));
    }
    for json in [
        json!({"null": "NULL"}),
        json!({"null": 1}),
        json!({"null": {}}),
    ] {
        let error = from_json::<Expr>(&json).unwrap_err();
        assert!(error.message().contains("NULL_VALUE"), "{json}: {error}");
    }
}
