//! Futures that run concurrently in one task.

use std::{future::poll_fn, pin::Pin, task::Poll};

/// A future, or its output.
enum Slot<T, F> {
    Running(Pin<Box<F>>),
    Done(T),
}

/// Runs futures concurrently and returns their outputs, in the order of the futures.
pub async fn join_all<T, F: Future<Output = T>>(futures: impl IntoIterator<Item = F>) -> Vec<T> {
    let running = futures
        .into_iter()
        .map(|future| Slot::Running(Box::pin(future)));
    let mut all: Vec<_> = running.collect();
    poll_fn(|cx| {
        let mut pending = false;
        for one in &mut all {
            let Slot::Running(future) = one else { continue };
            match future.as_mut().poll(cx) {
                Poll::Ready(value) => *one = Slot::Done(value),
                Poll::Pending => pending = true,
            }
        }
        match pending {
            true => Poll::Pending,
            false => Poll::Ready(()),
        }
    })
    .await;
    let done = all.into_iter().filter_map(|one| match one {
        Slot::Done(value) => Some(value),
        Slot::Running(_) => None,
    });
    done.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn futures_that_wait_for_each_other_all_end() {
        let (tell, told) = tokio::sync::oneshot::channel();
        let both: Vec<Pin<Box<dyn Future<Output = bool>>>> = vec![
            Box::pin(async move { told.await.is_ok() }),
            Box::pin(async move { tell.send(()).is_ok() }),
        ];
        assert_eq!(join_all(both).await, [true, true]);
    }
}
