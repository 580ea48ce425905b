//! `micro sample greeter|counter`: the services that the demo and the tests are made of. Hidden.
//!
//! A process that runs one says `ready ID ADDRESS` on stdout once it is registered, and `executed N`
//! when it has ended well. It ends with whoever holds the other end of its stdin.

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

/// Has this process end when its parent does, however that ends: the kernel closes its pipe.
fn end_with_parent() -> Result {
    // A stopped process cannot see its stdin close. Where the system knows this signal it is killed
    // instead, once the thread that started it has ended.
    #[cfg(target_os = "linux")]
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))
        .map_err(Failure::because("the parent cannot be watched"))?;
    // Waits in a read for all of the process's life, which it ends.
    std::thread::Builder::new()
        .name("parent".into())
        .spawn(|| {
            let _ = std::io::stdin().read_to_end(&mut Vec::new());
            std::process::exit(1);
        })
        .map_err(Failure::because("the parent cannot be watched"))?;
    Ok(())
}
