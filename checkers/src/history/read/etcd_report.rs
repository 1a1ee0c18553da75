//! What the clients of etcd's robustness tests report: `client-*/operations.json`, objects with
//! `ClientId`, `Input`, `Call`, `Output` and `Return`, times in nanoseconds.
//!
//! After `tests/robustness/report/client.go` in etcd's repository. Each file is what one client
//! did; all of a report are one history. At equal times invocations come first: what may have
//! happened at the same time did.
//!
//! Nothing is repaired here: order is told by the times alone.

use super::objects::Objects;
use super::{Format, Loaded};
use crate::history::etcd::{Request, Response};
use crate::history::pairing::pair;
use crate::history::{History, HistoryError, Kind, Op, Process};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;
use std::io::BufRead;

/// One operation of a client.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Operation {
    /// Really a stream: a client goes on under another number when a write of it is in doubt.
    #[serde(alias = "ClientID")]
    client_id: u64,
    input: Request,
    call: u64,
    output: Response,
    #[serde(rename = "Return")]
    returned: u64,
    /// The output once more.
    #[serde(default, rename = "Metadata")]
    _metadata: IgnoredAny,
}

/// One end of an operation, and where it was read.
struct Event {
    op: Op,
    part: usize,
    line: usize,
}

/// Everything that a report's clients did, part by part.
#[derive(Default)]
pub(super) struct Report {
    events: Vec<Event>,
    parts: usize,
}

impl Report {
    /// Takes what one client did.
    pub(super) fn part(&mut self, reader: impl BufRead) -> Result<(), HistoryError> {
        let mut objects = Objects::new(reader)?;
        while objects.peek()?.is_some() {
            let (place, operation) = objects.object()?;
            let events = events(operation).map_err(|why| place.error(why))?;
            self.events.extend(events.map(|op| Event { op, part: self.parts, line: place.line }));
        }
        self.parts += 1;
        Ok(())
    }

    /// All of it in order.
    ///
    /// # Errors
    /// With the part, when a client did two things at a time.
    pub(super) fn finish(mut self) -> Result<Loaded, (usize, HistoryError)> {
        self.events.sort_by_key(|event| (event.op.time, event.op.kind != Kind::Invoke));
        let mut places = Vec::with_capacity(self.events.len());
        let mut ops = Vec::with_capacity(self.events.len());
        for Event { mut op, part, line } in self.events {
            op.index = ops.len() as u64;
            ops.push(op);
            places.push((part, line));
        }
        let partner = pair(&ops).map_err(|(at, why)| {
            let (part, line) = places.get(at).copied().unwrap_or_default();
            (part, HistoryError::At { line, source: Box::new(why) })
        })?;
        Ok(Loaded {
            history: History::paired(ops, partner),
            format: Format::EtcdReport,
            truncated: false,
            passed_over: 0,
            repairs: Vec::new(),
        })
    }
}

/// The invocation and the completion. A failed request may have taken effect or may still.
fn events(operation: Operation) -> Result<impl Iterator<Item = Op>, String> {
    let Operation { client_id, input, call, output, returned, .. } = operation;
    if returned < call {
        return Err(format!(
            "it returns at {returned} ns, before its call at {call} ns: time goes backwards"
        ));
    }
    let (f, asked) = question(input)?;
    if output.persisted || output.persisted_revision != 0 {
        // Written by nobody but etcd's own checker, which has other files to know it from.
        return Err(
            "its outcome was added afterwards (`Persisted`): give the clients' own reports".to_owned()
        );
    }
    let (kind, value, error) = if output.error.is_empty() {
        (Kind::Ok, json(&output), None)
    } else {
        (Kind::Info, Value::Null, Some(output.error))
    };
    let op = |time, kind, value, error| Op {
        index: 0,
        time,
        process: Process::Client(client_id),
        kind,
        f: f.as_str().into(),
        value,
        error,
        node: None,
    };
    let ends = [op(call, Kind::Invoke, asked, None), op(returned, kind, value, error)];
    Ok(ends.into_iter())
}

/// The type of a request, and what was asked.
fn question(input: Request) -> Result<(String, Value), String> {
    let Request { kind, lease_grant, lease_revoke, range, txn, defragment, compact } = input;
    let fields = [
        ("leaseGrant", lease_grant.as_ref().map(json)),
        ("leaseRevoke", lease_revoke.as_ref().map(json)),
        ("range", range.as_ref().map(json)),
        ("txn", txn.as_ref().map(json)),
        ("defragment", defragment.as_ref().map(json)),
        ("compact", compact.as_ref().map(json)),
    ];
    let mut asked = fields.into_iter().filter_map(|(name, value)| value.map(|value| (name, value)));
    match (asked.next(), asked.next()) {
        (Some((name, value)), None) if name == kind => Ok((kind, value)),
        (Some((name, _)), None) => Err(format!("its type is {kind:?}, but {name} is asked")),
        (Some(_), Some(_)) => Err("it asks for several things at once".to_owned()),
        (None, _) => Err(format!("a request of type {kind:?} asks for nothing that is known")),
    }
}

fn json(value: &impl serde::Serialize) -> Value {
    // Structures of strings and numbers.
    serde_json::to_value(value).unwrap_or_default()
}
