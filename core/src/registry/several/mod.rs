//! Several registries as one: a fleet that moves from one registry to another is in both meanwhile.

mod retry;
mod union;

use std::{fmt, future::poll_fn, sync::Arc, task::Poll, time::Duration};

use async_trait::async_trait;

use self::{retry::Retry, union::Union};
use super::{Registry, Update, Updates, join_all, may_pass, view::updates};
use crate::{
    error::{Error, Result},
    node::Node,
};

/// Several registries as one: services are registered in all, and nodes are found in any.
///
/// | operation | does |
/// |---|---|
/// | register, deregister | in all, at once; fails if one fails, after all were tried |
/// | get, list | the union; fails if all fail, and warns if some do |
/// | watch | the union; stale if all are |
///
/// A failed registration is repeated in the registry that failed, each second for a service; the others are not
/// asked again meanwhile. A node in several registries appears once, as the last reachable one has it: name the
/// registry to move *to* last. An empty set is authoritative if each registry that had nodes confirms it
/// and all can be reached.
///
/// ```
/// use std::sync::Arc;
/// use micro::registry::{Memory, Node, Registry, Several};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> micro::Result<()> {
/// let (old, new) = (Memory::new(), Memory::new());
/// let both = Several::new([Arc::new(old.clone()) as Arc<dyn Registry>, Arc::new(new.clone())]);
/// both.register(&Node::new("greeter", "greeter-1", "memory:one"), None).await?;
/// assert_eq!(old.list().await?, new.list().await?);
/// assert_eq!(both.get("greeter").await?.len(), 1);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Several(Arc<Inner>);

struct Inner {
    /// The names of all, separated by commas.
    name: String,
    registries: Vec<Arc<dyn Registry>>,
    retry: Retry,
}

impl Several {
    /// Combines these registries; of two records of a node, that of the later registry counts.
    pub fn new(registries: impl IntoIterator<Item = Arc<dyn Registry>>) -> Self {
        let registries: Vec<_> = registries.into_iter().collect();
        let names: Vec<_> = registries.iter().map(|one| one.name()).collect();
        Several(Arc::new(Inner {
            name: names.join(","),
            retry: Retry::default(),
            registries,
        }))
    }

    /// Returns the combined registries.
    pub fn registries(&self) -> &[Arc<dyn Registry>] {
        &self.0.registries
    }

    /// Asks each registry; returns the results, and the errors of the others. Fails if there is no result.
    async fn answers<'a, T, F>(&'a self, ask: impl Fn(&'a dyn Registry) -> F) -> Result<Vec<T>>
    where
        F: Future<Output = Result<T>> + Send + 'a,
        T: Send + 'a,
    {
        let asked = join_all(self.registries().iter().map(|one| ask(&**one))).await;
        let registries = self.registries().iter();
        let failed = registries.zip(&asked);
        let failed = failed.filter_map(|(one, answer)| Some((one.name(), answer.as_ref().err()?)));
        let failed = joined(failed);
        let answers: Vec<_> = asked.into_iter().filter_map(Result::ok).collect();
        match failed {
            Some(error) if answers.is_empty() => return Err(error),
            Some(error) => self.0.retry.warn(&error),
            None => {}
        }
        Ok(answers)
    }
}

impl fmt::Debug for Several {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Several").field(&self.0.name).finish()
    }
}

#[async_trait]
impl Registry for Several {
    fn name(&self) -> &str {
        &self.0.name
    }

    fn place(&self) -> Option<String> {
        let places = self.registries().iter().filter_map(|one| one.place());
        let places: Vec<_> = places.collect();
        (!places.is_empty()).then(|| places.join(" and "))
    }

    fn is_remote(&self) -> bool {
        self.registries().iter().any(|one| one.is_remote())
    }

    fn is_of_this_machine(&self) -> bool {
        self.registries().iter().all(|one| one.is_of_this_machine())
    }

    fn is_read_only(&self) -> bool {
        self.registries().iter().all(|one| one.is_read_only())
    }

    async fn register(&self, node: &Node, ttl: Option<Duration>) -> Result<()> {
        let due = self.0.retry.due(node, ttl, self.registries().len());
        let registries = self.registries().iter().zip(&due);
        let registered = join_all(registries.map(|(one, due)| async move {
            match due {
                true => one.register(node, ttl).await,
                false => Ok(()),
            }
        }))
        .await;
        let went: Vec<_> = registered.iter().map(Result::is_ok).collect();
        self.0.retry.note(node, ttl, &due, &went);
        all(self.registries(), registered)
    }

    async fn deregister(&self, node: &Node) -> Result<()> {
        self.0.retry.forget(node);
        let registries = self.registries().iter();
        let deregistered = join_all(registries.map(|one| one.deregister(node))).await;
        all(self.registries(), deregistered)
    }

    async fn get(&self, service: &str) -> Result<Vec<Node>> {
        let sets = self.answers(|one| one.get(service)).await?;
        Ok(union::of(sets.iter().map(Vec::as_slice)))
    }

    async fn list(&self) -> Result<Vec<String>> {
        let mut names = self.answers(|one| one.list()).await?.concat();
        names.sort();
        names.dedup();
        Ok(names)
    }

    async fn watch(&self, service: Option<&str>) -> Result<Updates> {
        let registries = self.registries().iter();
        let watches: Vec<_> = registries
            .map(|one| retry::watch(one.clone(), service))
            .collect();
        let names = self.registries().iter().map(|one| one.name().to_owned());
        let union = Union::new(service, names);
        Ok(updates(
            (watches, union, 0),
            |(mut watches, mut union, mut first)| async move {
                loop {
                    if let Some(update) = union.next() {
                        return ((watches, union, first), update);
                    }
                    let (index, update) = heard(&mut watches, &mut first).await;
                    union.hear(index, update);
                }
            },
        ))
    }
}

/// The next update of any of these watches, with its index. The watches take turns.
async fn heard(watches: &mut [Updates], first: &mut usize) -> (usize, Update) {
    poll_fn(|cx| {
        let count = watches.len();
        for index in (0..count).map(|step| (*first + step) % count) {
            // Watches do not end.
            if let Poll::Ready(Some(update)) = watches[index].as_mut().poll_next(cx) {
                *first = index + 1;
                return Poll::Ready((index, update));
            }
        }
        Poll::Pending
    })
    .await
}

/// Succeeds if all succeeded.
fn all(registries: &[Arc<dyn Registry>], results: Vec<Result<()>>) -> Result<()> {
    let results = registries.iter().zip(&results);
    let failed = results.filter_map(|(one, result)| Some((one.name(), result.as_ref().err()?)));
    joined(failed).map_or(Ok(()), Err)
}

/// Combines the errors of registries with these names. Code and reason are those of an error that will not pass by
/// itself, if there is one.
fn joined<'a>(failures: impl Iterator<Item = (&'a str, &'a Error)>) -> Option<Error> {
    let (mut first, mut words) = (None, Vec::new());
    for (name, error) in failures {
        if first.is_none_or(may_pass) {
            first = Some(error);
        }
        // Errors of servers contain their names already.
        let (named, message) = (error.message().starts_with("registry `"), error.message());
        let mut text = match named {
            true => message.to_owned(),
            false => format!("registry `{name}`: {message}"),
        };
        if let Some(source) = std::error::Error::source(error) {
            text += &format!(": {source}");
        }
        words.push(text);
    }
    let first = first?;
    let joined = Error::new(first.code(), words.join("; "));
    Some(match first.reason() {
        Some(reason) => joined.with_reason(&reason),
        None => joined,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Code;

    #[test]
    fn error_that_will_not_pass_gives_the_code() {
        let errors = [
            (
                "a",
                &Error::unavailable("it is down").with_source("cut off".to_owned()),
            ),
            ("b", &Error::permission_denied("registry `b` at h: no")),
            ("c", &Error::unavailable("it is down")),
        ];
        let error = joined(errors.into_iter()).expect("three errors make one");
        assert_eq!(error.code(), Code::PermissionDenied);
        let expected =
            "registry `a`: it is down: cut off; registry `b` at h: no; registry `c`: it is down";
        assert_eq!(error.message(), expected);
        assert!(joined([].into_iter()).is_none());
    }
}
