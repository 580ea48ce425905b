//! How long streams may last.

use std::{
    pin::Pin,
    task::{self, Poll},
    time::Duration,
};

use futures_core::Stream;
use micro::{Code, Context, Result, Running, Streaming};
use tokio::time::{Instant, Interval, sleep};

use super::cluster::{Cluster, Count, Guard, millis};

/// Milliseconds that the network takes each way, at most.
const WAY: u64 = 10;

/// A number every so often, and counted while it lives.
struct Ticks {
    interval: Interval,
    number: u32,
    _alive: Guard,
}

impl Stream for Ticks {
    type Item = Result<u32>;

    fn poll_next(
        mut self: Pin<&mut Self>,
        cx: &mut task::Context<'_>,
    ) -> Poll<Option<Result<u32>>> {
        self.interval.poll_tick(cx).map(|_| {
            self.number += 1;
            Some(Ok(self.number))
        })
    }
}

fn ticks(every: u64, alive: &Count) -> Streaming<u32> {
    Streaming::new(Ticks {
        interval: tokio::time::interval(millis(every)),
        number: 0,
        _alive: Guard::of(alive),
    })
}

/// A service `clock` whose `Clock.Tick` ticks as often as it is asked to, whose `Clock.Flood` never
/// rests, and whose `Clock.Stop` does not answer; and how many of these are alive.
async fn clock(cluster: &Cluster) -> (Running, Count) {
    let alive = Count::default();
    let (ticking, flooding, stopped) = (alive.clone(), alive.clone(), alive.clone());
    let tick = move |_: Context, every: u64| {
        let ticks = ticks(every, &ticking);
        async move { Ok::<_, micro::Error>(ticks) }
    };
    let flood = move |_: Context, _: Streaming<u64>| {
        let guard = Guard::of(&flooding);
        async move {
            let (sender, flood) = Streaming::channel(1);
            tokio::spawn(async move {
                let _guard = guard;
                while sender.send("x".repeat(10_000)).await.is_ok() {}
            });
            Ok::<_, micro::Error>(flood)
        }
    };
    let stop = move |_: Context, _: u64| {
        let guard = Guard::of(&stopped);
        async move {
            let _guard = guard;
            std::future::pending::<Result<Streaming<u32>>>().await
        }
    };
    let service = cluster
        .service("clock", "clock")
        .handle("Clock.Tick", tick)
        .handle("Clock.Flood", flood)
        .handle("Clock.Stop", stop);
    (service.serve().await.unwrap(), alive)
}

/// Reads to the end; how many came and what came last.
async fn read(mut ticks: Streaming<u32>) -> (u32, Option<Code>) {
    let mut count = 0;
    loop {
        match ticks.next().await {
            Some(Ok(_)) => count += 1,
            Some(Err(error)) => return (count, Some(error.code())),
            None => return (count, None),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn stream_with_a_timeout_ends_then_on_both_sides() {
    let cluster = Cluster::new();
    let (_clock, alive) = clock(&cluster).await;
    let client = cluster.client();
    let tick = client.method::<u64, Streaming<u32>>("clock", "Clock.Tick");
    // Once it is connected.
    drop(tick.call(&Context::new(), 1).await.unwrap());
    sleep(Duration::from_secs(1)).await;
    assert_eq!(alive.get(), 0);
    let cx = Context::new().with_timeout(millis(500));
    let options = [(cx, Duration::from_secs(9)), (Context::new(), millis(500))];
    for (cx, timeout) in options {
        let began = Instant::now();
        let ticks = tick.call(&cx, 100).timeout(timeout).await.unwrap();
        let (count, end) = read(ticks).await;
        assert_eq!(end, Some(Code::DeadlineExceeded));
        assert!((4..=6).contains(&count), "{count} ticks");
        let took = began.elapsed();
        assert!((millis(500)..millis(502)).contains(&took), "{took:?}");
        sleep(millis(10)).await;
        assert_eq!(alive.get(), 0, "the server goes on");
    }
}

#[tokio::test(start_paused = true)]
async fn stream_that_nobody_reads_ends_at_its_deadline_all_the_same() {
    let cluster = Cluster::new();
    let (_clock, alive) = clock(&cluster).await;
    let client = cluster.client();
    let flood = client.method::<Streaming<u64>, Streaming<String>>("clock", "Clock.Flood");
    let (_sender, requests) = Streaming::channel(1);
    let cx = Context::new().with_timeout(millis(500));
    let mut answers = flood.call(&cx, requests).await.unwrap();
    sleep(millis(400)).await;
    assert_eq!(alive.get(), 1);
    sleep(millis(110)).await;
    assert_eq!(alive.get(), 0, "it waits for credit that cannot come");
    let mut count = 0;
    let end = loop {
        match answers.next().await {
            Some(Ok(_)) => count += 1,
            Some(Err(error)) => break error.code(),
            None => panic!("cut off, not ended"),
        }
    };
    assert_eq!(end, Code::DeadlineExceeded);
    assert!(count > 0, "what came in time is read");
}

#[tokio::test(start_paused = true)]
async fn handler_s_streams_end_with_its_own_time() {
    let cluster = Cluster::new();
    let (_clock, alive) = clock(&cluster).await;
    let front = cluster.service("front", "front");
    let tick = front.client();
    let tick = tick.method::<u64, Streaming<u32>>("clock", "Clock.Tick");
    let relay = move |cx: Context, every: u64| {
        let tick = tick.clone();
        async move { tick.call(&cx, every).await }
    };
    let _front = front.handle("Front.Relay", relay).serve().await.unwrap();
    let client = cluster.client();
    let relay = client.method::<u64, Streaming<u32>>("front", "Front.Relay");
    let began = Instant::now();
    let cx = Context::new().with_timeout(millis(800));
    let ticks = relay.call(&cx, 100).await.unwrap();
    let (count, end) = read(ticks).await;
    assert_eq!(end, Some(Code::DeadlineExceeded));
    assert!(count >= 3, "{count} ticks");
    assert!(began.elapsed() <= millis(802), "{:?}", began.elapsed());
    sleep(millis(WAY)).await;
    assert_eq!(alive.get(), 0);
}

#[tokio::test(start_paused = true)]
async fn default_timeout_is_over_once_a_stream_has_begun() {
    let cluster = Cluster::new();
    let (_clock, alive) = clock(&cluster).await;
    let front = cluster.service("front", "front");
    let tick = front.client();
    let tick = tick.method::<u64, Streaming<u32>>("clock", "Clock.Tick");
    let relay = move |cx: Context, every: u64| {
        let tick = tick.clone();
        async move {
            assert_eq!(cx.time_left(), None);
            tick.call(&cx, every).await
        }
    };
    let _front = front.handle("Front.Relay", relay).serve().await.unwrap();
    let client = cluster.client();
    let relay = client.method::<u64, Streaming<u32>>("front", "Front.Relay");
    let mut ticks = relay.call(&Context::new(), 1000).await.unwrap();
    let began = Instant::now();
    for number in 1..=30 {
        assert_eq!(ticks.next().await.unwrap().unwrap(), number);
    }
    assert!(began.elapsed() > Duration::from_secs(28));
    drop(ticks);
    sleep(millis(100)).await;
    assert_eq!(alive.get(), 0);
}

#[tokio::test(start_paused = true)]
async fn default_timeout_bounds_the_wait_for_a_stream_to_begin() {
    let cluster = Cluster::new();
    let (_clock, alive) = clock(&cluster).await;
    let client = cluster.client();
    let stop = client.method::<u64, Streaming<u32>>("clock", "Clock.Stop");
    let began = Instant::now();
    let Err(error) = stop.call(&Context::new(), 0).await else {
        panic!("it does not answer");
    };
    assert_eq!(error.code(), Code::DeadlineExceeded, "{error}");
    let took = began.elapsed();
    let five = Duration::from_secs(5);
    assert!((five..five + millis(2)).contains(&took), "{took:?}");
    sleep(millis(2 * WAY)).await;
    assert_eq!(alive.get(), 0, "the server goes on");
}
