//! One client: operations on the objects of one workload, on one connection to one member.
//!
//! One file per kind of object says how it is kept in etcd and how an operation is done. Some take
//! several requests: what is read first changes nothing, and what is sent last changes the object
//! or, its condition lost, does not. So an operation's outcome is in doubt only when that last
//! request got no proper answer; nothing is ever sent again.

mod counter;
mod lock;
mod log;
mod multi_register;
mod queue;
mod register;
mod set;

use super::gateway::Gateway;
use super::message::{Acknowledged, KeyValue, Put, Range, Ranged, Response, Txn, Txned};
use super::settings::{Config, Reads};
use crate::outcome::{Ended, Outcome, completion};
use crate::{Client, Completion, action};
use async_trait::async_trait;
use duress_workloads::Invocation;
use std::time::Duration;

/// A client of one member.
pub(super) struct EtcdClient {
    member: Member,
    objects: Objects,
}

impl EtcdClient {
    pub(super) fn new(gateway: Gateway, config: &Config) -> Self {
        let member = Member { gateway, reads: config.reads, fencing: config.fencing, work: config.work };
        Self { member, objects: config.objects }
    }

    /// `None`: no operation on such objects.
    async fn perform(&self, invocation: &Invocation) -> Option<Outcome> {
        let (key, asked) = action::keyed(invocation)?;
        let (member, f) = (&self.member, invocation.f.as_str());
        Some(match self.objects {
            Objects::Registers => {
                register::perform(member, key, action::register::Action::parse(f, asked)?).await
            }
            Objects::Sets => set::perform(member, key, action::set::Action::parse(f, asked)?).await,
            Objects::Counters => {
                counter::perform(member, key, action::counter::Action::parse(f, asked)?).await
            }
            Objects::MultiRegisters => {
                multi_register::perform(member, key, &multi_register::parse(f, asked)?).await
            }
            Objects::Queues => queue::perform(member, key, action::queue::Action::parse(f, asked)?).await,
            Objects::Logs => log::perform(member, key, action::log::Action::parse(f, asked)?).await,
            Objects::Locks => lock::perform(member, key, lock::Action::parse(f, asked)?).await,
        })
    }
}

#[async_trait]
impl Client for EtcdClient {
    async fn invoke(&mut self, invocation: &Invocation) -> Completion {
        completion("etcd", invocation, self.perform(invocation).await)
    }
}

/// What the clients of a run work on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Objects {
    Registers,
    Sets,
    Counters,
    MultiRegisters,
    Queues,
    Logs,
    Locks,
}

/// What each workload works on.
const WORKLOADS: [(&str, Objects); 7] = [
    ("register", Objects::Registers),
    ("set", Objects::Sets),
    ("counter", Objects::Counters),
    ("multi-register", Objects::MultiRegisters),
    ("queue", Objects::Queues),
    ("log", Objects::Logs),
    ("lock", Objects::Locks),
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

/// The member, and how it is talked to.
struct Member {
    gateway: Gateway,
    reads: Reads,
    fencing: bool,
    work: Duration,
}

impl Member {
    /// As users do: from the member's own state if the settings say so.
    fn reading(&self, range: Range) -> Range {
        range.serializable(self.reads == Reads::Serializable)
    }

    async fn range(&self, range: Range) -> Result<Ranged, Ended> {
        self.gateway.post("/v3/kv/range", &self.reading(range)).await.map_err(Ended::of_read)
    }

    /// The number that a key holds.
    async fn number(&self, key: &str) -> Result<Option<i64>, Ended> {
        let ranged = self.range(Range::key(key)).await?;
        let kv = ranged.at_most_one(key).map_err(Ended::of_read)?;
        kv.map(KeyValue::number).transpose().map_err(Ended::of_read)
    }

    async fn put(&self, put: Put) -> Result<(), Ended> {
        let _: Acknowledged = self.gateway.post("/v3/kv/put", &put).await.map_err(Ended::of_change)?;
        Ok(())
    }

    /// Changes the object if the condition holds; `None` if it did not, and nothing changed.
    async fn txn(&self, txn: &Txn) -> Result<Option<Vec<Response>>, Ended> {
        let txned: Txned = self.gateway.post("/v3/kv/txn", txn).await.map_err(Ended::of_change)?;
        // Whatever an answer to another question means, the change was sent.
        txned.answers(txn).map_err(Ended::of_change)
    }
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
}
