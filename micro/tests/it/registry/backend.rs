//! Real servers that tests run against: `tests/backends up NAME`, then `eval "$(tests/backends env)"`.
#![allow(
    dead_code,
    reason = "only the features of registries that need a server use it"
)]

use std::env;

use crate::skip;

/// Address of a server of this name, `host:port`, or nothing where a test has to be skipped.
///
/// It is in `MICRO_TEST_` and the name, upper case with `_` for `-`: `MICRO_TEST_ETCD`, `MICRO_TEST_CONSUL_ACL`. Of a
/// cluster of three it is a list with commas. What is missing is told on stderr; where nothing may be missing
/// (`CI=true` with `MICRO_TEST_SLOW`), it fails the test.
pub(crate) fn server(name: &str) -> Option<String> {
    setting(name, &variable(name))
}

/// What else a test must know of a server, such as its token: `detail("consul-acl", "token")` is
/// `MICRO_TEST_CONSUL_ACL_TOKEN`. Missing, it is as a missing server.
pub(crate) fn detail(name: &str, what: &str) -> Option<String> {
    setting(name, &variable(&format!("{name}-{what}")))
}

fn variable(name: &str) -> String {
    format!("MICRO_TEST_{}", name.to_uppercase().replace('-', "_"))
}

fn setting(name: &str, variable: &str) -> Option<String> {
    if let Some(value) = env::var(variable).ok().filter(|value| !value.is_empty()) {
        return Some(value);
    }
    let told = format!("`tests/backends up {name}` and its `env` set `{variable}`");
    assert!(!skip::must_be_complete(), "no {name}: {told}");
    skip::skip(name, told);
    None
}
