//! The checking side: every case, run against a server.

mod events;
mod failures;
mod streams;
mod subject;
mod unary;

use std::pin::Pin;

use micro::Result;
use subject::{Checked, Subject, Verdict};
use tokio::time::Instant;

use crate::{arguments::Arguments, say};

type Case = for<'a> fn(&'a Subject) -> Pin<Box<dyn Future<Output = Checked> + Send + 'a>>;

/// All cases, in the order they are run in.
const CASES: [(&str, Case); 33] = [
    ("hello", |subject| Box::pin(unary::hello(subject))),
    ("hello-empty", |subject| {
        Box::pin(unary::hello_empty(subject))
    }),
    ("hello-unicode", |subject| {
        Box::pin(unary::hello_unicode(subject))
    }),
    ("hello-large", |subject| {
        Box::pin(unary::hello_large(subject))
    }),
    ("fail-bad", |subject| {
        Box::pin(failures::fails(subject, "bad"))
    }),
    ("fail-unauthorized", |subject| {
        Box::pin(failures::fails(subject, "unauthorized"))
    }),
    ("fail-forbidden", |subject| {
        Box::pin(failures::fails(subject, "forbidden"))
    }),
    ("fail-notfound", |subject| {
        Box::pin(failures::fails(subject, "notfound"))
    }),
    ("fail-conflict", |subject| {
        Box::pin(failures::fails(subject, "conflict"))
    }),
    ("fail-internal", |subject| {
        Box::pin(failures::fails(subject, "internal"))
    }),
    ("fail-teapot", |subject| {
        Box::pin(failures::fails(subject, "teapot"))
    }),
    ("fail-plain", |subject| Box::pin(failures::plain(subject))),
    ("fail-newline", |subject| {
        Box::pin(failures::newline(subject))
    }),
    ("fail-none", |subject| Box::pin(failures::none(subject))),
    ("unknown-service", |subject| {
        Box::pin(failures::unknown(subject, "Nobody.Hello"))
    }),
    ("unknown-method", |subject| {
        Box::pin(failures::unknown(subject, "Greeter.Nothing"))
    }),
    ("metadata", |subject| Box::pin(unary::metadata(subject))),
    ("timeout", |subject| Box::pin(unary::timeout(subject))),
    ("deadline", |subject| Box::pin(unary::deadline(subject))),
    ("sleep", |subject| Box::pin(unary::sleep(subject))),
    ("types", |subject| Box::pin(unary::types(subject))),
    ("types-zero", |subject| Box::pin(unary::types_zero(subject))),
    ("plain", |subject| Box::pin(unary::plain(subject))),
    ("count", |subject| Box::pin(streams::count(subject))),
    ("count-none", |subject| {
        Box::pin(streams::count_none(subject))
    }),
    ("count-fail", |subject| {
        Box::pin(streams::count_fail(subject))
    }),
    ("count-burst", |subject| {
        Box::pin(streams::count_burst(subject))
    }),
    ("chat", |subject| Box::pin(streams::chat(subject))),
    ("chat-none", |subject| Box::pin(streams::chat_none(subject))),
    ("events", |subject| Box::pin(events::events(subject))),
    ("publish", |subject| Box::pin(events::publish(subject))),
    ("sequential", |subject| Box::pin(unary::sequential(subject))),
    ("concurrent", |subject| Box::pin(unary::concurrent(subject))),
];

/// Runs the cases that are asked for; whether none of them failed.
pub(crate) async fn check(arguments: &Arguments) -> Result<bool> {
    for name in arguments.only.iter().chain(&arguments.skip) {
        if !CASES.iter().any(|(known, _)| known == name) {
            let known = CASES.map(|(known, _)| known).join(", ");
            let text = format!("case `{name}` is not one of {known}");
            return Err(micro::Error::invalid_argument(text));
        }
    }
    let subject = Subject::new(arguments)?;
    let (mut passed, mut failed) = (0, 0);
    for (name, case) in CASES {
        if !arguments.only.is_empty() && !arguments.only.iter().any(|only| only == name) {
            continue;
        }
        if arguments.skip.iter().any(|skip| skip == name) {
            say(&format!("skip {name} as told"));
            continue;
        }
        let begun = Instant::now();
        let ended = tokio::time::timeout(arguments.hang, case(&subject)).await;
        let ended = ended.unwrap_or_else(|_| {
            Err(Verdict::Wrong(format!(
                "no end within {:?}",
                arguments.hang
            )))
        });
        match ended {
            Ok(detail) => {
                passed += 1;
                let took = begun.elapsed().as_millis();
                say(format!("ok {name} {detail} ({took} ms)").trim_end());
            }
            Err(Verdict::Wrong(why)) => {
                failed += 1;
                say(&format!("FAIL {name} {}", why.escape_debug()));
            }
            Err(Verdict::Skip(why)) => say(&format!("skip {name} {why}")),
        }
    }
    say(&format!("{passed} passed, {failed} failed"));
    Ok(failed == 0)
}
