//! What is packed comes out again: every operation, up to a tick and a step.

use super::columns::{self, NEVER};
use super::{KindOf, Moments, Pack, pack, windows};
use crate::measure::{Calls, Row};
use crate::words::SECOND;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use duress_checkers::{History, Kind, Op, Process};
use flate2::read::DeflateDecoder;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::io::Read;

/// One operation of the payload.
#[derive(Debug)]
struct Unpacked {
    start: u64,
    step: u8,
    kind: KindOf,
    row: usize,
    process: u32,
}

struct Reader(Vec<u8>, usize);

impl Reader {
    fn byte(&mut self) -> u8 {
        self.1 += 1;
        self.0[self.1 - 1]
    }

    fn varint(&mut self) -> u64 {
        let mut value = 0;
        for shift in (0..).step_by(7) {
            let byte = self.byte();
            value |= u64::from(byte & 127) << shift;
            if byte < 128 {
                break;
            }
        }
        value
    }

    fn plane(&mut self, n: usize, bound: usize) -> Vec<usize> {
        let mut values: Vec<usize> = (0..n).map(|_| self.byte().into()).collect();
        if bound > 256 {
            values.iter_mut().for_each(|v| *v |= usize::from(self.byte()) << 8);
        }
        values
    }
}

/// The operations, the grid's varints and bytes if there is one, and what is exact.
fn unpack(pack: &Pack) -> (Vec<Unpacked>, Vec<u64>, Vec<u8>, Value) {
    let (head, mut bytes) = (&pack.head, Vec::new());
    let packed = STANDARD.decode(&pack.payload).expect("base64");
    DeflateDecoder::new(&packed[..]).read_to_end(&mut bytes).expect("deflated");
    let mut reader = Reader(bytes, 0);
    let gaps: Vec<u64> = (0..head.n).map(|_| reader.varint()).collect();
    let steps = reader.plane(head.n, 256);
    let kinds = reader.plane(head.n, head.kinds.len());
    let rows = reader.plane(head.n, head.rows.len());
    let mut switches = HashMap::new();
    let mut at = 0;
    for _ in 0..reader.varint() {
        at += reader.varint();
        switches.insert(at, reader.varint() as u32);
    }
    let (mut tick, mut shows, mut ops) = (0, HashMap::new(), Vec::new());
    for at in 0..head.n {
        tick += gaps[at];
        if let Some(process) = switches.get(&(at as u64)) {
            shows.insert(rows[at], *process);
        }
        let (start, step) = (tick * head.tick, steps[at] as u8);
        ops.push(Unpacked {
            start,
            step,
            kind: head.kinds[kinds[at]],
            row: rows[at],
            process: shows[&rows[at]],
        });
    }
    let (mut counts, mut worst) = (Vec::new(), Vec::new());
    if let Some(grid) = &head.grid {
        let lines = 3 + 2 * grid.bins + head.classes.len();
        counts = (0..lines * grid.columns).map(|_| reader.varint()).collect();
        worst = (0..head.rows.len() * grid.columns).map(|_| reader.byte()).collect();
    }
    let exact = serde_json::from_slice(&reader.0[reader.1..]).expect("JSON to the end");
    (ops, counts, worst, exact)
}

/// A client's next call: gap and length in microseconds, how it ends.
type Step = (u64, u64, u8);

fn history(clients: &[Vec<Step>]) -> History {
    let mut events = Vec::new();
    for (client, steps) in clients.iter().enumerate() {
        let (mut now, mut process) = (0, client as u64);
        for (gap, took, how) in steps {
            let op = |time, kind, error: Option<&str>| Op {
                index: 0,
                time,
                process: Process::Client(process),
                kind,
                f: if how % 2 == 0 { "read" } else { "write" }.into(),
                value: json!([client, how]),
                error: error.map(str::to_owned),
                node: Some(format!("n{}", client % 3 + 1).into()),
            };
            let invoked = now + gap * 1_000;
            now = invoked + took * 1_000;
            events.push((invoked, op(invoked, Kind::Invoke, None)));
            match how % 5 {
                0..=1 => events.push((now, op(now, Kind::Ok, None))),
                2 => events.push((now, op(now, Kind::Fail, Some("precondition: it was another")))),
                3 => events.push((now, op(now, Kind::Fail, Some("refused: nobody listens")))),
                _ if how % 2 == 0 => events.push((now, op(now, Kind::Info, Some("timeout: 1 s")))),
                // It never returns.
                _ => {}
            }
            if how % 5 == 4 {
                process += 100;
            }
        }
    }
    events.sort_by_key(|(time, _)| *time);
    let ops = (0..).zip(events).map(|(index, (_, op))| Op { index, ..op });
    History::new(ops.collect()).expect("a history")
}

fn check(op: &Unpacked, row: &Row, pack: &Pack) {
    let never = row.completed.is_none();
    assert!(op.start <= row.invoked && row.invoked - op.start < pack.head.tick, "{op:?} {row:?}");
    assert_eq!(op.step == NEVER, never);
    if let Some(latency) = row.latency().filter(|ns| *ns >= 1_000) {
        let shown = columns::BASE_NS * columns::RATIO.powi(op.step.into());
        let off = (shown / latency as f64).ln().abs() / columns::RATIO.ln();
        assert!(off <= 0.5 + 1e-6 || op.step == 254, "{latency} ns became {shown} ns");
    }
    assert_eq!(op.kind, KindOf::of(row));
    assert_eq!(op.process, row.process);
    assert_eq!(pack.head.rows[op.row], row.node);
}

/// Two operations on a row never overlap, unless the first one was never heard of again.
fn check_rows(ops: &[Unpacked], rows: &[Row]) {
    let mut until: HashMap<usize, u64> = HashMap::new();
    for (op, row) in ops.iter().zip(rows) {
        let before = until.insert(op.row, row.completed.unwrap_or(u64::MAX));
        assert!(before.is_none_or(|t| t <= row.invoked), "{op:?} begins before {before:?}");
    }
}

fn steps() -> impl Strategy<Value = Vec<Vec<Step>>> {
    prop::collection::vec(prop::collection::vec((0..900_000_u64, 0..3_000_000_u64, any::<u8>()), 0..40), 1..9)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_packed_comes_out_again(clients in steps()) {
        let history = history(&clients);
        let calls = Calls::new(&history);
        let axis = (0, calls.end.max(SECOND));
        let packed = pack(&history, &Moments::default(), &calls, axis, usize::MAX);
        let (ops, counts, _, exact) = unpack(&packed);
        prop_assert_eq!(ops.len(), calls.rows.len());
        prop_assert!(counts.is_empty() && packed.head.windows.is_empty());
        ops.iter().zip(&calls.rows).for_each(|(op, row)| check(op, row, &packed));
        check_rows(&ops, &calls.rows);
        // A short run is exact throughout.
        let mut now = 0;
        for (row, (gap, took)) in calls.rows.iter().zip(zip(&exact, "invoked", "took")) {
            now += gap;
            prop_assert_eq!(now, row.invoked as i64 / 1_000);
            prop_assert_eq!(took, row.latency().map_or(-1, |ns| ns as i64 / 1_000));
        }
    }

    #[test]
    fn a_grid_counts_every_operation_once(clients in steps(), at in 0..60_u64) {
        let history = history(&clients);
        let calls = Calls::new(&history);
        // Of nothing there is no grid.
        prop_assume!(!calls.rows.is_empty());
        let axis = (0, calls.end.max(SECOND));
        let moments = Moments { edges: vec![at * SECOND], ..Moments::default() };
        let packed = pack(&history, &moments, &calls, axis, 0);
        let (ops, counts, worst, _) = unpack(&packed);
        let Some(grid) = &packed.head.grid else { return Err(TestCaseError::fail("there is no grid")) };
        let total = |lines: std::ops::Range<usize>| -> u64 {
            counts[lines.start * grid.columns..lines.end * grid.columns].iter().sum()
        };
        let returned = calls.rows.iter().filter(|r| r.completed.is_some()).count() as u64;
        prop_assert_eq!(total(0..3), returned);
        prop_assert_eq!(total(3..3 + 2 * grid.bins), calls.rows.len() as u64);
        let failed = calls.rows.iter().filter(|r| r.kind != Kind::Ok).count() as u64;
        prop_assert_eq!(total(3 + 2 * grid.bins..3 + 2 * grid.bins + packed.head.classes.len()), failed);
        for (lane, cells) in worst.chunks(grid.columns).enumerate() {
            let bad = cells.iter().filter(|c| **c > 1).count() as u64;
            prop_assert!(cells.iter().any(|c| *c > 0), "row {lane} is empty, with {bad} bad cells");
        }
        // The columns hold what is near the fault, and nothing else.
        let near: Vec<&Row> =
            calls.rows.iter().filter(|r| r.invoked.abs_diff(at * SECOND) <= 5 * SECOND).collect();
        prop_assert_eq!(ops.len(), near.len());
        ops.iter().zip(near).for_each(|(op, row)| check(op, row, &packed));
    }
}

fn zip<'a>(exact: &'a Value, a: &str, b: &str) -> impl Iterator<Item = (i64, i64)> + 'a {
    let column = |name: &str| {
        let column = exact[name].as_array().expect("a column");
        column.iter().map(|n| n.as_i64().expect("a number"))
    };
    column(a).zip(column(b)).collect::<Vec<_>>().into_iter()
}

#[test]
fn a_client_keeps_its_row_whatever_it_is_called() {
    // Two clients; the first one's operations are all in doubt.
    let clients = [vec![(1_000, 500, 4); 200], vec![(1_000, 500, 0); 200]];
    let history = history(&clients);
    let calls = Calls::new(&history);
    let packed = pack(&history, &Moments::default(), &calls, (0, calls.end), usize::MAX);
    assert_eq!(packed.head.rows, [Some(0), Some(1)]);
    let (ops, ..) = unpack(&packed);
    let mut processes: Vec<u32> = ops.iter().map(|op| op.process).collect();
    processes.sort_unstable();
    processes.dedup();
    assert_eq!(processes.len(), 201);
}

#[test]
fn a_dense_run_narrows_its_windows() {
    let history = history(&[vec![(1, 1, 0); 2_000], vec![(1, 1, 0); 2_000]]);
    let calls = Calls::new(&history);
    let at = calls.end / 2;
    let moments = Moments { findings: vec![at], ..Moments::default() };
    let all = windows::around(&moments, &calls, (0, calls.end), 4_000);
    assert_eq!(all, [(0, calls.end)]);
    // Four milliseconds: less than the narrowest window.
    assert!(windows::around(&moments, &calls, (0, calls.end), 1_000).is_empty());
    let long = history_of_a_minute();
    let calls = Calls::new(&long);
    let moments = Moments { findings: vec![30 * SECOND], ..Moments::default() };
    let narrow = windows::around(&moments, &calls, (0, 60 * SECOND), 100);
    let inside = calls.rows.iter().filter(|row| windows::inside(&narrow, row.invoked)).count();
    assert!((25..=100).contains(&inside), "{inside} operations in {narrow:?}");
}

fn history_of_a_minute() -> History {
    history(&[vec![(50_000, 10_000, 0); 1_000]])
}
