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

use super::gateway::{Failure, Gateway};
use super::message::{Acknowledged, KeyValue, Put, Range, Ranged, Response, Txn, Txned};
use super::settings::{Config, Reads};
use crate::{Client, ClientError, Completion};
use async_trait::async_trait;
use duress_checkers::history::class;
use duress_workloads::Invocation;
use serde_json::{Value, json};
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
        let [key, asked] = invocation.value.as_array()?.as_slice() else { return None };
        // Numbers only: as text, the key "1" would be the object of the key 1.
        let key = key.as_i64()?;
        let (member, f) = (&self.member, invocation.f.as_str());
        Some(match self.objects {
            Objects::Registers => register::perform(member, key, register::Action::parse(f, asked)?).await,
            Objects::Sets => set::perform(member, key, set::Action::parse(f, asked)?).await,
            Objects::Counters => counter::perform(member, key, counter::Action::parse(f, asked)?).await,
            Objects::MultiRegisters => {
                multi_register::perform(member, key, &multi_register::parse(f, asked)?).await
            }
            Objects::Queues => queue::perform(member, key, queue::Action::parse(f, asked)?).await,
            Objects::Logs => log::perform(member, key, log::Action::parse(f, asked)?).await,
            Objects::Locks => lock::perform(member, key, lock::Action::parse(f, asked)?).await,
        })
    }
}

#[async_trait]
impl Client for EtcdClient {
    async fn invoke(&mut self, invocation: &Invocation) -> Completion {
        match self.perform(invocation).await {
            Some(Ok(answer)) => Completion::Ok(json!([invocation.value[0], answer])),
            Some(Err(Ended::Fail(error))) => Completion::Fail(error),
            Some(Err(Ended::Info(error))) => Completion::Info(error),
            None => {
                let Invocation { f, value } = invocation;
                let message = format!("etcd's client cannot do `{f}` of {value}");
                // Certain: nothing is sent.
                Completion::Fail(ClientError::new("unsupported", message))
            }
        }
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

impl Objects {
    /// Of a workload.
    pub(super) fn of(workload: &str) -> Option<Self> {
        WORKLOADS.iter().find(|(name, _)| *name == workload).map(|(_, objects)| *objects)
    }
}

/// The answer of an operation, without the key; or how else it ended.
type Outcome = Result<Value, Ended>;

/// How an operation ends that is not `ok`.
#[derive(Debug)]
enum Ended {
    /// The object is as if it had never been asked for.
    Fail(ClientError),
    /// It may or may not have happened.
    Info(ClientError),
}

impl Ended {
    /// Of a request that reads: certain, whatever became of it.
    fn of_read(failure: Failure) -> Self {
        Self::Fail(failure.error)
    }

    /// Of a request that changes the object.
    fn of_change(failure: Failure) -> Self {
        if failure.no_effect { Self::Fail(failure.error) } else { Self::Info(failure.error) }
    }

    /// Certain: the transaction was applied, and took its empty branch.
    fn lost(message: &str) -> Self {
        Self::Fail(ClientError::new(class::PRECONDITION, message))
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
        let offered = super::super::ENTRY.workloads;
        assert!(offered.iter().copied().eq(WORKLOADS.iter().map(|(name, _)| *name)));
        assert!(offered.iter().all(|name| duress_workloads::registry::find(name).is_some()));
        assert_eq!(Objects::of("no such"), None);
    }

    #[test]
    fn what_has_been_read_is_certain_and_what_was_to_change_is_not() {
        let failure = |no_effect| Failure { error: ClientError::new("timeout", "…"), no_effect };
        for no_effect in [true, false] {
            assert!(matches!(Ended::of_read(failure(no_effect)), Ended::Fail(_)));
        }
        assert!(matches!(Ended::of_change(failure(true)), Ended::Fail(_)));
        assert!(matches!(Ended::of_change(failure(false)), Ended::Info(_)));
        assert!(matches!(Ended::of_change(Failure::protocol("…")), Ended::Info(_)));
    }
}
