//! The command, run as a person runs it, against services in this process.

mod calls;
mod demo;
mod discovery;
mod events;
mod faults;
mod fleet;
mod house;
mod nodes;
mod output;
mod projects;
mod streams;
mod weights;
