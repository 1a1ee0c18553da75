//! What a store holds, and what it answers.

use super::op::{Answered, Asked, EtcdOp};
use crate::history::etcd::{Found, OperationKind, Put, Range, Results, Stored, Txn};
use crate::model::persist::Map;
use crate::model::{Refusal, listed};
use std::fmt;
use std::sync::Arc;

/// The end of a range that has none, as etcd writes it.
const UNBOUNDED: &str = "\0";

/// What a store of etcd holds.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct EtcdState {
    revision: i64,
    cells: Map<Arc<str>, Cell>,
    /// Leases that are gone. All others that are asked for exist: nobody knows the number of a
    /// lease that was not granted.
    revoked: Map<i64, ()>,
}

/// What a key holds.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Cell {
    value: Stored,
    mod_revision: i64,
    version: i64,
    /// 0: none.
    lease: i64,
}

impl Default for EtcdState {
    /// Empty, at the revision at which every store begins.
    fn default() -> Self {
        Self { revision: 1, cells: Map::default(), revoked: Map::default() }
    }
}

impl EtcdState {
    pub(super) fn revision(&self) -> i64 {
        self.revision
    }

    /// Does a key hold this since that revision?
    pub(super) fn wrote(&self, key: &str, value: &Stored, revision: i64) -> bool {
        let cell = self.cells.get(&key.into());
        cell.is_some_and(|cell| cell.mod_revision == revision && cell.value == *value)
    }

    /// The state after an operation, if it was answered as it should have been.
    pub(super) fn after(&self, op: &EtcdOp) -> Result<Self, Refusal> {
        let answered = op.answered.as_ref();
        match &op.asked {
            Asked::Range(range) => self.read(range, answered),
            Asked::Txn(txn) => self.transact(txn, answered),
            Asked::Grant => {
                self.answers(answered)?;
                Ok(self.clone())
            }
            Asked::Revoke(lease) => {
                let state = self.revoke(*lease);
                state.answers(answered)?;
                Ok(state)
            }
        }
    }

    fn read(&self, range: &Range, answered: Option<&Answered>) -> Result<Self, Refusal> {
        self.answers(answered)?;
        if range.revision > self.revision {
            return Err(Refusal::Other(format!(
                "was answered for revision {}, which did not exist before {}",
                range.revision, self.revision
            )));
        }
        if let Some(answered) = answered
            && (range.revision == 0 || range.revision == self.revision)
        {
            self.shows(0, answered, &self.find(range))?;
        }
        Ok(self.clone())
    }

    fn transact(&self, txn: &Txn, answered: Option<&Answered>) -> Result<Self, Refusal> {
        let broken = txn.conditions.iter().find(|condition| {
            let cell = self.cells.get(&condition.key.as_str().into());
            if condition.expected_version > 0 {
                cell.map_or(0, |cell| cell.version) != condition.expected_version
            } else {
                cell.map_or(0, |cell| cell.mod_revision) != condition.expected_revision
            }
        });
        match (broken, answered.map(|answered| answered.failure)) {
            (Some(condition), Some(false)) => {
                let held = self.cells.get(&condition.key.as_str().into());
                let held = held.map_or_else(|| "no such key".to_owned(), |cell| cell.to_string());
                return Err(Refusal::Compared { expected: condition.to_string(), held });
            }
            (None, Some(true)) => {
                return Err(Refusal::Other("failed although all conditions held".to_owned()));
            }
            _ => {}
        }
        let mut state = self.clone();
        for (at, step) in txn.branch(broken.is_none()).iter().enumerate() {
            let results = match step.kind {
                OperationKind::Range => state.find(&step.range),
                OperationKind::Put => {
                    state.put(&step.put, self.revision + 1);
                    Results::default()
                }
                OperationKind::Delete => state.delete(&step.delete.key, self.revision + 1),
            };
            if let Some(answered) = answered {
                state.shows(at, answered, &results)?;
            }
        }
        state.answers(answered)?;
        Ok(state)
    }

    /// Changes made together have one revision.
    fn put(&mut self, put: &Put, revision: i64) {
        if put.lease != 0 && self.revoked.get(&put.lease).is_some() {
            return;
        }
        let key: Arc<str> = put.key.as_str().into();
        let version = self.cells.get(&key).map_or(0, |cell| cell.version) + 1;
        let cell = Cell { value: put.value.clone(), mod_revision: revision, version, lease: put.lease };
        self.cells = self.cells.with(key, cell);
        self.revision = revision;
    }

    fn delete(&mut self, key: &str, revision: i64) -> Results {
        let key: Arc<str> = key.into();
        if self.cells.get(&key).is_none() {
            return Results::default();
        }
        self.cells = self.cells.without(&key);
        self.revision = revision;
        Results { deleted: 1, ..Results::default() }
    }

    fn revoke(&self, lease: i64) -> Self {
        let mut state = Self { revoked: self.revoked.with(lease, ()), ..self.clone() };
        let attached = self.cells.iter().filter(|(_, cell)| lease != 0 && cell.lease == lease);
        for (key, _) in attached {
            state.delete(key, self.revision + 1);
        }
        state
    }

    fn find(&self, range: &Range) -> Results {
        let shown = |(key, cell): (&Arc<str>, &Cell)| Found {
            key: key.to_string(),
            value: if range.keys_only { Stored::default() } else { cell.value.clone() },
            mod_revision: cell.mod_revision,
            version: cell.version,
        };
        if range.end.is_empty() {
            let found: Vec<Found> = self
                .cells
                .get(&range.start.as_str().into())
                .map(|cell| shown((&range.start.as_str().into(), cell)))
                .into_iter()
                .collect();
            return Results { count: found.len() as i64, found, deleted: 0 };
        }
        let inside =
            |key: &str| key >= range.start.as_str() && (range.end == UNBOUNDED || key < range.end.as_str());
        let mut found: Vec<Found> = self.cells.iter().filter(|(key, _)| inside(key)).map(shown).collect();
        let count = found.len() as i64;
        if let Ok(limit @ 1..) = usize::try_from(range.limit) {
            found.truncate(limit);
        }
        Results { found, count, deleted: 0 }
    }

    /// Is this the revision that was answered?
    fn answers(&self, answered: Option<&Answered>) -> Result<(), Refusal> {
        match answered {
            Some(answered) if answered.revision != self.revision => Err(Refusal::Returned {
                returned: format!("revision {}", answered.revision),
                held: self.revision.to_string(),
            }),
            _ => Ok(()),
        }
    }

    /// Is this what was answered by one step?
    fn shows(&self, step: usize, answered: &Answered, results: &Results) -> Result<(), Refusal> {
        match answered.results.get(step) {
            Some(seen) if seen == results => Ok(()),
            Some(seen) => Err(Refusal::Returned { returned: seen.to_string(), held: results.to_string() }),
            None => Err(Refusal::Other(format!("gave no result for step {}", step + 1))),
        }
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.value, self.mod_revision)
    }
}

impl fmt::Display for EtcdState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cells = self.cells.iter().map(|(key, cell)| format!("{key}: {cell}"));
        write!(f, "{} at revision {}", listed("{", cells, "}"), self.revision)
    }
}
