//! Streams of messages.

use micro::Streaming;
use micro_rs_interop_greeter::messages::{Chat, CountReply, CountRequest};

use super::{
    failures,
    subject::{Checked, Subject, Verdict, same},
};

async fn counting(
    subject: &Subject,
    to: i32,
    fail: &str,
    burst: bool,
) -> Result<Streaming<CountReply>, Verdict> {
    let fail = fail.to_owned();
    let request = CountRequest { to, fail, burst };
    Ok(subject.call("Greeter.Count", request).await?)
}

async fn numbers(stream: &mut Streaming<CountReply>, to: i32) -> Result<(), Verdict> {
    for should in 1..=to {
        match stream.next().await {
            Some(Ok(reply)) => same("the number", reply.n, should)?,
            Some(Err(error)) => return Err(error.into()),
            None => return Err(Verdict::Wrong(format!("it ended before {should}"))),
        }
    }
    Ok(())
}

async fn end<T: micro::Message>(stream: &mut Streaming<T>) -> Result<(), Verdict> {
    match stream.next().await {
        None => Ok(()),
        Some(Err(error)) => Err(error.into()),
        Some(Ok(_)) => Err(Verdict::Wrong("it went on after its end".into())),
    }
}

async fn count_to(subject: &Subject, to: i32, burst: bool) -> Checked {
    let mut stream = counting(subject, to, "", burst).await?;
    numbers(&mut stream, to).await?;
    end(&mut stream).await?;
    Ok(format!("{to} messages"))
}

pub(super) async fn count(subject: &Subject) -> Checked {
    count_to(subject, 5, false).await
}

pub(super) async fn count_none(subject: &Subject) -> Checked {
    count_to(subject, 0, false).await
}

pub(super) async fn count_burst(subject: &Subject) -> Checked {
    count_to(subject, 200, true).await
}

pub(super) async fn count_fail(subject: &Subject) -> Checked {
    let mut stream = counting(subject, 3, "notfound", false).await?;
    numbers(&mut stream, 3).await?;
    match stream.next().await {
        Some(Err(error)) => failures::is_of_kind(&error, "notfound").map(|()| String::new()),
        Some(Ok(_)) => Err(Verdict::Wrong("it went on after its error".into())),
        None => Err(Verdict::Wrong("it ended well".into())),
    }
}

pub(super) async fn chat(subject: &Subject) -> Checked {
    let (sender, lines) = Streaming::channel(1);
    let open = subject.call::<_, Streaming<Chat>>("Greeter.Chat", lines);
    // A server may say nothing, not even that it is there, before it has heard something.
    let first = sender.send(Chat { text: "0".into() });
    let (opened, sent) = tokio::join!(open, first);
    sent?;
    let mut replies = opened?;
    for number in 0..3 {
        if number > 0 {
            let text = number.to_string();
            sender.send(Chat { text }).await?;
        }
        match replies.next().await {
            Some(reply) => same("the reply", reply?.text, format!("echo {number}"))?,
            None => return Err(Verdict::Wrong(format!("it ended before line {number}"))),
        }
    }
    drop(sender);
    end(&mut replies).await?;
    Ok("3 lines".into())
}

pub(super) async fn chat_none(subject: &Subject) -> Checked {
    let (sender, lines) = Streaming::<Chat>::channel(1);
    drop(sender);
    let mut replies: Streaming<Chat> = subject.call("Greeter.Chat", lines).await?;
    end(&mut replies).await?;
    Ok(String::new())
}
