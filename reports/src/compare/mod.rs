//! Two runs side by side: what was different about them first, and then what came of it. Whether one
//! is better is not said here: one run of each is an anecdote.

mod text;

use crate::artifact::{Run, RunInfo};
use crate::conclusion::{Conclusion, FaultEffect};
use crate::measure::Calls;
use duress_checkers::Kind;
use std::collections::{BTreeMap, BTreeSet};

/// Points of a latency curve, in parts per million: to the sixth nine, evenly as a reader sees nines.
const CURVE: [u64; 19] = [
    0, 250_000, 500_000, 600_000, 700_000, 800_000, 850_000, 900_000, 930_000, 950_000, 970_000, 980_000,
    990_000, 995_000, 998_000, 999_000, 999_500, 999_900, 1_000_000,
];

/// A run, as far as it is compared.
#[derive(Clone, Debug)]
pub struct Side {
    /// Where it lies, as it was asked for.
    pub name: String,
    /// What was asked of it.
    pub info: RunInfo,
    /// What came of it.
    pub conclusion: Conclusion,
    /// Parts per million of the `ok` calls, and the milliseconds that these do not exceed.
    pub curve: Vec<(u64, f64)>,
}

impl Side {
    /// A run and its conclusion.
    pub fn new(name: impl Into<String>, run: &Run, conclusion: Conclusion) -> Self {
        let calls = Calls::new(&run.history);
        let ok = calls.rows.iter().filter(|row| row.kind == Kind::Ok);
        let mut ns: Vec<u64> = ok.filter_map(crate::measure::Row::latency).collect();
        ns.sort_unstable();
        let rank = |ppm: u64| (ns.len() as u64 * ppm).div_ceil(1_000_000).max(1) - 1;
        let point = |ppm: u64| Some((ppm, *ns.get(usize::try_from(rank(ppm)).ok()?)? as f64 / 1e6));
        let curve = CURVE.into_iter().filter_map(point).collect();
        Self { name: name.into(), info: run.info.clone(), conclusion, curve }
    }
}

/// Two runs.
#[derive(Clone, Debug)]
pub struct Comparison {
    /// The first.
    pub a: Side,
    /// The second.
    pub b: Side,
    /// What differs in what was asked, by name; `None` where one of them has no such thing.
    pub differences: Vec<(String, Option<String>, Option<String>)>,
    /// How many things of what was asked are the same.
    pub same: usize,
    /// By fingerprint, those of the first run first.
    pub findings: Vec<PairedFinding>,
    /// The first fault of a kind with the first of that kind, and so on.
    pub faults: Vec<PairedFault>,
}

/// A finding, and in which of the runs it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PairedFinding {
    /// Empty for runs of older versions; then by its kind alone.
    pub fingerprint: String,
    /// In words.
    pub signature: String,
    /// How often in the first run.
    pub a: u64,
    /// How often in the second.
    pub b: u64,
}

/// A fault of either run, or of both.
#[derive(Clone, Debug)]
pub struct PairedFault {
    /// `pause`.
    pub kind: String,
    /// In the first run, as a position in [`Conclusion::faults`].
    pub a: Option<usize>,
    /// In the second.
    pub b: Option<usize>,
}

impl Comparison {
    /// Of two runs.
    pub fn new(a: Side, b: Side) -> Self {
        let (asked_a, asked_b) = (asked(&a.info), asked(&b.info));
        let names: BTreeSet<&String> = asked_a.keys().chain(asked_b.keys()).collect();
        let of = |name: &String| (name.clone(), asked_a.get(name).cloned(), asked_b.get(name).cloned());
        let all = names.len();
        let differences: Vec<_> = names.into_iter().map(of).filter(|(_, a, b)| a != b).collect();
        Self {
            same: all - differences.len(),
            differences,
            findings: findings(&a.conclusion, &b.conclusion),
            faults: faults(&a.conclusion.faults, &b.conclusion.faults),
            a,
            b,
        }
    }

    /// Fit to be shown: nothing foreign in it acts on who looks at it.
    pub(crate) fn presentable(&self) -> Self {
        let side = |side: &Side| Side {
            name: crate::words::visible(&side.name, 300),
            info: crate::words::presentable(&side.info),
            conclusion: crate::words::presentable(&side.conclusion),
            curve: side.curve.clone(),
        };
        Self::new(side(&self.a), side(&self.b))
    }
}

/// Everything that was asked or given, by name.
fn asked(info: &RunInfo) -> BTreeMap<String, String> {
    let mut asked: BTreeMap<String, String> = info.options.clone();
    let mut add = |name: &str, value: String| asked.insert(format!("({name})"), value);
    add("target", info.target.clone());
    add("workload", info.workload.clone());
    add("seed", info.seed.to_string());
    add("duress", info.duress.clone());
    add("machine", format!("{}, {} processors", info.machine.kernel, info.machine.cores));
    add("privilege", info.machine.privilege.clone());
    if let Some(binary) = &info.binary {
        add("version", binary.version.clone());
        add("binary", binary.sha256.chars().take(16).collect());
    }
    for (name, value) in &info.labels {
        add(&format!("label {name}"), value.clone());
    }
    asked
}

fn findings(a: &Conclusion, b: &Conclusion) -> Vec<PairedFinding> {
    let mut pairs: Vec<PairedFinding> = Vec::new();
    for (first, placed) in a.findings.iter().map(|f| (true, f)).chain(b.findings.iter().map(|f| (false, f))) {
        let same = |pair: &PairedFinding| match placed.fingerprint.as_str() {
            "" => pair.fingerprint.is_empty() && pair.signature == placed.anomaly,
            fingerprint => pair.fingerprint == fingerprint,
        };
        let at = pairs.iter().position(same).unwrap_or_else(|| {
            let old = placed.fingerprint.is_empty();
            pairs.push(PairedFinding {
                fingerprint: placed.fingerprint.clone(),
                signature: if old { placed.anomaly.clone() } else { placed.signature.clone() },
                a: 0,
                b: 0,
            });
            pairs.len() - 1
        });
        if first {
            pairs[at].a += 1;
        } else {
            pairs[at].b += 1;
        }
    }
    pairs
}

fn faults(a: &[FaultEffect], b: &[FaultEffect]) -> Vec<PairedFault> {
    let mut pairs: Vec<PairedFault> = Vec::new();
    for (at, fault) in a.iter().enumerate() {
        pairs.push(PairedFault { kind: fault.window.kind.clone(), a: Some(at), b: None });
    }
    for (at, fault) in b.iter().enumerate() {
        let kind = &fault.window.kind;
        match pairs.iter_mut().find(|pair| pair.kind == *kind && pair.b.is_none() && pair.a.is_some()) {
            Some(pair) => pair.b = Some(at),
            None => pairs.push(PairedFault { kind: kind.clone(), a: None, b: Some(at) }),
        }
    }
    pairs
}

/// A figure that both runs may have, as it is compared everywhere.
pub(crate) struct Figure {
    pub(crate) name: String,
    pub(crate) a: Option<f64>,
    pub(crate) b: Option<f64>,
    pub(crate) unit: Unit,
}

/// What a figure counts.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    Count,
    PerSecond,
    Ms,
}

impl Figure {
    pub(crate) fn words(&self, value: Option<f64>) -> String {
        value.map_or_else(
            || "–".to_owned(),
            |value| match self.unit {
                Unit::Count => crate::words::count(value as u64),
                Unit::PerSecond => format!("{value:.1}/s"),
                Unit::Ms => crate::words::span_ms(value),
            },
        )
    }

    /// `+12 %`, from the first to the second.
    pub(crate) fn delta(&self) -> String {
        match (self.a, self.b) {
            (Some(a), Some(b)) if a == b => "=".to_owned(),
            (Some(a), Some(b)) if a > 0.0 => {
                let percent = (b - a) / a * 100.0;
                if percent.abs() >= 999.5 { format!("× {:.1}", b / a) } else { format!("{percent:+.0} %") }
            }
            _ => String::new(),
        }
    }
}

/// Rates, counts and quantiles of both.
pub(crate) fn figures(comparison: &Comparison) -> Vec<Figure> {
    let (a, b) = (&comparison.a.conclusion, &comparison.b.conclusion);
    let figure = |name: &str, unit, of: &dyn Fn(&Conclusion) -> Option<f64>| Figure {
        name: name.to_owned(),
        a: of(a),
        b: of(b),
        unit,
    };
    let mut all = vec![
        figure("ok operations", Unit::Count, &|c| Some(c.evidence.total.ok as f64)),
        figure("failed operations", Unit::Count, &|c| Some(c.evidence.total.fail as f64)),
        figure("operations in doubt", Unit::Count, &|c| Some(c.evidence.total.info as f64)),
        figure("quiet rate", Unit::PerSecond, &|c| c.quiet_rate),
    ];
    let fs: BTreeSet<&str> = a.latency.iter().chain(&b.latency).map(|row| row.f.as_str()).collect();
    for f in fs {
        let row = |c: &Conclusion| c.latency.iter().find(|row| row.f == f).and_then(|row| row.ms);
        all.push(figure(&format!("{f} p50"), Unit::Ms, &|c| Some(row(c)?.p50)));
        all.push(figure(&format!("{f} p99"), Unit::Ms, &|c| Some(row(c)?.p99)));
    }
    all
}

/// What two faults of a kind did.
pub(crate) fn fault_figures(comparison: &Comparison, pair: &PairedFault) -> Vec<Figure> {
    use crate::conclusion::Reached;
    let a = pair.a.map(|at| &comparison.a.conclusion.faults[at]);
    let b = pair.b.map(|at| &comparison.b.conclusion.faults[at]);
    let reached = |value: Option<&Reached>| match value? {
        Reached::After(ns) => Some(*ns as f64 / 1e6),
        // Longer than that; how much longer nobody knows, so there is nothing to compare.
        Reached::Not { .. } => None,
    };
    let figure = |name: &str, unit, of: &dyn Fn(&FaultEffect) -> Option<f64>| Figure {
        name: name.to_owned(),
        a: a.and_then(of),
        b: b.and_then(of),
        unit,
    };
    vec![
        figure("in effect", Unit::Ms, &|f| Some(f.in_effect_ns as f64 / 1e6)),
        figure("no answer", Unit::Ms, &|f| reached(f.no_answer.as_ref())),
        figure("first write", Unit::Ms, &|f| reached(f.first_write.as_ref())),
        figure("recovered", Unit::Ms, &|f| reached(f.recovered.as_ref())),
        figure("p99", Unit::Ms, &|f| f.p99_ms),
        figure("fail", Unit::Count, &|f| Some(f.fail as f64)),
        figure("in doubt", Unit::Count, &|f| Some(f.info as f64)),
    ]
}

/// Names of both faults of a pair, the second where it is another.
pub(crate) fn fault_names(comparison: &Comparison, pair: &PairedFault) -> (String, String) {
    let name = |faults: &[FaultEffect], at: Option<usize>| {
        at.map_or_else(|| "–".to_owned(), |at| faults[at].window.name())
    };
    (name(&comparison.a.conclusion.faults, pair.a), name(&comparison.b.conclusion.faults, pair.b))
}
