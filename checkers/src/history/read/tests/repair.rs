//! What is repaired, what is not, and that a repair accuses nobody.

use super::*;
use crate::{Budget, Checker, Keys, Linearizable, Valid};

const REPAIR: ReadOptions = ReadOptions { format: None, nil: Nil::Value, repair: true };

/// `index process type f value`, one operation for each part.
fn text(ops: &[&str]) -> String {
    let line = |op: &&str| {
        let words: Vec<&str> = op.splitn(5, ' ').collect();
        format!(
            "{{:index {} :process {} :type :{} :f :{} :value {}}}\n",
            words[0], words[1], words[2], words[3], words[4]
        )
    };
    ops.iter().map(line).collect()
}

fn repaired(ops: &[&str]) -> Loaded {
    load(text(ops).as_bytes(), &REPAIR).unwrap_or_else(|why| panic!("{ops:?}: {why}"))
}

fn kinds(loaded: &Loaded) -> Vec<(RepairKind, usize)> {
    loaded.repairs.iter().map(|repair| (repair.kind, repair.line)).collect()
}

fn calls(loaded: &Loaded) -> Vec<(String, Kind)> {
    loaded.history.calls().map(|call| (format!("{}", call.invoke.value), call.kind())).collect()
}

#[test]
fn lines_in_the_wrong_place_go_where_their_index_says() {
    let loaded = repaired(&[
        "0 0 invoke write 1",
        "3 1 ok read 1",
        "1 0 ok write 1",
        "2 1 invoke read nil",
        "2 1 invoke read nil",
    ]);
    assert_eq!(
        kinds(&loaded),
        [(RepairKind::Repeated, 5), (RepairKind::Moved, 3), (RepairKind::Moved, 4), (RepairKind::Moved, 5)]
    );
    assert_eq!(calls(&loaded), [("1".to_owned(), Kind::Ok), ("null".to_owned(), Kind::Ok)]);
}

#[test]
fn two_histories_in_one_file_stay_an_error() {
    let both = text(&["0 0 invoke write 1", "1 0 ok write 1", "0 0 invoke write 2", "1 0 ok write 2"]);
    let why = load(both.as_bytes(), &REPAIR).expect_err("two histories").to_string();
    assert!(why.contains("operation 0 comes after operation 0"), "{why}");
}

#[test]
fn missing_lines_stay_an_error() {
    for ops in [
        &["0 0 ok write 1"][..],
        &["0 0 invoke write 1", "1 0 ok read 1"][..],
        &["0 0 invoke write 1", "1 1 ok write 1"],
    ] {
        assert!(load(text(ops).as_bytes(), &REPAIR).is_err(), "{ops:?}");
    }
}

#[test]
fn a_process_that_went_on_leaves_its_operation_in_doubt() {
    // Of another function: it is clear whose completion it is.
    let loaded = repaired(&["0 0 invoke write 1", "1 0 invoke read nil", "2 0 ok read 1"]);
    assert_eq!(kinds(&loaded), [(RepairKind::LeftOpen, 2)]);
    assert_eq!(calls(&loaded), [("1".to_owned(), Kind::Info), ("null".to_owned(), Kind::Ok)]);
    // Late, but its own.
    let loaded = repaired(&["0 0 invoke write 1", "1 0 invoke read nil", "2 0 ok write 1", "3 0 ok read 1"]);
    assert_eq!(calls(&loaded), [("1".to_owned(), Kind::Ok), ("null".to_owned(), Kind::Ok)]);
    // Of the same: nobody knows.
    let loaded = repaired(&[
        "0 0 invoke read nil",
        "1 0 invoke read nil",
        "2 0 ok read 1",
        "3 0 ok read 2",
        "4 0 invoke read nil",
        "5 0 ok read 3",
    ]);
    assert_eq!(
        kinds(&loaded),
        [(RepairKind::LeftOpen, 2), (RepairKind::Ambiguous, 3), (RepairKind::Ambiguous, 4)]
    );
    let all = calls(&loaded);
    assert_eq!(all.iter().map(|call| call.1).collect::<Vec<_>>(), [Kind::Info, Kind::Info, Kind::Ok]);
}

#[test]
fn what_completes_twice_is_complete_once_or_in_doubt() {
    let same = repaired(&["0 0 invoke write 1", "1 0 ok write 1", "2 0 ok write 1"]);
    assert_eq!((calls(&same)[0].1, kinds(&same)), (Kind::Ok, vec![(RepairKind::Again, 3)]));
    for late in ["2 0 ok write 1", "2 0 ok write 2"] {
        let other = repaired(&["0 0 invoke write 1", "1 0 fail write 1", late]);
        assert_eq!((calls(&other)[0].1, kinds(&other)), (Kind::Info, vec![(RepairKind::Again, 3)]));
    }
}

/// A history of what really happened, one register, up to four processes.
fn truth() -> impl Strategy<Value = Vec<Op>> {
    let step = (0..4_u64, 0..3_u8, 0..3_i64, 0..4_u8);
    prop::collection::vec(step, 2..14).prop_map(|steps| {
        let mut open: [Option<(&str, i64)>; 4] = [None; 4];
        let mut ops = Vec::new();
        for (process, f, value, ending) in steps {
            let slot = &mut open[usize::try_from(process).expect("small")];
            let (kind, f, value) = match slot.take() {
                None => {
                    let f = if f == 0 { "write" } else { "read" };
                    *slot = Some((f, value));
                    (Kind::Invoke, f, if f == "write" { json!(value) } else { Value::Null })
                }
                Some((f, asked)) => {
                    let kind = [Kind::Ok, Kind::Ok, Kind::Fail, Kind::Info][usize::from(ending)];
                    (kind, f, json!(if f == "write" { asked } else { value }))
                }
            };
            let at = ops.len() as u64;
            ops.push(Op {
                index: at,
                time: at * 10,
                process: Process::Client(process),
                kind,
                f: f.into(),
                value,
                error: None,
                node: None,
            });
        }
        ops
    })
}

/// One thing that a careless recorder does. None of them writes down what did not happen.
#[derive(Clone, Debug)]
enum Careless {
    /// Writes a line twice, at once or later.
    Twice(prop::sample::Index, usize),
    /// Writes lines in another order than they are numbered.
    Swap(prop::sample::Index),
    /// Has clocks that disagree.
    Jitter(prop::sample::Index),
    /// Does not write that an outcome is in doubt.
    NoInfo,
    /// Gives several clients one name.
    Merge(u64),
}

fn careless() -> impl Strategy<Value = Careless> {
    prop_oneof![
        (any::<prop::sample::Index>(), 0..3_usize).prop_map(|(at, later)| Careless::Twice(at, later)),
        any::<prop::sample::Index>().prop_map(Careless::Swap),
        any::<prop::sample::Index>().prop_map(Careless::Jitter),
        Just(Careless::NoInfo),
        (1..3_u64).prop_map(Careless::Merge),
    ]
}

fn spoil(ops: &mut Vec<Op>, how: &Careless) {
    match how {
        _ if ops.is_empty() => {}
        Careless::Twice(at, later) => {
            let at = at.index(ops.len());
            let again = ops[at].clone();
            ops.insert((at + 1 + later).min(ops.len()), again);
        }
        Careless::Swap(at) => {
            let at = at.index(ops.len());
            let other = (at + 1).min(ops.len() - 1);
            ops.swap(at, other);
        }
        Careless::Jitter(at) => {
            let at = at.index(ops.len());
            ops[at].time = ops[at].time.saturating_sub(25);
        }
        Careless::NoInfo => ops.retain(|op| op.kind != Kind::Info),
        Careless::Merge(n) => {
            for op in ops {
                if let Process::Client(process) = &mut op.process {
                    *process %= n;
                }
            }
        }
    }
}

fn valid(history: &History) -> Valid {
    Linearizable::register(Keys::Single).check(history, &Budget::default()).valid
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    /// Whatever happened to its record, a system that did nothing wrong is not accused.
    #[test]
    fn a_repair_accuses_nobody(mut ops in truth(), spoilers in prop::collection::vec(careless(), 1..4)) {
        let innocent = valid(&History::new(ops.clone()).expect("a history")) == Valid::Valid;
        for how in &spoilers {
            spoil(&mut ops, how);
        }
        let mut text = Vec::new();
        for op in &ops {
            serde_json::to_writer(&mut text, op).expect("JSON");
            text.push(b'\n');
        }
        let Ok(loaded) = load(&text, &REPAIR) else { return Ok(()) };
        prop_assert!(!innocent || valid(&loaded.history) == Valid::Valid, "{loaded:?}");
    }
}
