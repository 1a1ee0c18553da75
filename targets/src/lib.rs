//! What is tested, and how it is held.
//!
//! A [`Target`] says how its servers are started, how a client talks to one of them, and
//! which of them leads. It performs no fault and makes no node: that is the harness' part.

mod account;
mod action;
mod apart;
mod client;
mod context;
pub mod declared;
mod etcd;
pub mod exec;
pub mod hosts;
pub mod http;
mod lifecycle;
pub mod nearest;
mod node;
pub mod obtain;
mod on_host;
mod outcome;
pub mod problem;
mod redis;
mod registry;
pub mod sim;
mod target;
mod web;

pub use account::Account;
pub use apart::{Apart, first_key};
pub use client::{Client, ClientError, Completion, Stoppable};
pub use context::Context;
pub use lifecycle::{Compacted, Lifecycle, Member, Storage};
pub use node::Node;
pub use on_host::{HostCommand, Named, Needs, OnHosts, Stopping};
pub use registry::Registry;
pub use target::{
    Launch, Make, NodeStatus, Numbers, OptionDoc, Refusal, Server, ServerFiles, Settings, Source,
    Surroundings, Target, TargetEntry, TargetError,
};
