//! Futures that run beside each other.

use std::{future::poll_fn, pin::Pin, task::Poll};

/// A future, or what it gave.
enum One<T, F> {
    Running(Pin<Box<F>>),
    Done(T),
}

/// What each of these futures gives, in their order; they run beside each other.
pub async fn each<T, F: Future<Output = T>>(futures: impl IntoIterator<Item = F>) -> Vec<T> {
    let running = futures
        .into_iter()
        .map(|future| One::Running(Box::pin(future)));
    let mut all: Vec<_> = running.collect();
    poll_fn(|cx| {
        let mut pending = false;
        for one in &mut all {
            let One::Running(future) = one else { continue };
            match future.as_mut().poll(cx) {
                Poll::Ready(value) => *one = One::Done(value),
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
        One::Done(value) => Some(value),
        One::Running(_) => None,
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
        assert_eq!(each(both).await, [true, true]);
    }
}
