//! Streams: a handler that answers with many messages, and one that receives many.
#![allow(clippy::print_stdout, reason = "the example shows its result")]

use micro::{Context, Plugins, Result, Service, Streaming, registry::Memory};

/// Answers with the numbers from 1 to `to`.
async fn count(_cx: Context, to: u32) -> Result<Streaming<u32>> {
    let (numbers, stream) = Streaming::channel(16);
    tokio::spawn(async move {
        for number in 1..=to {
            // Fails once the caller has gone.
            if numbers.send(number).await.is_err() {
                break;
            }
        }
    });
    Ok(stream)
}

/// Adds up the numbers it receives.
async fn sum(_cx: Context, mut numbers: Streaming<u32>) -> Result<u32> {
    let mut sum = 0;
    while let Some(number) = numbers.next().await {
        sum += number?;
    }
    Ok(sum)
}

#[tokio::main]
async fn main() -> Result<()> {
    println!("the sum is {}", run().await?);
    Ok(())
}

pub(crate) async fn run() -> Result<u32> {
    let running = Service::new("numbers")
        .plugins(Plugins::new().registry(Memory::new()))
        .handle("Numbers.Count", count)
        .handle("Numbers.Sum", sum)
        .serve()
        .await?;
    let (client, cx) = (running.client(), Context::new());

    let count = client.method::<u32, Streaming<u32>>("numbers", "Numbers.Count");
    let numbers = count.call(&cx, 10).await?;
    // What one handler answers is what the other receives.
    let sum = client.method::<Streaming<u32>, u32>("numbers", "Numbers.Sum");
    let sum = sum.call(&cx, numbers).await?;
    running.stop().await;
    Ok(sum)
}
