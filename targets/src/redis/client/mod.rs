//! One client: operations on the objects of one workload, on one connection.
//!
//! One file per kind of object says how it is kept in Redis. Every operation is one command, which
//! Redis performs as a whole.

mod counter;
mod log;
mod queue;
mod register;
mod set;

use super::connection::Connection;
use super::resp::Reply;
use crate::outcome::{Ended, Failure, Outcome, completion};
use crate::{Client, Completion, action};
use async_trait::async_trait;
use duress_workloads::Invocation;
use std::net::IpAddr;

/// A client of one server.
pub(super) struct RedisClient {
    server: Connection,
    objects: Objects,
}

impl RedisClient {
    /// Opens no connection yet.
    pub(super) fn new(addr: IpAddr, objects: Objects) -> Self {
        Self { server: Connection::to(addr), objects }
    }

    /// `None`: no operation on such objects.
    async fn perform(&mut self, invocation: &Invocation) -> Option<Outcome> {
        let (key, asked) = action::keyed(invocation)?;
        let (server, f) = (&mut self.server, invocation.f.as_str());
        Some(match self.objects {
            Objects::Registers => {
                register::perform(server, key, action::register::Action::parse(f, asked)?).await
            }
            Objects::Sets => set::perform(server, key, action::set::Action::parse(f, asked)?).await,
            Objects::Counters => {
                counter::perform(server, key, action::counter::Action::parse(f, asked)?).await
            }
            Objects::Queues => queue::perform(server, key, action::queue::Action::parse(f, asked)?).await,
            Objects::Logs => log::perform(server, key, action::log::Action::parse(f, asked)?).await,
        })
    }
}

#[async_trait]
impl Client for RedisClient {
    async fn invoke(&mut self, invocation: &Invocation) -> Completion {
        completion("redis", invocation, self.perform(invocation).await)
    }
}

/// What the clients of a run work on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Objects {
    Registers,
    Sets,
    Counters,
    Queues,
    Logs,
}

/// What each workload works on.
const WORKLOADS: [(&str, Objects); 5] = [
    ("register", Objects::Registers),
    ("set", Objects::Sets),
    ("counter", Objects::Counters),
    ("queue", Objects::Queues),
    ("log", Objects::Logs),
];

/// Their names.
pub(super) fn workloads() -> Vec<String> {
    WORKLOADS.iter().map(|(name, _)| (*name).to_owned()).collect()
}

impl Objects {
    /// Of a workload.
    pub(super) fn of(workload: &str) -> Option<Self> {
        WORKLOADS.iter().find(|(name, _)| *name == workload).map(|(_, objects)| *objects)
    }
}

/// Asks for something.
async fn read(server: &mut Connection, command: &[&str]) -> Result<Reply, Ended> {
    server.call(command).await.map_err(Ended::of_read)
}

/// Changes something.
async fn change(server: &mut Connection, command: &[&str]) -> Result<Reply, Ended> {
    server.call(command).await.map_err(Ended::of_change)
}

/// A number that is held as text, or nothing.
fn held(reply: &Reply) -> Result<Option<i64>, Failure> {
    match reply {
        Reply::Nil => Ok(None),
        Reply::Bulk(text) => {
            let text = String::from_utf8_lossy(text);
            text.parse().map(Some).map_err(|_| Failure::protocol(format!("`{text}` is no number")))
        }
        other => Err(unexpected(other)),
    }
}

/// Numbers that are held as text, all of them there.
fn all_held(reply: &Reply) -> Result<Vec<i64>, Failure> {
    match reply {
        Reply::Array(items) => items.iter().map(|item| held(item)?.ok_or_else(|| unexpected(item))).collect(),
        other => Err(unexpected(other)),
    }
}

fn unexpected(reply: &Reply) -> Failure {
    Failure::protocol(format!("a reply that does not fit the command: {reply:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_workload_that_is_offered_has_its_objects() {
        let offered = workloads();
        assert!(
            !offered.is_empty()
                && offered.iter().all(|name| duress_workloads::registry::find(name).is_some())
        );
        assert_eq!(Objects::of("no such"), None);
    }

    #[test]
    fn numbers_are_read_or_refused() {
        let bulk = |text: &str| Reply::Bulk(text.as_bytes().to_vec());
        assert_eq!(held(&bulk("-7")), Ok(Some(-7)));
        assert_eq!(held(&Reply::Nil), Ok(None));
        assert_eq!(all_held(&Reply::Array(vec![bulk("1"), bulk("2")])), Ok(vec![1, 2]));
        for reply in [bulk("x"), Reply::Integer(7), Reply::Array(Vec::new())] {
            assert_eq!(held(&reply).expect_err("no number").error.class, "protocol", "{reply:?}");
        }
        for reply in [Reply::Nil, Reply::Array(vec![bulk("1"), Reply::Nil])] {
            assert_eq!(all_held(&reply).expect_err("not all").error.class, "protocol", "{reply:?}");
        }
    }
}
