//! One message each way.

use std::{collections::BTreeMap, time::Duration};

use micro::{Code, ContentType, Context, Metadata, Result};
use micro_rs_interop_greeter::messages::{
    Color, EchoReply, Empty, HelloReply, HelloRequest, Inner, Plain, Sleep, Types,
};
use tokio::time::Instant;

use super::subject::{Checked, Subject, Verdict, same};

/// Calls one after another.
const SEQUENTIAL: usize = 100;
/// Callers at a time.
const CALLERS: usize = 16;
/// Calls of each of them.
const CALLS: usize = 10;

async fn greet(subject: &Subject, name: String) -> Checked {
    let should = format!("Hello {name}");
    let reply: HelloReply = subject.call("Greeter.Hello", HelloRequest { name }).await?;
    same("the greeting", reply.msg, should)?;
    Ok(String::new())
}

pub(super) async fn hello(subject: &Subject) -> Checked {
    greet(subject, "John".into()).await
}

pub(super) async fn hello_empty(subject: &Subject) -> Checked {
    greet(subject, String::new()).await
}

pub(super) async fn hello_unicode(subject: &Subject) -> Checked {
    greet(
        subject,
        "Zoë \u{1f980} 日本 <&>\"\\\u{2028}\n\t\u{7f}".into(),
    )
    .await
}

pub(super) async fn hello_large(subject: &Subject) -> Checked {
    greet(subject, "x".repeat(1 << 20)).await
}

pub(super) async fn sequential(subject: &Subject) -> Checked {
    for number in 0..SEQUENTIAL {
        greet(subject, number.to_string()).await?;
    }
    Ok(format!("{SEQUENTIAL} calls"))
}

pub(super) async fn concurrent(subject: &Subject) -> Checked {
    let caller = async |caller: usize| -> Result<(), Verdict> {
        for number in 0..CALLS {
            greet(subject, format!("{caller}.{number}")).await?;
        }
        Ok(())
    };
    let mut callers: Vec<_> = (0..CALLERS)
        .map(|number| Box::pin(caller(number)))
        .collect();
    // All at once, in this task: each is polled whenever any may go on.
    std::future::poll_fn(|cx| {
        let mut wrong = None;
        callers.retain_mut(|caller| match caller.as_mut().poll(cx) {
            std::task::Poll::Pending => true,
            std::task::Poll::Ready(ended) => {
                wrong = wrong.take().or(ended.err());
                false
            }
        });
        match (wrong, callers.is_empty()) {
            (Some(wrong), _) => std::task::Poll::Ready(Err(wrong)),
            (None, true) => std::task::Poll::Ready(Ok(())),
            (None, false) => std::task::Poll::Pending,
        }
    })
    .await?;
    Ok(format!("{CALLERS} callers of {CALLS} calls"))
}

fn values<'a>(reply: &'a EchoReply, name: &str) -> Option<&'a str> {
    let mut entries = reply.metadata.iter();
    let found = entries.find(|(key, _)| key.eq_ignore_ascii_case(name));
    found.map(|(_, value)| value.as_str())
}

pub(super) async fn metadata(subject: &Subject) -> Checked {
    let sent = Metadata::from_iter([
        ("X-Tenant", "acme, west"),
        ("Lower", "a=b; c"),
        ("X-Empty", ""),
    ]);
    let mut cx = Context::new();
    *cx.metadata_mut() = sent.clone();
    let reply: EchoReply = subject.call_in(&cx, "Greeter.Echo", Empty {}).await?;
    for (name, value) in sent.iter() {
        same(name, values(&reply, name).unwrap_or_default(), value)?;
    }
    let next: EchoReply = subject.call("Greeter.Echo", Empty {}).await?;
    same(
        "what is left for the next call",
        values(&next, "X-Tenant"),
        None,
    )?;
    Ok(format!("{} entries", reply.metadata.len()))
}

pub(super) async fn timeout(subject: &Subject) -> Checked {
    let cx = Context::new().with_timeout(Duration::from_secs(2));
    let reply: EchoReply = subject.call_in(&cx, "Greeter.Echo", Empty {}).await?;
    match reply.timeout {
        1..=2000 => Ok(format!("{} ms left", reply.timeout)),
        left => Err(Verdict::Wrong(format!(
            "of 2000 ms the server was left {left}"
        ))),
    }
}

pub(super) async fn deadline(subject: &Subject) -> Checked {
    let begun = Instant::now();
    let cx = Context::new().with_timeout(Duration::from_millis(300));
    let answer: Result<Sleep> = subject
        .call_in(&cx, "Greeter.Sleep", Sleep { ms: 3000 })
        .await;
    let took = begun.elapsed();
    match answer {
        Ok(_) => Err(Verdict::Wrong("it was answered after its deadline".into())),
        Err(error) => {
            same("the code", error.code(), Code::DeadlineExceeded)?;
            same(
                "whether it ended in time",
                took < Duration::from_secs(2),
                true,
            )?;
            Ok(String::new())
        }
    }
}

pub(super) async fn sleep(subject: &Subject) -> Checked {
    let begun = Instant::now();
    let reply: Sleep = subject.call("Greeter.Sleep", Sleep { ms: 200 }).await?;
    same("the time", reply.ms, 200)?;
    same(
        "whether it waited",
        begun.elapsed() >= Duration::from_millis(200),
        true,
    )?;
    Ok(String::new())
}

pub(super) async fn types(subject: &Subject) -> Checked {
    let sent = Types {
        full_name: "a_b".into(),
        big: (1 << 53) + 1,
        color: Color::Blue.into(),
        data: vec![0, 0xff, b'>', b'?'],
        tags: vec!["x".into(), String::new()],
        counts: BTreeMap::from([("a".into(), -1), ("b".into(), 0)]),
        ok: true,
        ratio: 0.1,
        nothing: Some(Empty {}),
    };
    let reply: Types = subject.call("Greeter.Types", sent.clone()).await?;
    same("the answer", reply, sent)?;
    Ok(String::new())
}

pub(super) async fn types_zero(subject: &Subject) -> Checked {
    let reply: Types = subject.call("Greeter.Types", Types::default()).await?;
    same("the answer", reply, Types::default())?;
    let lowest = Types {
        big: i64::MIN,
        ratio: -1e300,
        ..Types::default()
    };
    let reply: Types = subject.call("Greeter.Types", lowest.clone()).await?;
    same("the lowest", reply, lowest)?;
    Ok(String::new())
}

pub(super) async fn plain(subject: &Subject) -> Checked {
    if *subject.content_type() != ContentType::Json {
        return Err(Verdict::Skip("an ordinary struct has JSON only".into()));
    }
    let sent = Plain {
        full_name: "a_b".into(),
        big: (1 << 53) + 1,
        data: Some("AP8=".into()),
        tags: Some(vec!["x".into()]),
        inner: Some(Inner {
            big: 1,
            ..Inner::default()
        }),
        labels: Some(BTreeMap::from([("k".into(), "<v>".into())])),
        no_tag: true,
    };
    let reply: Plain = subject.call("Greeter.Plain", sent.clone()).await?;
    same("the answer", reply, sent)?;
    Ok(String::new())
}
