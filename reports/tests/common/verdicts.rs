//! What checkers say about the made-up runs.

use super::MS;
use duress_checkers::verdict::{FinalState, ShownOp, Step};
use duress_checkers::{Counterexample, Finding, Kind, Process, Valid, Verdict};
use serde_json::json;

pub fn valid() -> Verdict {
    let mut verdict = Verdict::new("linearizable", Valid::Valid);
    verdict.stats.insert("keys".to_owned(), json!(40));
    verdict.stats.insert("calls".to_owned(), json!(1873));
    verdict.stats.insert("configurations".to_owned(), json!(90_412));
    verdict
}

pub fn unknown() -> Verdict {
    Verdict::unknown(
        "linearizable",
        "key 17 was still open when time was up after 60 s; 39 of 40 keys are fine",
    )
}

pub fn violation() -> Verdict {
    let mut verdict = Verdict { valid: Valid::Violation, ..valid() };
    verdict.findings = vec![
        Finding {
            anomaly: "stale read".to_owned(),
            title: "stale read on key 17".to_owned(),
            sentence: "Process 8 read `4` through n4 at 16.604 s, 373 ms after `write 5` had been acknowledged to process 11.".to_owned(),
            key: Some(json!(17)),
            time: 16_606 * MS,
            counterexample: Some(stale_read()),
        },
        Finding {
            anomaly: "lost write".to_owned(),
            title: "lost write on key 23".to_owned(),
            sentence: "Process 3 wrote `9` through n1, which was acknowledged at 21.210 s, and nobody ever read it.".to_owned(),
            key: Some(json!(23)),
            time: 22_001 * MS,
            counterexample: None,
        },
    ];
    verdict
}

fn shown(
    at: u64,
    process: u64,
    node: &str,
    label: &str,
    span: (u64, Option<u64>),
    completion: u64,
) -> ShownOp {
    ShownOp {
        index: at,
        completion_index: span.1.map(|_| completion),
        process: Process::Client(process),
        node: Some(node.to_owned()),
        label: label.to_owned(),
        kind: if span.1.is_some() { Kind::Ok } else { Kind::Info },
        invoked: span.0 * MS,
        returned: span.1.map(|t| t * MS),
    }
}

/// Four is read after five was acknowledged.
pub fn stale_read() -> Counterexample {
    let ops = vec![
        shown(100, 2, "n3", "write 4", (15_871, Some(15_884)), 102),
        shown(103, 9, "n5", "read → 4", (15_902, Some(15_911)), 104),
        shown(106, 11, "n2", "write 5", (16_203, Some(16_231)), 109),
        shown(110, 9, "n5", "cas 5 → 6", (16_396, None), 0),
        shown(112, 2, "n3", "read → 5", (16_402, Some(16_411)), 115),
        shown(116, 5, "n1", "write 8", (16_590, Some(16_640)), 121),
        shown(118, 8, "n4", "read → 4", (16_604, Some(16_606)), 120),
    ];
    let step = |op, state: &str| Step { op, state: state.to_owned() };
    let last = |state: &str, taken, assumption: &str| FinalState {
        state: state.to_owned(),
        taken,
        assumption: assumption.to_owned(),
        refusal: format!("returned 4, not {state}"),
    };
    Counterexample {
        model: "a register, initially nil".to_owned(),
        ops,
        culprit: 6,
        core: vec![0, 2, 6],
        initial: "nil".to_owned(),
        order: vec![step(0, "4"), step(1, "4"), step(2, "5"), step(4, "5")],
        finals: vec![
            last("5", vec![], "nothing else happened"),
            last("6", vec![3], "the unanswered cas 5 → 6 took effect"),
            last("8", vec![5], "write 8, still in flight, came first"),
        ],
        finals_omitted: 0,
        argument: [
            "1. `write 4` by p2: key 17 holds 4",
            "2. `read → 4` by p9: agrees",
            "3. `write 5` by p11: key 17 holds 5",
            "4. `read → 5` by p2: agrees",
            "p8's `read → 4` began after all four had returned, so it comes after them. Two more operations were open while it ran, and each may come first. So key 17 holds one of three values, and none is 4.",
        ]
        .map(str::to_owned)
        .to_vec(),
        n_calls: 1_322,
        n_prefix: 611,
        named: None,
        picture: None,
    }
}
