//! What the script knows beside the operations: faults, what each node was, cut links,
//! findings. Times are seconds since the start of the run, to the microsecond.

use super::Page;
use super::cut::{self, Epoch};
use crate::artifact::{NodeSeen, NodeState};
use crate::conclusion::FaultState;
use crate::pack::{Head, Pack};
use crate::words;
use serde::{Serialize, Serializer};
use std::collections::BTreeMap;

/// Longest text that the timeline repeats, in characters.
const MAX_TEXT: usize = 160;
/// Findings marked in the timeline.
const MAX_FINDINGS: usize = 200;
/// Two nodes that say they lead are worth a red bar from here on: one that has just lost its
/// office is asked only every so often. Microseconds.
const BOTH_LEAD: u64 = 1_000_000;

/// A moment, in microseconds; in the page, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct At(pub(super) u64);

impl Serialize for At {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.0 as f64 / 1e6)
    }
}

#[derive(Serialize)]
pub(super) struct Data<'a> {
    end: At,
    nodes: Vec<String>,
    faults: Vec<Fault>,
    cuts: Vec<Epoch>,
    states: Vec<Vec<State>>,
    findings: Vec<Marked>,
    pack: &'a Head,
}

#[derive(Serialize)]
pub(super) struct Fault {
    pub(super) name: String,
    pub(super) from: At,
    /// As its probe saw it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) bit: Option<At>,
    pub(super) to: At,
    pub(super) nodes: Vec<usize>,
    /// Links, from and to.
    #[serde(skip)]
    pub(super) cut: Vec<(u32, u32)>,
}

/// From, to, what, term. What: `lead`, `stale` (another one leads with a later term), `follow`,
/// `answers` (where nobody leads), `silent`, `paused`, `down`.
#[derive(Clone, Debug, PartialEq, Serialize)]
struct State(At, At, &'static str, Option<u64>);

#[derive(Serialize)]
struct Marked {
    number: u64,
    at: At,
    title: String,
    /// What its figure spans.
    from: At,
    to: At,
    /// Row, from, to, label, is it the one that cannot be.
    ops: Vec<(u16, At, At, String, bool)>,
}

/// As the text of a script element.
pub(super) fn json(page: &Page<'_>, pack: &Pack) -> String {
    let (nodes, axis) = (&page.nodes[..], page.plots.axis);
    let names = names(page, nodes);
    let faults = faults(page, &names, axis.1);
    let data = Data {
        end: micro(axis.1),
        cuts: cut::epochs(&faults, names.len()),
        faults,
        states: states(nodes, &names, micro(axis.1)),
        findings: findings(page, pack, axis.1),
        nodes: names.iter().map(|name| words::visible(name, MAX_TEXT)).collect(),
        pack: &pack.head,
    };
    match serde_json::to_string(&data) {
        Ok(json) => escaped(&json),
        Err(e) => unreachable!("numbers and texts are JSON: {e}"),
    }
}

/// Nothing in it can end the element, whatever a parser thinks it is in: ASCII only.
fn escaped(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        if c.is_ascii() && !matches!(c, '<' | '>' | '&') {
            out.push(c);
            continue;
        }
        for unit in c.encode_utf16(&mut [0; 2]) {
            out.push_str(&format!("\\u{unit:04x}"));
        }
    }
    out
}

fn micro(ns: u64) -> At {
    At(ns / 1_000)
}

/// Those that operations went through come first: rows name them by position.
fn names(page: &Page<'_>, seen: &[NodeSeen]) -> Vec<String> {
    let mut names = page.calls.nodes.clone();
    let others = page.info.nodes.iter().map(|n| &n.name).chain(seen.iter().map(|s| &s.node));
    for name in others {
        if !names.contains(name) {
            names.push(name.clone());
        }
    }
    names
}

fn faults(page: &Page<'_>, names: &[String], end: u64) -> Vec<Fault> {
    // The links of a cut count nodes as the run lists them.
    let place = |at: u32| {
        let node = page.info.nodes.get(at as usize)?;
        Some(names.iter().position(|n| *n == node.name)? as u32)
    };
    let applied = page.conclusion.faults.iter().filter(|f| f.state != FaultState::Skipped);
    applied
        .map(|fault| &fault.window)
        .map(|w| Fault {
            name: words::short(&w.name(), MAX_TEXT),
            from: micro(w.start),
            bit: w.in_effect.map(micro),
            to: micro(w.heal.or(w.healed).unwrap_or(end).max(w.start)),
            nodes: names.iter().enumerate().filter(|(_, n)| w.nodes.contains(n)).map(|(at, _)| at).collect(),
            cut: w.cut.iter().filter_map(|(from, to)| Some((place(*from)?, place(*to)?))).collect(),
        })
        .collect()
}

/// Per node, in the order of `names`; empty when nobody looked.
fn states(seen: &[NodeSeen], names: &[String], end: At) -> Vec<Vec<State>> {
    if seen.is_empty() {
        return Vec::new();
    }
    let mut by: BTreeMap<usize, Vec<&NodeSeen>> = BTreeMap::new();
    for line in seen {
        if let Some(at) = names.iter().position(|n| *n == line.node) {
            by.entry(at).or_default().push(line);
        }
    }
    let mut all: Vec<Vec<State>> = (0..names.len())
        .map(|at| {
            let lines = by.get(&at).map(Vec::as_slice).unwrap_or_default();
            let until = lines.iter().skip(1).map(|next| micro(next.at)).chain([end]);
            lines.iter().zip(until).map(|(line, to)| state(line, to)).filter(|s| s.0 < s.1).collect()
        })
        .collect();
    let leaders: Vec<State> = all.iter().flatten().filter(|s| s.2 == "lead").cloned().collect();
    all.iter_mut().for_each(|states| *states = states.drain(..).flat_map(|s| dated(s, &leaders)).collect());
    all
}

fn state(line: &NodeSeen, to: At) -> State {
    let what = match (line.state, line.leads) {
        (NodeState::Answers, Some(true)) => "lead",
        (NodeState::Answers, Some(false)) => "follow",
        (NodeState::Answers, None) => "answers",
        (NodeState::Silent, _) => "silent",
        (NodeState::Paused, _) => "paused",
        (NodeState::Down, _) => "down",
    };
    State(micro(line.at), to, what, line.term)
}

/// The part of an office during which another node led with a later term is set apart.
fn dated(state: State, leaders: &[State]) -> Vec<State> {
    let later = leaders.iter().filter(|l| state.2 == "lead" && l.3 > state.3 && state.3.is_some());
    let since = later.filter(|l| l.0 < state.1 && l.1 > state.0).map(|l| l.0.max(state.0)).min();
    match since.filter(|since| state.1.0 - since.0 >= BOTH_LEAD) {
        None => vec![state],
        Some(since) => {
            let parts = [State(state.0, since, "lead", state.3), State(since, state.1, "stale", state.3)];
            parts.into_iter().filter(|s| s.0 < s.1).collect()
        }
    }
}

fn findings(page: &Page<'_>, pack: &Pack, end: u64) -> Vec<Marked> {
    let all = crate::conclusion::in_order(&page.conclusion.verdicts).zip(&page.conclusion.findings);
    all.take(MAX_FINDINGS)
        .map(|((_, finding), placed)| {
            let example = finding.counterexample.as_ref();
            let ops: Vec<_> = example
                .into_iter()
                .flat_map(|e| e.ops.iter().enumerate().map(move |(at, op)| (at == e.culprit, op)))
                .filter_map(|(culprit, op)| {
                    let row = *pack.shown_in.get(&op.index)?;
                    let to = micro(op.returned.unwrap_or(end));
                    Some((row, micro(op.invoked), to, words::short(&op.label, 40), culprit))
                })
                .collect();
            let at = micro(placed.time);
            let returned = example.into_iter().flat_map(|e| &e.ops).filter_map(|op| op.returned).map(micro);
            Marked {
                number: placed.number,
                at,
                title: words::short(&placed.title, MAX_TEXT),
                from: ops.iter().map(|op| op.1).min().unwrap_or(at).min(at),
                to: returned.max().unwrap_or(at).max(at),
                ops,
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(at_ms: u64, node: &str, leads: bool, term: u64) -> NodeSeen {
        let (state, node) = (NodeState::Answers, node.to_owned());
        NodeSeen { at: at_ms * 1_000_000, node, state, leads: Some(leads), term: Some(term) }
    }

    #[test]
    fn the_older_of_two_leaders_is_stale_once_it_is_no_question_of_when_one_asked() {
        let names = ["a", "b"].map(str::to_owned);
        let lines = [seen(0, "a", true, 4), seen(0, "b", false, 4), seen(9_000, "b", true, 5)];
        let lasting = states(&[&lines[..], &[seen(12_000, "a", false, 5)]].concat(), &names, At(20_000_000));
        let words: Vec<_> = lasting[0].iter().map(|s| (s.0.0 / 1_000, s.2)).collect();
        assert_eq!(words, [(0, "lead"), (9_000, "stale"), (12_000, "follow")]);
        assert_eq!(lasting[1].last(), Some(&State(At(9_000_000), At(20_000_000), "lead", Some(5))));
        let brief = states(&[&lines[..], &[seen(9_400, "a", false, 5)]].concat(), &names, At(20_000_000));
        assert!(brief[0].iter().all(|s| s.2 != "stale"), "{brief:?}");
    }

    #[test]
    fn json_cannot_leave_its_element() {
        let hostile = "</script><!--&\u{2028}\u{1f600}";
        let json = escaped(&serde_json::to_string(hostile).expect("a text"));
        assert!(json.is_ascii() && !json.contains(['<', '>', '&']), "{json}");
        assert_eq!(serde_json::from_str::<String>(&json).expect("still JSON"), hostile);
    }
}
