//! `micro sample greeter|counter`: services of the demo and the tests. Hidden.
//!
//! The process prints `ready ID ADDRESS` once it is registered, and `executed N`
//! after a graceful end. It ends when its stdin is closed.

use std::{
    io::Read,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use clap::{Args, ValueEnum};
use micro::{Context, Handler, Service};
use serde::{Deserialize, Serialize};

use crate::{
    failure::{Failure, Result},
    session::Session,
    signals,
};

#[derive(Args)]
pub(crate) struct Sample {
    service: Kind,
    /// The node's id, after the service's name and a hyphen
    #[arg(long)]
    id: String,
}

#[derive(Clone, Copy, ValueEnum)]
enum Kind {
    Greeter,
    Counter,
}

#[derive(Serialize, Deserialize, micro::Message)]
pub(crate) struct Hello {
    pub(crate) name: String,
}

#[derive(Serialize, Deserialize, micro::Message)]
pub(crate) struct Greeting {
    pub(crate) msg: String,
    /// The id of the node that answered.
    pub(crate) node: String,
}

#[derive(Serialize, Deserialize, micro::Message)]
struct Add {
    n: u64,
}

#[derive(Serialize, Deserialize, micro::Message)]
struct Total {
    total: u64,
}

impl Sample {
    pub(crate) fn run(self, session: &Session) -> Result {
        end_with_parent()?;
        let executed = Arc::new(AtomicU64::new(0));
        let service = match self.service {
            Kind::Greeter => greeter(&self.id, executed.clone()),
            Kind::Counter => counter(executed.clone()),
        };
        let service = service.id(self.id).plugins(session.plugins()?);
        session.block_on(async {
            let end = signals::end()?;
            let running = service.serve().await?;
            let node = running.node();
            session.print(format_args!("ready {} {}", node.id, node.address))?;
            end.await;
            running.stop().await;
            session.print(format_args!("executed {}", executed.load(Relaxed)))
        })
    }
}

fn greeter(id: &str, executed: Arc<AtomicU64>) -> Service {
    let node: Arc<str> = id.into();
    let hello = move |_: Context, hello: Hello| {
        let (node, executed) = (node.clone(), executed.clone());
        async move {
            executed.fetch_add(1, Relaxed);
            Ok::<_, micro::Error>(Greeting {
                msg: format!("Hello {}", hello.name),
                node: node.to_string(),
            })
        }
    };
    Service::new("greeter").handle("Greeter.Hello", hello.idempotent())
}

fn counter(executed: Arc<AtomicU64>) -> Service {
    let total = Arc::new(AtomicU64::new(0));
    let add = move |_: Context, add: Add| {
        let (total, executed) = (total.clone(), executed.clone());
        async move {
            executed.fetch_add(1, Relaxed);
            let total = total.fetch_add(add.n, Relaxed) + add.n;
            Ok::<_, micro::Error>(Total { total })
        }
    };
    Service::new("counter").handle("Counter.Add", add)
}

/// Ends this process with its parent: the kernel closes the pipe of stdin.
fn end_with_parent() -> Result {
    // A stopped process cannot see its stdin close. On Linux the kernel kills it
    // once the thread that started it has ended.
    #[cfg(target_os = "linux")]
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))
        .map_err(Failure::because("the parent cannot be watched"))?;
    // Blocks in a read until the parent ends.
    std::thread::Builder::new()
        .name("parent".into())
        .spawn(|| {
            let _ = std::io::stdin().read_to_end(&mut Vec::new());
            std::process::exit(1);
        })
        .map_err(Failure::because("the parent cannot be watched"))?;
    Ok(())
}
