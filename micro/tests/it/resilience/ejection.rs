//! Nodes that fail are left alone until they are well.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use micro::{Context, Error, Outcome};
use tokio::time::sleep;

use super::town::{Count, Town, call, echo, millis};

#[tokio::test(start_paused = true)]
async fn a_node_that_fails_is_ejected_and_comes_back_when_it_is_well() {
    let town = Town::new();
    let (_well, _) = town.echo("well").await;
    let (ill, asked) = (Arc::new(AtomicBool::new(true)), Count::default());
    let (is_ill, counted) = (ill.clone(), asked.clone());
    let answer = move |_: Context, text: String| {
        counted.add();
        let ill = is_ill.load(Relaxed);
        async move {
            match ill {
                true => Err(Error::unavailable("ill")),
                false => Ok(text),
            }
        }
    };
    let service = town.service("ill", "text").handle("Text.Echo", answer);
    let _ill = service.serve().await.unwrap();
    let client = town.client();
    let method = echo(&client);
    for _ in 0..400 {
        // Some find the node that is ill.
        let _ = call(&method).await;
        if client.stats("text").ejections == 1 {
            break;
        }
        sleep(millis(100)).await;
    }
    assert_eq!(client.stats("text").ejections, 1);
    let before = asked.get();
    for _ in 0..100 {
        call(&method).await.unwrap();
    }
    assert_eq!(asked.get(), before, "it was asked while ejected");
    ill.store(false, Relaxed);
    sleep(Duration::from_secs(5)).await;
    for _ in 0..200 {
        call(&method).await.unwrap();
        sleep(millis(10)).await;
    }
    assert!(asked.get() > before, "it did not come back");
}

#[tokio::test(start_paused = true)]
async fn a_node_out_of_reach_stays_ejected_until_a_probe_reaches_it() {
    let town = Town::new();
    let (_near, _) = town.echo("near").await;
    let (_far, asked) = town.echo("far").await;
    let client = town.client();
    let method = echo(&client).idempotent();
    for _ in 0..20 {
        call(&method).await.unwrap();
    }
    town.internet.refuse("far", true);
    town.internet.reset("far");
    for _ in 0..400 {
        call(&method).await.unwrap();
        if client.stats("text").ejections > 0 {
            break;
        }
        sleep(millis(100)).await;
    }
    assert!(client.stats("text").ejections > 0);
    // Several probes fail meanwhile.
    sleep(Duration::from_secs(20)).await;
    let before = (asked.get(), client.stats("text").retries);
    for _ in 0..50 {
        call(&method).await.unwrap();
    }
    assert_eq!((asked.get(), client.stats("text").retries), before);
    town.internet.refuse("far", false);
    sleep(Duration::from_secs(40)).await;
    for _ in 0..100 {
        call(&method).await.unwrap();
        sleep(millis(50)).await;
    }
    assert!(asked.get() > before.0, "it did not come back");
}

#[tokio::test(start_paused = true)]
async fn a_refusal_for_want_of_room_goes_to_another_node() {
    let town = Town::new();
    let mut running = Vec::new();
    let done = Count::default();
    for host in ["one", "two"] {
        let counted = done.clone();
        let work = move |_: Context, text: String| {
            counted.add();
            async move {
                sleep(millis(200)).await;
                Ok(text)
            }
        };
        let service = town.service(host, "text").handle("Text.Echo", work);
        let service = service.lifecycle(|life| life.concurrency = 3);
        running.push(service.serve().await.unwrap());
    }
    let client = town.client();
    let method = echo(&client);
    call(&method).await.unwrap();
    // Six fit, whoever they ask first; the seventh is refused by both until there is room.
    let calls: Vec<_> = (0..7)
        .map(|_| {
            let method = method.clone();
            tokio::spawn(async move { call(&method).await })
        })
        .collect();
    for call in calls {
        call.await.unwrap().unwrap();
    }
    assert_eq!(done.get(), 8, "each was done once");
    let full = |_| {
        let method = method.clone();
        tokio::spawn(async move {
            let call = method.call(&Context::new(), "x".into());
            call.timeout(millis(100)).await
        })
    };
    let mut refused = 0;
    for call in (0..12).map(full).collect::<Vec<_>>() {
        let error = call.await.unwrap().unwrap_err();
        let nothing_done = matches!(error.outcome(), Outcome::Rejected | Outcome::NotSent);
        refused += u32::from(nothing_done);
    }
    assert_eq!(
        refused, 6,
        "who found no room is told that nothing was done"
    );
    assert_eq!(done.get(), 14);
}
