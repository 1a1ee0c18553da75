//! A request with its answer, and how that is written.

use crate::history::etcd::{
    Condition, Found, Lease, Operation, OperationKind, Range, Response, Results, Stored, Txn,
};
use crate::model::listed;
use serde::Deserialize;
use serde_json::Value;
use std::fmt;

/// What happened to a store of etcd.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct EtcdOp {
    pub(super) asked: Asked,
    /// Absent when the outcome is in doubt.
    pub(super) answered: Option<Answered>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Asked {
    Range(Range),
    Txn(Txn),
    Grant,
    Revoke(i64),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Answered {
    /// Of the store, at that moment.
    pub(super) revision: i64,
    /// Not all conditions held.
    pub(super) failure: bool,
    /// One for a range, one for each step of a transaction.
    pub(super) results: Vec<Results>,
}

/// See [`Model::op`](crate::Model::op).
pub(super) fn read(f: &str, asked: &Value, answered: Option<&Value>) -> Result<Option<EtcdOp>, String> {
    let asked = match f {
        "range" => Asked::Range(of(f, asked)?),
        "txn" => Asked::Txn(of(f, asked)?),
        "leaseGrant" => Asked::Grant,
        "leaseRevoke" => Asked::Revoke(of::<Lease>(f, asked)?.id),
        "compact" | "defragment" => return Ok(None),
        _ => {
            return Err(format!(
                "etcd knows range, txn, leaseGrant, leaseRevoke, compact and defragment, not `{f}`"
            ));
        }
    };
    let answered = answered.map(|value| answer(f, &asked, value)).transpose()?;
    let op = EtcdOp { asked, answered };
    // Without an answer, and without a change, it says nothing.
    Ok(Some(op).filter(|op| op.answered.is_some() || !op.is_observer()))
}

fn of<'a, T: Deserialize<'a>>(f: &str, value: &'a Value) -> Result<T, String> {
    T::deserialize(value).map_err(|why| format!("{f}: {why}"))
}

fn answer(f: &str, asked: &Asked, value: &Value) -> Result<Answered, String> {
    let response: Response = of(f, value)?;
    if !response.client_error.is_empty() {
        return Err(format!("{f} was answered with an error: {}", response.client_error));
    }
    let wrong = || format!("{f} was answered with something else: {value}");
    let (failure, results) = match asked {
        Asked::Range(_) => (false, vec![response.range.ok_or_else(wrong)?]),
        Asked::Txn(txn) => {
            let response = response.txn.ok_or_else(wrong)?;
            let steps = txn.branch(!response.failure).len();
            if response.results.len() != steps {
                return Err(format!(
                    "a transaction of {steps} steps was answered with {} results",
                    response.results.len()
                ));
            }
            (response.failure, response.results)
        }
        Asked::Grant => (false, response.lease_grant.map(|_| Vec::new()).ok_or_else(wrong)?),
        Asked::Revoke(_) => (false, response.lease_revoke.map(|_| Vec::new()).ok_or_else(wrong)?),
    };
    Ok(Answered { revision: response.revision, failure, results })
}

impl Txn {
    /// The steps that are done when the conditions hold, or do not.
    pub(super) fn branch(&self, holds: bool) -> &[Operation] {
        if holds { &self.operations_on_success } else { &self.operations_on_failure }
    }
}

impl EtcdOp {
    /// Of the store, when this was answered.
    pub(super) fn revision(&self) -> Option<i64> {
        self.answered.as_ref().map(|answered| answered.revision)
    }

    /// Does the answer say that something was changed?
    pub(super) fn made_a_revision(&self) -> bool {
        let (Asked::Txn(txn), Some(answered)) = (&self.asked, &self.answered) else { return false };
        let steps = txn.branch(!answered.failure).iter().zip(&answered.results);
        // A put with a lease that is gone changes nothing.
        let changes = |(step, results): (&Operation, &Results)| match step.kind {
            OperationKind::Range => false,
            OperationKind::Put => step.put.lease == 0,
            OperationKind::Delete => results.deleted > 0,
        };
        steps.into_iter().any(changes)
    }

    /// Does it change nothing, whatever happens?
    pub(super) fn is_observer(&self) -> bool {
        match &self.asked {
            Asked::Range(_) | Asked::Grant => true,
            Asked::Revoke(_) => false,
            Asked::Txn(txn) => {
                let mut steps = txn.operations_on_success.iter().chain(&txn.operations_on_failure);
                steps.all(|step| step.kind == OperationKind::Range)
            }
        }
    }

    /// Does it show what was there before?
    pub(super) fn is_of_older_revision(&self) -> bool {
        match (&self.asked, &self.answered) {
            (Asked::Range(range), Some(answered)) => {
                range.revision != 0 && range.revision < answered.revision
            }
            _ => false,
        }
    }
}

/// `put k 5 → revision 9`, `if mod(k) = 3 then put k 6 else get k → failed, k: 5@8, revision 9`.
impl fmt::Display for EtcdOp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.asked {
            Asked::Range(range) => write!(f, "{range}")?,
            Asked::Txn(txn) => write!(f, "{txn}")?,
            Asked::Grant => f.write_str("grant a lease")?,
            Asked::Revoke(lease) => write!(f, "revoke lease {lease:x}")?,
        }
        let Some(answered) = &self.answered else { return Ok(()) };
        f.write_str(" → ")?;
        if answered.failure {
            f.write_str("failed, ")?;
        }
        let steps = match &self.asked {
            Asked::Txn(txn) => txn.branch(!answered.failure),
            _ => &[],
        };
        for (at, results) in answered.results.iter().enumerate() {
            let kind = steps.get(at).map_or(OperationKind::Range, |step| step.kind);
            // A put answers nothing, if all is well.
            if kind != OperationKind::Put || *results != Results::default() {
                write!(f, "{results}, ")?;
            }
        }
        write!(f, "revision {}", answered.revision)
    }
}

/// `{k: 5@8}`, `nothing`, `1 deleted`.
impl fmt::Display for Results {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.deleted != 0 {
            return write!(f, "{} deleted", self.deleted);
        }
        if self.found.is_empty() && self.count == 0 {
            return f.write_str("nothing");
        }
        let of = |kv: &Found| format!("{}: {}@{}", kv.key, kv.value, kv.mod_revision);
        f.write_str(&listed("{", self.found.iter().map(of), "}"))?;
        match usize::try_from(self.count) {
            Ok(count) if count == self.found.len() => Ok(()),
            _ => write!(f, " of {}", self.count),
        }
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.end.is_empty() {
            write!(f, "get {}", self.start)?;
        } else {
            write!(f, "range {}..{}", self.start, self.end.escape_default())?;
        }
        if self.limit > 0 {
            write!(f, " limit {}", self.limit)?;
        }
        if self.revision != 0 {
            write!(f, " at revision {}", self.revision)?;
        }
        Ok(())
    }
}

impl fmt::Display for Txn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let steps = |steps: &[Operation]| {
            let steps: Vec<String> = steps.iter().map(ToString::to_string).collect();
            if steps.is_empty() { "nothing".to_owned() } else { steps.join(", ") }
        };
        let conditions: Vec<String> = self.conditions.iter().map(ToString::to_string).collect();
        if !conditions.is_empty() {
            write!(f, "if {} then ", conditions.join(" and "))?;
        }
        f.write_str(&steps(&self.operations_on_success))?;
        if !self.operations_on_failure.is_empty() {
            write!(f, " else {}", steps(&self.operations_on_failure))?;
        }
        Ok(())
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.expected_version > 0 {
            write!(f, "version({}) = {}", self.key, self.expected_version)
        } else {
            write!(f, "mod({}) = {}", self.key, self.expected_revision)
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            OperationKind::Range => write!(f, "{}", self.range),
            OperationKind::Delete => write!(f, "delete {}", self.delete.key),
            OperationKind::Put if self.put.lease == 0 => write!(f, "put {} {}", self.put.key, self.put.value),
            OperationKind::Put => {
                write!(f, "put {} {} with lease {:x}", self.put.key, self.put.value, self.put.lease)
            }
        }
    }
}

impl fmt::Display for Stored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.hash == 0 { write!(f, "{:?}", self.value) } else { write!(f, "#{:08x}", self.hash) }
    }
}
