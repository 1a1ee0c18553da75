//! The operations of a run as the timeline of the page reads them: columns of bytes, deflated,
//! in base64; above a limit a grid of counts instead, with columns for the moments that matter.
//!
//! Not here: how it is drawn (`html/report.js`), and what else the page knows (`html/data.rs`).
//! Nothing is sampled: an operation is in the columns, or counted in the grid, or both.
//!
//! The payload, before it is deflated; `n` is the number of embedded operations:
//!
//! ```text
//! start    varint × n   ticks since the operation before
//! latency  u8 × n       step of a logarithmic scale, 255: it never returned
//! kind     u8 × n       position in the head's `kinds`; the high bytes follow if there are many
//! row      u8 × n       position in the head's `rows`; the high bytes follow if there are many
//! switch   varint ×     count, then (operations since the switch before, process): from there
//!                       on the row of that operation shows this process
//! grid                  see `grid.rs`; only when the head has one
//! exact    JSON         to the end, see `exact.rs`
//! ```

mod columns;
mod exact;
mod grid;
mod rows;
#[cfg(test)]
mod tests;
mod windows;

use crate::conclusion::Conclusion;
use crate::measure::{Calls, Row};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use columns::Writer;
use duress_checkers::{History, Kind};
use rows::Rows;
use serde::Serialize;
use std::collections::{HashMap, HashSet};

/// Operations that a page carries in full, unless another number is asked for.
pub const EMBED_OPS: usize = 1_000_000;
/// Above that limit: more operations than this are too many for a page that carries a grid, too.
const MAX_IN_WINDOWS: usize = 400_000;
/// Findings beyond these are usually the same one on other keys.
const MAX_FINDINGS: usize = 50;
/// Pairs of function and outcome told apart; what comes later is shown as the last of them.
const MAX_KINDS: usize = 4_096;

/// What the script needs to know to read the payload.
#[derive(Debug, Serialize)]
pub(crate) struct Head {
    /// Operations in the columns.
    n: usize,
    /// Operations of the run.
    total: usize,
    /// Nanoseconds.
    tick: u64,
    /// A latency of step `q` is `base_ns * ratio^q`.
    base_ns: f64,
    ratio: f64,
    /// The smallest and the largest step that occurs.
    steps: (u8, u8),
    kinds: Vec<KindOf>,
    /// Per row the position of its node among the page's nodes; `null` if it has none.
    rows: Vec<Option<u16>>,
    fs: Vec<String>,
    classes: Vec<String>,
    /// Nanoseconds; empty when the columns have every operation.
    windows: Vec<(u64, u64)>,
    #[serde(skip_serializing_if = "Option::is_none")]
    grid: Option<grid::Shape>,
}

/// Function, outcome (`0` ok, `1` fail, `2` info, `3` a fail that the workload expects), class
/// of the error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
struct KindOf(u16, u8, u16);

impl KindOf {
    fn of(row: &Row) -> Self {
        let outcome = match row.kind {
            Kind::Ok => 0,
            Kind::Fail if row.expected => 3,
            Kind::Fail => 1,
            Kind::Info | Kind::Invoke => 2,
        };
        Self(row.f, outcome, row.class)
    }
}

/// The operations, ready to be put into a page.
pub(crate) struct Pack {
    /// Base64.
    pub(crate) payload: String,
    pub(crate) head: Head,
    /// For each operation that a finding shows, by its index in the history, its row.
    pub(crate) shown_in: HashMap<u64, u16>,
}

/// What must not get lost in a long run. Times are nanoseconds.
#[derive(Debug, Default)]
pub(crate) struct Moments {
    /// Of findings, the first ones.
    findings: Vec<u64>,
    /// Beginnings and ends of faults.
    edges: Vec<u64>,
    /// Operations that findings show, by their index in the history.
    shown: HashSet<u64>,
}

impl Moments {
    pub(crate) fn new(conclusion: &Conclusion) -> Self {
        let windows = conclusion.faults.iter().map(|f| &f.window).filter(|w| !w.skipped);
        let findings = conclusion.verdicts.iter().flat_map(|v| &v.findings);
        let ops = findings.filter_map(|f| f.counterexample.as_ref()).flat_map(|e| &e.ops);
        Self {
            findings: conclusion.findings.iter().take(MAX_FINDINGS).map(|f| f.time).collect(),
            edges: windows.flat_map(|w| [Some(w.start), w.heal].into_iter().flatten()).collect(),
            shown: ops.map(|op| op.index).collect(),
        }
    }
}

/// Packs the calls of a run; `axis` is the time axis of the page, in nanoseconds.
pub(crate) fn pack(
    history: &History,
    moments: &Moments,
    calls: &Calls,
    axis: (u64, u64),
    limit: usize,
) -> Pack {
    let total = calls.rows.len();
    let windows =
        if total <= limit { Vec::new() } else { windows::around(moments, calls, axis, MAX_IN_WINDOWS) };
    let rows = Rows::new(calls);
    let chosen = Chosen::new(calls, (total > limit).then_some(&windows));
    let tick = columns::tick(total, axis.1 - axis.0);
    let kinds = Kinds::new(calls);
    let mut writer = Writer::default();
    columns::starts(&mut writer, chosen.of(calls).map(|(_, row)| row.invoked / tick));
    for (_, row) in chosen.of(calls) {
        writer.byte(columns::step(row.latency()));
    }
    columns::planes(&mut writer, kinds.all.len(), || chosen.of(calls).map(|(_, row)| kinds.position(row)));
    columns::planes(&mut writer, rows.nodes.len(), || chosen.of(calls).map(|(at, _)| rows.row[at]));
    columns::switches(&mut writer, chosen.of(calls).map(|(at, row)| (rows.row[at], row.process)));
    let grid = (total > limit).then(|| grid::write(&mut writer, calls, &rows, axis));
    exact::write(&mut writer, history, moments, &chosen, calls);
    let shown_in = shown(history, moments, &rows);
    Pack {
        payload: STANDARD.encode(writer.finish()),
        shown_in,
        head: Head {
            n: chosen.len(calls),
            total,
            tick,
            base_ns: columns::BASE_NS,
            ratio: columns::RATIO,
            steps: columns::extent(calls),
            kinds: kinds.all,
            rows: rows.nodes,
            fs: calls.fs.iter().map(|f| crate::words::visible(f, MAX_NAME)).collect(),
            classes: calls.classes.iter().map(|c| crate::words::visible(&c.name, MAX_NAME)).collect(),
            windows,
            grid,
        },
    }
}

/// Longest name of a function or a class of errors, in characters.
const MAX_NAME: usize = 60;

/// Which calls are in the columns.
enum Chosen {
    All,
    /// Positions, in order.
    Some(Vec<u32>),
}

impl Chosen {
    fn new(calls: &Calls, windows: Option<&Vec<(u64, u64)>>) -> Self {
        let Some(windows) = windows else { return Self::All };
        let rows = (0..).zip(&calls.rows);
        Self::Some(rows.filter(|(_, row)| windows::inside(windows, row.invoked)).map(|(at, _)| at).collect())
    }

    fn len(&self, calls: &Calls) -> usize {
        match self {
            Self::All => calls.rows.len(),
            Self::Some(at) => at.len(),
        }
    }

    /// Where a call is in the columns.
    fn position(&self, at: usize) -> Option<usize> {
        match self {
            Self::All => Some(at),
            Self::Some(chosen) => chosen.binary_search(&u32::try_from(at).ok()?).ok(),
        }
    }

    fn of<'a>(&'a self, calls: &'a Calls) -> Box<dyn Iterator<Item = (usize, &'a Row)> + 'a> {
        match self {
            Self::All => Box::new(calls.rows.iter().enumerate()),
            Self::Some(at) => Box::new(at.iter().map(|at| (*at as usize, &calls.rows[*at as usize]))),
        }
    }
}

/// The kinds that occur, in order of appearance.
struct Kinds {
    all: Vec<KindOf>,
    by: HashMap<KindOf, u16>,
}

impl Kinds {
    fn new(calls: &Calls) -> Self {
        let mut kinds = Self { all: Vec::new(), by: HashMap::new() };
        let mut last = None;
        for row in &calls.rows {
            let kind = KindOf::of(row);
            // Neighbours are alike more often than not.
            if last == Some(kind) || kinds.by.contains_key(&kind) {
                last = Some(kind);
                continue;
            }
            if kinds.all.len() == MAX_KINDS {
                break;
            }
            kinds.by.insert(kind, u16::try_from(kinds.all.len()).unwrap_or(u16::MAX));
            kinds.all.push(kind);
            last = Some(kind);
        }
        kinds
    }

    fn position(&self, row: &Row) -> u16 {
        let last = u16::try_from(self.all.len().saturating_sub(1)).unwrap_or(u16::MAX);
        self.by.get(&KindOf::of(row)).copied().unwrap_or(last)
    }
}

fn shown(history: &History, moments: &Moments, rows: &Rows) -> HashMap<u64, u16> {
    if moments.shown.is_empty() {
        return HashMap::new();
    }
    let calls = history.calls().map(|call| call.invoke.index).zip(&rows.row);
    calls.filter(|(index, _)| moments.shown.contains(index)).map(|(index, row)| (index, *row)).collect()
}
