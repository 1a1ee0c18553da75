//! Groups of registers: the register `r` of a group is the key `duress/multi-register/<group>/<r>`.
//!
//! A transaction is one transaction of etcd, without a condition.

use super::super::message::{KeyValue, Put, Range, Request, Response, Txn};
use super::{Ended, Member, Outcome};
use crate::outcome::Failure;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// A part of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Micro {
    Read(i64),
    Write(i64, i64),
}

/// The parts of a transaction. No register occurs twice: etcd refuses a second write to a key, and
/// we have no use for the rest.
pub(super) fn parse(f: &str, asked: &Value) -> Option<Vec<Micro>> {
    let micros = match (f, asked) {
        ("txn", Value::Array(micros)) => micros.iter().map(micro).collect::<Option<Vec<_>>>()?,
        _ => return None,
    };
    let registers: BTreeSet<i64> = micros.iter().map(|micro| micro.register()).collect();
    (registers.len() == micros.len() && !micros.is_empty()).then_some(micros)
}

fn micro(asked: &Value) -> Option<Micro> {
    match asked.as_array()?.as_slice() {
        [f, register, Value::Null] if f == "r" => Some(Micro::Read(register.as_i64()?)),
        [f, register, value] if f == "w" => Some(Micro::Write(register.as_i64()?, value.as_i64()?)),
        _ => None,
    }
}

impl Micro {
    fn register(self) -> i64 {
        match self {
            Self::Read(register) | Self::Write(register, _) => register,
        }
    }
}

pub(super) async fn perform(member: &Member, group: i64, micros: &[Micro]) -> Outcome {
    let reads_only = micros.iter().all(|micro| matches!(micro, Micro::Read(_)));
    match transact(member, group, micros).await {
        // Certain: there was nothing in it that changes anything.
        Err(Ended::Info(error)) if reads_only => Err(Ended::Fail(error)),
        outcome => outcome,
    }
}

async fn transact(member: &Member, group: i64, micros: &[Micro]) -> Outcome {
    let key = |register: i64| format!("duress/multi-register/{group}/{register}");
    let request = |micro: &Micro| match micro {
        Micro::Read(register) => Request::Range(member.reading(Range::key(&key(*register)))),
        Micro::Write(register, value) => Request::Put(Put::new(&key(*register), *value)),
    };
    let txn = Txn { compare: Vec::new(), success: micros.iter().map(request).collect() };
    // Without a condition there is no empty branch.
    let answers = member.txn(&txn).await?.unwrap_or_default();
    let answer = |(micro, response): (&Micro, &Response)| match (*micro, response) {
        (Micro::Read(register), Response::Range(ranged)) => {
            let kv = ranged.at_most_one(&key(register))?;
            Ok(json!(["r", register, kv.map(KeyValue::number).transpose()?]))
        }
        (Micro::Write(register, value), Response::Put { .. }) => Ok(json!(["w", register, value])),
        (micro, response) => Err(Failure::protocol(format!("{micro:?} was answered with {response:?}"))),
    };
    let answered: Result<Vec<Value>, Failure> = micros.iter().zip(&answers).map(answer).collect();
    Ok(Value::Array(answered.map_err(Ended::of_change)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transactions_are_understood_or_refused() {
        let asked = json!([["r", 0, null], ["w", 2, 7]]);
        assert_eq!(parse("txn", &asked), Some(vec![Micro::Read(0), Micro::Write(2, 7)]));
        for (f, asked) in [
            ("read", json!([["r", 0, null]])),
            ("txn", json!(null)),
            ("txn", json!([])),
            ("txn", json!([["r", 0, 1]])),
            ("txn", json!([["w", 0, null]])),
            ("txn", json!([["a", 0, 1]])),
            ("txn", json!([["w", 0]])),
            ("txn", json!([["w", 0, 1], ["w", 0, 2]])),
        ] {
            assert_eq!(parse(f, &asked), None, "{f} {asked}");
        }
    }
}
