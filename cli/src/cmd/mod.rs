//! The commands, one file each.
//!
//! Each file has a struct with the command's arguments and the method `run(self, &Session)`.

mod bench;
mod call;
#[cfg(feature = "cert")]
mod cert;
mod completions;
mod demo;
mod deregister;
mod doctor;
#[cfg(feature = "gen")]
mod generate;
mod get;
mod health;
mod list;
mod man;
mod new;
mod publish;
mod register;
mod registry;
mod sample;
mod stats;
mod stream;
mod subscribe;
mod watch;
mod weight;

use clap::Subcommand;

use crate::{failure::Result, session::Session};

#[derive(Subcommand)]
pub(crate) enum Command {
    Demo(demo::Demo),
    List(list::List),
    Get(get::Get),
    Watch(watch::Watch),
    Call(call::Call),
    Stream(stream::Stream),
    Publish(publish::Publish),
    Subscribe(subscribe::Subscribe),
    Health(health::Health),
    Stats(stats::Stats),
    Register(register::Register),
    Deregister(deregister::Deregister),
    Registry(registry::Registry),
    Doctor(doctor::Doctor),
    Weight(weight::Weight),
    Bench(bench::Bench),
    New(new::New),
    #[cfg(feature = "cert")]
    Cert(cert::Cert),
    #[cfg(feature = "gen")]
    #[command(name = "gen")]
    Generate(generate::Generate),
    Completions(completions::Completions),
    Man(man::Man),
    #[command(hide = true)]
    Sample(sample::Sample),
}

impl Command {
    pub(crate) fn run(self, session: &Session) -> Result {
        match self {
            Command::Demo(command) => command.run(session),
            Command::List(command) => command.run(session),
            Command::Get(command) => command.run(session),
            Command::Watch(command) => command.run(session),
            Command::Call(command) => command.run(session),
            Command::Stream(command) => command.run(session),
            Command::Publish(command) => command.run(session),
            Command::Subscribe(command) => command.run(session),
            Command::Health(command) => command.run(session),
            Command::Stats(command) => command.run(session),
            Command::Register(command) => command.run(session),
            Command::Deregister(command) => command.run(session),
            Command::Registry(command) => command.run(session),
            Command::Doctor(command) => command.run(session),
            Command::Weight(command) => command.run(session),
            Command::Bench(command) => command.run(session),
            Command::New(command) => command.run(session),
            #[cfg(feature = "cert")]
            Command::Cert(command) => command.run(session),
            #[cfg(feature = "gen")]
            Command::Generate(command) => command.run(session),
            Command::Completions(command) => command.run(session),
            Command::Man(command) => command.run(session),
            Command::Sample(command) => command.run(session),
        }
    }
}
