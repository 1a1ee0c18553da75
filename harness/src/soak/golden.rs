//! Histories with known answers, and checkers that are wrong on purpose.
//!
//! Each workload's checker has to judge the histories as they are known to be. And each of the wrong ones has
//! to be caught by them: one that is not caught means that these histories would not show such a mistake in
//! the real one either.

use duress_checkers::{Budget, Checker, History, Keys, Kind, Op, Process, Valid, check_safely};
use std::collections::BTreeMap;

/// A history, and whether it is allowed.
pub(super) struct Golden {
    workload: &'static str,
    name: &'static str,
    valid: bool,
    /// A line for each: process, kind, function, value.
    ops: &'static str,
}

const GOOD: bool = true;
const BAD: bool = false;

/// In pairs that differ in little.
pub(super) const GOLDEN: &[Golden] = &[
    golden(
        "register",
        "a read sees the last write",
        GOOD,
        "
        0 invoke write [1,1]
        0 ok write [1,1]
        0 invoke write [1,2]
        0 ok write [1,2]
        1 invoke read [1,null]
        1 ok read [1,2]",
    ),
    golden(
        "register",
        "a stale read",
        BAD,
        "
        0 invoke write [1,1]
        0 ok write [1,1]
        0 invoke write [1,2]
        0 ok write [1,2]
        1 invoke read [1,null]
        1 ok read [1,1]",
    ),
    golden(
        "register",
        "a write in doubt is seen later",
        GOOD,
        "
        0 invoke write [1,1]
        0 ok write [1,1]
        2 invoke write [1,2]
        2 info write [1,2]
        1 invoke read [1,null]
        1 ok read [1,1]
        1 invoke read [1,null]
        1 ok read [1,2]",
    ),
    golden(
        "register",
        "a write in doubt is never seen",
        GOOD,
        "
        0 invoke write [1,1]
        0 ok write [1,1]
        2 invoke write [1,2]
        2 info write [1,2]
        1 invoke read [1,null]
        1 ok read [1,1]",
    ),
    golden(
        "register",
        "a write that failed is seen",
        BAD,
        "
        0 invoke write [1,1]
        0 ok write [1,1]
        2 invoke write [1,2]
        2 fail write [1,2]
        1 invoke read [1,null]
        1 ok read [1,2]",
    ),
    golden(
        "register",
        "two keys have two values",
        GOOD,
        "
        0 invoke write [1,1]
        0 ok write [1,1]
        0 invoke write [2,2]
        0 ok write [2,2]
        1 invoke read [1,null]
        1 ok read [1,1]
        1 invoke read [2,null]
        1 ok read [2,2]",
    ),
    golden(
        "register",
        "a compare-and-set that could not be",
        BAD,
        "
        0 invoke write [1,1]
        0 ok write [1,1]
        1 invoke cas [1,[3,4]]
        1 ok cas [1,[3,4]]",
    ),
    golden(
        "set",
        "a set shows what was added",
        GOOD,
        "
        0 invoke add [1,7]
        0 ok add [1,7]
        1 invoke read [1,null]
        1 ok read [1,[7]]",
    ),
    golden(
        "set",
        "an element is lost in the last read",
        BAD,
        "
        0 invoke add [1,7]
        0 ok add [1,7]
        0 invoke add [1,8]
        0 ok add [1,8]
        1 invoke read [1,null]
        1 ok read [1,[7]]",
    ),
    golden(
        "counter",
        "a sum",
        GOOD,
        "
        0 invoke add [1,2]
        0 ok add [1,2]
        0 invoke add [1,3]
        0 ok add [1,3]
        1 invoke read [1,null]
        1 ok read [1,5]",
    ),
    golden(
        "counter",
        "an addition is lost",
        BAD,
        "
        0 invoke add [1,2]
        0 ok add [1,2]
        0 invoke add [1,3]
        0 ok add [1,3]
        1 invoke read [1,null]
        1 ok read [1,3]",
    ),
    golden(
        "multi-register",
        "a transaction is seen whole",
        GOOD,
        r#"
        0 invoke txn [1,[["w",0,1],["w",1,1]]]
        0 ok txn [1,[["w",0,1],["w",1,1]]]
        1 invoke txn [1,[["r",0,null],["r",1,null]]]
        1 ok txn [1,[["r",0,1],["r",1,1]]]"#,
    ),
    golden(
        "multi-register",
        "a transaction is seen by half",
        BAD,
        r#"
        0 invoke txn [1,[["w",0,1],["w",1,1]]]
        0 ok txn [1,[["w",0,1],["w",1,1]]]
        1 invoke txn [1,[["r",0,null],["r",1,null]]]
        1 ok txn [1,[["r",0,1],["r",1,null]]]"#,
    ),
    golden(
        "queue",
        "first in, first out",
        GOOD,
        "
        0 invoke enqueue [1,1]
        0 ok enqueue [1,1]
        0 invoke enqueue [1,2]
        0 ok enqueue [1,2]
        1 invoke dequeue [1,null]
        1 ok dequeue [1,1]",
    ),
    golden(
        "queue",
        "last in, first out",
        BAD,
        "
        0 invoke enqueue [1,1]
        0 ok enqueue [1,1]
        0 invoke enqueue [1,2]
        0 ok enqueue [1,2]
        1 invoke dequeue [1,null]
        1 ok dequeue [1,2]",
    ),
    golden(
        "log",
        "entries where they were appended",
        GOOD,
        "
        0 invoke append [1,7]
        0 ok append [1,[0,7]]
        0 invoke append [1,8]
        0 ok append [1,[1,8]]
        1 invoke read [1,null]
        1 ok read [1,[7,8]]",
    ),
    golden(
        "log",
        "two entries at one index",
        BAD,
        "
        0 invoke append [1,7]
        0 ok append [1,[0,7]]
        0 invoke append [1,8]
        0 ok append [1,[0,8]]",
    ),
    golden(
        "lock",
        "additions exclude each other",
        GOOD,
        "
        0 invoke fetch-add [1,[1,null]]
        1 invoke fetch-add [1,[2,null]]
        0 ok fetch-add [1,[1,0]]
        1 ok fetch-add [1,[2,1]]",
    ),
    golden(
        "lock",
        "two additions to the same sum",
        BAD,
        "
        0 invoke fetch-add [1,[1,null]]
        1 invoke fetch-add [1,[2,null]]
        0 ok fetch-add [1,[1,0]]
        1 ok fetch-add [1,[2,0]]",
    ),
];

const fn golden(workload: &'static str, name: &'static str, valid: bool, ops: &'static str) -> Golden {
    Golden { workload, name, valid, ops }
}

/// A way of judging: the right one, or one with a mistake.
pub(super) struct Judge {
    /// What it gets wrong.
    pub(super) name: &'static str,
    judge: fn(&dyn Checker, &[Op]) -> Valid,
}

/// The real one.
pub(super) const RIGHT: Judge = Judge { name: "none", judge };

/// Those with a mistake.
pub(super) const WRONG: &[Judge] = &[
    Judge { name: "calls everything valid", judge: |_, _| Valid::Valid },
    Judge { name: "calls everything a violation", judge: |_, _| Valid::Violation },
    Judge { name: "gives up on everything", judge: |_, _| Valid::Unknown },
    Judge {
        name: "believes that what is in doubt did not happen",
        judge: |c, ops| turned(c, ops, Kind::Info, Kind::Fail),
    },
    Judge {
        name: "believes that what is in doubt happened at once",
        judge: |c, ops| turned(c, ops, Kind::Info, Kind::Ok),
    },
    Judge {
        name: "believes that what failed may have happened",
        judge: |c, ops| turned(c, ops, Kind::Fail, Kind::Info),
    },
    Judge { name: "forgets what was before what", judge: |c, ops| judge(c, &concurrent(ops)) },
    Judge { name: "looks at no reads", judge: |c, ops| judge(c, &without_reads(ops)) },
    Judge {
        name: "looks away before the end",
        judge: |c, ops| judge(c, &ops[..ops.len().saturating_sub(2)]),
    },
    Judge { name: "takes all keys for one", judge: |c, ops| judge(c, &one_key(ops)) },
];

/// The names of histories that a judge gets wrong.
pub(super) fn mistakes(judge: &Judge) -> Vec<&'static str> {
    let wrong = |golden: &&Golden| {
        let Some(entry) = duress_workloads::registry::find(golden.workload) else { return true };
        let checker = (entry.make)().checker(Keys::Keyed);
        let right = if golden.valid { Valid::Valid } else { Valid::Violation };
        ops(golden.ops).is_none_or(|ops| (judge.judge)(&*checker, &ops) != right)
    };
    GOLDEN.iter().filter(wrong).map(|golden| golden.name).collect()
}

fn judge(checker: &dyn Checker, ops: &[Op]) -> Valid {
    match History::new(ops.to_vec()) {
        Ok(history) => check_safely(checker, &history, &Budget::default()).valid,
        Err(_) => Valid::Unknown,
    }
}

fn turned(checker: &dyn Checker, ops: &[Op], from: Kind, to: Kind) -> Valid {
    let mut ops = ops.to_vec();
    ops.iter_mut().filter(|op| op.kind == from).for_each(|op| op.kind = to);
    judge(checker, &ops)
}

/// Everything begins before anything ends, each by a process of its own.
fn concurrent(ops: &[Op]) -> Vec<Op> {
    let mut calls: Vec<(Op, Option<Op>)> = Vec::new();
    let mut open: BTreeMap<Process, usize> = BTreeMap::new();
    for op in ops {
        if op.kind == Kind::Invoke {
            open.insert(op.process, calls.len());
            calls.push((op.clone(), None));
        } else if let Some(at) = open.remove(&op.process) {
            calls[at].1 = Some(op.clone());
        }
    }
    for (process, (invoked, completed)) in (0..).zip(&mut calls) {
        invoked.process = Process::Client(process);
        completed.iter_mut().for_each(|op| op.process = Process::Client(process));
    }
    let (invoked, completed): (Vec<Op>, Vec<Option<Op>>) = calls.into_iter().unzip();
    numbered(invoked.into_iter().chain(completed.into_iter().flatten()).collect())
}

fn without_reads(ops: &[Op]) -> Vec<Op> {
    numbered(ops.iter().filter(|op| op.f != "read").cloned().collect())
}

fn one_key(ops: &[Op]) -> Vec<Op> {
    let mut ops = ops.to_vec();
    for op in &mut ops {
        if let Some(key) = op.value.get_mut(0) {
            *key = 1.into();
        }
    }
    ops
}

fn numbered(mut ops: Vec<Op>) -> Vec<Op> {
    for (at, op) in (0..).zip(&mut ops) {
        (op.index, op.time) = (at, at);
    }
    ops
}

fn ops(text: &str) -> Option<Vec<Op>> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    lines.map(op).collect::<Option<Vec<Op>>>().map(numbered)
}

fn op(line: &str) -> Option<Op> {
    let mut words = line.splitn(4, ' ');
    let (process, kind, f, value) = (words.next()?, words.next()?, words.next()?, words.next()?);
    Some(Op {
        index: 0,
        time: 0,
        process: Process::Client(process.parse().ok()?),
        kind: serde_json::from_value(kind.into()).ok()?,
        f: f.into(),
        value: serde_json::from_str(value).ok()?,
        error: None,
        node: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn the_checkers_judge_all_of_them_right() {
        assert_eq!(mistakes(&RIGHT), [""; 0]);
    }

    #[test]
    fn every_mistake_is_caught() {
        for judge in WRONG {
            assert!(!mistakes(judge).is_empty(), "{}", judge.name);
        }
    }

    #[test]
    fn every_workload_has_a_good_one_and_a_bad_one() {
        for entry in duress_workloads::registry::WORKLOADS {
            let of = GOLDEN.iter().filter(|golden| golden.workload == entry.name);
            assert_eq!(of.map(|golden| golden.valid).collect::<BTreeSet<_>>().len(), 2, "{}", entry.name);
        }
    }
}
