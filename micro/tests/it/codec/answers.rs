//! Who is at fault for what cannot be read.

use micro::{
    Code, ContentType, Context, Outcome, Plugins, Reply, Result, Router, Running, Service,
    Streaming, registry::Memory,
};

async fn serve() -> Running {
    async fn text(_: Context, (): ()) -> Result<String> {
        Ok("text".into())
    }

    async fn texts(_: Context, (): ()) -> Result<Streaming<String>> {
        let (sender, texts) = Streaming::channel(1);
        sender.send("text".to_string()).await?;
        Ok(texts)
    }

    async fn double(_: Context, number: u32) -> Result<u32> {
        Ok(2 * number)
    }

    async fn sum(_: Context, mut numbers: Streaming<u32>) -> Result<u32> {
        let mut sum = 0;
        while let Some(number) = numbers.next().await.transpose()? {
            sum += number;
        }
        Ok(sum)
    }

    Service::new("texts")
        .plugins(Plugins::new().registry(Memory::new()))
        .routes(
            Router::new()
                .handle("Texts.Text", text)
                .handle("Texts.Texts", texts)
                .handle("Texts.Double", double)
                .handle("Texts.Sum", sum),
        )
        .serve()
        .await
        .unwrap()
}

#[tokio::test]
async fn answer_that_cannot_be_read_is_not_the_callers_fault() {
    let running = serve().await;
    let client = running.client();
    let cx = Context::new();
    for content_type in [ContentType::Json, ContentType::MsgPack] {
        let text = client
            .method::<(), u32>("texts", "Texts.Text")
            .content_type(content_type.clone());
        let error = text.call(&cx, ()).await.unwrap_err();
        assert_eq!(error.code(), Code::Internal, "{error}");
        assert_eq!(error.outcome(), Outcome::Answered);
        assert!(
            error
                .message()
                .starts_with("the answer is not understood: "),
            "{error}"
        );

        let texts = client
            .method::<(), Reply<Streaming<u32>>>("texts", "Texts.Texts")
            .content_type(content_type);
        let mut answers = texts.call(&cx, ()).await.unwrap();
        let error = answers.get_mut().next().await.unwrap().unwrap_err();
        assert_eq!(error.code(), Code::Internal, "{error}");
    }
    running.stop().await;
}

#[tokio::test]
async fn request_that_cannot_be_read_is_the_callers_fault() {
    let running = serve().await;
    let client = running.client();
    let cx = Context::new();
    let double = client.method::<String, u32>("texts", "Texts.Double");
    let error = double.call(&cx, "text".into()).await.unwrap_err();
    assert_eq!(error.code(), Code::InvalidArgument, "{error}");

    let (sender, texts) = Streaming::channel(1);
    sender.send("text".to_string()).await.unwrap();
    drop(sender);
    let sum = client.method::<Streaming<String>, u32>("texts", "Texts.Sum");
    let error = sum.call(&cx, texts).await.unwrap_err();
    assert_eq!(error.code(), Code::InvalidArgument, "{error}");
    running.stop().await;
}
