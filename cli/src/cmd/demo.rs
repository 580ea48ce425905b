//! `micro demo`: kills, hangs and replaces services under load, and shows that no call fails.

mod fleet;
mod node;
mod plan;
mod progress;
mod results;
mod screen;
mod temp_dir;

use std::{
    cell::RefCell,
    io::{self, IsTerminal},
    pin::pin,
    time::Duration,
};

use clap::Args;
use micro::{Client, Context, Plugins, client::Method, registry::Local};
use tokio::time::{MissedTickBehavior, interval};

use self::{
    fleet::Fleet,
    plan::plan,
    progress::{Answers, Progress},
    results::Results,
    screen::Screen,
    temp_dir::TempDir,
};
use super::sample::{Greeting, Hello};
use crate::{
    failure::{Failure, Result},
    load::{self, Counts, LoadMode, Summary},
    session::Session,
    signals,
};

/// See services killed, hung and replaced under load without a call that fails
///
/// Starts greeters, each in its own process, and calls them at a constant rate. One after another
/// is killed (SIGKILL), stopped for 3 s (SIGSTOP) or shut down (SIGTERM), and comes back. Needs no
/// server and no network. Latency counts from the time when a call was due.
#[derive(Args)]
pub(crate) struct Demo {
    /// Duration of the load
    #[arg(long, value_name = "SECONDS", default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    seconds: u64,
    /// Calls per second
    #[arg(long, value_name = "N", default_value_t = 2000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    rate: u32,
    /// Number of greeters; at most one is down at a time
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u8).range(3..=64))]
    nodes: u8,
}

impl Demo {
    pub(crate) fn run(self, session: &Session) -> Result {
        session.block_on(async {
            let end = signals::end()?;
            tokio::select! {
                () = end => Err(Failure::Failed("stopped before its end".into())),
                result = self.demo(session) => result,
            }
        })
    }

    async fn demo(self, session: &Session) -> Result {
        let count = usize::from(self.nodes);
        let run = Duration::from_secs(self.seconds);
        let directory = TempDir::new()?;
        let mut fleet = Fleet::start(count, directory.path()).await?;
        let client = Plugins::new()
            .registry(Local::at(directory.path()))
            .client()?;
        let terminal = io::stdout().is_terminal();
        if !session.json() {
            let (rate, seconds) = (self.rate, self.seconds);
            session.print(format_args!(
                "{count} greeters, {rate} calls a second for {seconds} s\n"
            ))?;
        }
        let answers = Answers::new(count);
        let recorder = load::recorder();
        let mut all = load::no_calls();
        let progress = RefCell::new(Progress::new(count));
        let hello = client.method("greeter", "Greeter.Hello");
        let counts = answers.clone();
        let call = move || greet(hello.clone(), counts.clone());
        let mode = LoadMode::Rate(self.rate.into());
        let mut screen = Screen::new(session, terminal);
        {
            let mut load = pin!(load::run(mode, run, recorder.clone(), call));
            let mut faults = pin!(fleet.inject_faults(plan(run), &progress));
            let mut faulted = false;
            let mut refresh = interval(Duration::from_millis(if terminal { 500 } else { 1000 }));
            refresh.set_missed_tick_behavior(MissedTickBehavior::Delay);
            refresh.tick().await;
            loop {
                tokio::select! {
                    done = &mut load => break done?,
                    result = &mut faults, if !faulted => {
                        faulted = true;
                        result?;
                    }
                    _ = refresh.tick() => {
                        let mut progress = progress.borrow_mut();
                        progress.update_shares(&answers);
                        let now = recorder.take();
                        all += &now;
                        let all = figures(&client, &all);
                        screen.show(session, &progress, &Summary::of(&now), &all)?;
                    }
                }
            }
        }
        all += &recorder.take();
        let all = figures(&client, &all);
        fleet.end().await?;
        let ejected = client.stats("greeter").ejections;
        Results::new(&all, ejected, &progress.borrow()).print(session, &recorder.take_errors())
    }
}

/// Makes one call and counts the answer for its node.
async fn greet(hello: Method<Hello, Greeting>, answers: Answers) -> micro::Result<()> {
    let name = "John".to_owned();
    let greeting = hello.call(&Context::new(), Hello { name }).await?;
    answers.count(&greeting.node);
    Ok(())
}

fn figures(client: &Client, calls: &Counts) -> Summary {
    Summary {
        retries: client.stats("greeter").retries,
        ..Summary::of(calls)
    }
}
