//! Were the gates met? In every doubt they were not: a gate that nobody could judge keeps the run from
//! counting. What may be asked is in [`super::gates`].

use super::gates::{Demand, Gate, GateState, LOG, Missed, Role, Rule, Scope, When, at_most};
use super::{Evidence, FaultEffect, FaultState, Reached};
use crate::artifact::{NodeSeen, NodeState, Run, RunStatus};
use crate::measure::Calls;
use crate::words::counted;
use duress_checkers::{Finding, Valid, Verdict};
use std::collections::BTreeSet;

/// What the verdict on missed gates is called.
pub(super) const CHECKER: &str = "within its gates";

/// All gates of a run, in the order in which they were set.
pub(super) fn gates(run: &Run, calls: &Calls, faults: &[FaultEffect], evidence: &Evidence) -> Vec<Gate> {
    let rules = &run.info.gates.rules;
    if rules.is_empty() {
        return Vec::new();
    }
    let mut ok: Vec<u64> = calls.rows.iter().filter_map(crate::measure::Row::succeeded).collect();
    ok.sort_unstable();
    let judge = Judge { run, ok, faults, evidence };
    rules.iter().map(|rule| judge.gate(rule)).collect()
}

/// A violation for gates that were missed and say that this is one.
pub(super) fn verdict(gates: &[Gate], end: u64) -> Option<Verdict> {
    let missed = |gate: &&Gate| gate.state == GateState::Missed && gate.gate.missed == Missed::Finding;
    let findings: Vec<Finding> = gates.iter().filter(missed).map(|gate| finding(gate, end)).collect();
    (!findings.is_empty()).then(|| Verdict { findings, ..Verdict::new(CHECKER, Valid::Violation) })
}

fn finding(gate: &Gate, end: u64) -> Finding {
    let name = gate.gate.demand.name();
    Finding {
        title: format!("gate {name} missed"),
        anomaly: name,
        sentence: format!("The gate `{}` was missed: {}", gate.gate, gate.text),
        key: None,
        time: gate.at.unwrap_or(end),
        counterexample: None,
    }
}

struct Judge<'a> {
    run: &'a Run,
    /// When operations ended in `ok`, sorted.
    ok: Vec<u64>,
    faults: &'a [FaultEffect],
    evidence: &'a Evidence,
}

/// State, why, and when the fault that decided it took effect, if it was one.
type Judged = (GateState, String, Option<u64>);

impl Judge<'_> {
    fn gate(&self, rule: &Rule) -> Gate {
        let (state, text, at) = match &rule.demand {
            Demand::Ok(when, scope, least) => self.ok(*when, scope, *least),
            Demand::LeaderChanges(least) => self.leader_changes(*least),
            Demand::MaxUnavailable(scope, most) => self.unavailable(scope, *most),
            Demand::MaxRecovery(scope, most) => self.recovery(scope, *most),
            Demand::Sometimes(goal) => self.sometimes(goal),
        };
        // What has not happened might have, had the run come to its end.
        let at_least = !matches!(rule.demand, Demand::MaxUnavailable(..) | Demand::MaxRecovery(..));
        let cut = self.run.info.status != RunStatus::Finished;
        match state {
            GateState::Missed if at_least && cut => Gate {
                gate: rule.clone(),
                state: GateState::Undecided,
                text: format!("{text}; and the run did not come to its end"),
                at,
            },
            state => Gate { gate: rule.clone(), state, text, at },
        }
    }

    /// Faults that a gate is about, as far as they took effect.
    fn bit(&self, scope: &Scope) -> Vec<&FaultEffect> {
        let of_kind = |fault: &&FaultEffect| {
            scope.kind.as_ref().is_none_or(|kind| *kind == fault.window.kind)
                && scope.role.is_none_or(|role| self.victim_was(fault, role))
        };
        self.faults.iter().filter(|fault| fault.state == FaultState::Bit).filter(of_kind).collect()
    }

    /// As each victim was last seen when the fault began. With a leader among them it is one on the leader.
    fn victim_was(&self, fault: &FaultEffect, role: Role) -> bool {
        let seen = |node: &String| {
            let mut before = self.run.nodes.iter().filter(|seen| seen.at <= fault.window.start);
            before.rfind(|seen| seen.node == *node)?.leads
        };
        let roles: Vec<Option<bool>> = fault.window.nodes.iter().map(seen).collect();
        match role {
            Role::Leader => roles.contains(&Some(true)),
            Role::Follower => !roles.contains(&Some(true)) && roles.contains(&Some(false)),
        }
    }

    fn ok(&self, when: When, scope: &Scope, least: u64) -> Judged {
        let faults = self.bit(scope);
        let word = match when {
            When::Before => "before",
            When::During => "during",
            When::After => "after",
        };
        let counts = faults.iter().map(|fault| {
            let (from, to) = self.stretch(when, fault);
            let count = self.ok.partition_point(|t| *t < to) - self.ok.partition_point(|t| *t < from);
            (count as u64, fault.window.id, *fault)
        });
        match counts.min_by_key(|(count, id, _)| (*count, *id)) {
            None => none_bit(),
            Some((count, _, fault)) => {
                let state = if count >= least { GateState::Met } else { GateState::Missed };
                let operations = counted(count, "ok operation", "ok operations");
                let text = format!("{operations} {word} {}, the fewest of all", fault.window.name());
                (state, text, began(fault))
            }
        }
    }

    /// From when to when operations are counted. Windows of other faults end it, those that overlap do not.
    fn stretch(&self, when: When, fault: &FaultEffect) -> (u64, u64) {
        let window = &fault.window;
        let end = self.evidence.duration_ns;
        let healed = window.healed.or(window.heal).unwrap_or(end);
        let others =
            || self.faults.iter().map(|other| &other.window).filter(|w| w.id != window.id && !w.skipped);
        match when {
            When::Before => {
                let last = others().filter_map(|w| w.healed.filter(|healed| *healed <= window.start)).max();
                (last.unwrap_or(0), window.start)
            }
            When::During => (window.in_effect.unwrap_or(window.start), window.heal.unwrap_or(end)),
            When::After => {
                let next = others().map(|w| w.start).filter(|start| *start >= healed).min();
                (healed, next.unwrap_or(u64::MAX))
            }
        }
    }

    /// Leaders in terms that had none before, or, without terms, other ones than before; absent where no node
    /// says who leads.
    fn leaders(&self) -> Option<u64> {
        let mut leading: Vec<&NodeSeen> =
            self.run.nodes.iter().filter(|seen| seen.leads == Some(true)).collect();
        let terms: BTreeSet<u64> = leading.iter().filter_map(|seen| seen.term).collect();
        leading.dedup_by(|one, other| one.node == other.node);
        let leaders = if terms.is_empty() { leading.len() } else { terms.len() };
        (leaders > 0).then_some(leaders as u64)
    }

    fn leader_changes(&self, least: u64) -> Judged {
        match self.leaders() {
            None => (GateState::Undecided, "no node was seen to lead".to_owned(), None),
            Some(terms) => {
                let changes = terms - 1;
                let state = if changes >= least { GateState::Met } else { GateState::Missed };
                (state, counted(changes, "change of leaders was seen", "changes of leaders were seen"), None)
            }
        }
    }

    fn unavailable(&self, scope: &Scope, most: u64) -> Judged {
        let faults = self.bit(scope);
        if faults.is_empty() {
            return none_bit();
        }
        let long = |fault: &&&FaultEffect| match &fault.no_answer {
            Some(Reached::After(ns) | Reached::Not { within: ns, .. }) => *ns > most,
            None => false,
        };
        if let Some(fault) = faults.iter().find(long) {
            let away = crate::text::reached(fault.no_answer.as_ref());
            let text = format!("no answer for {away} at {}, {}", fault.window.name(), at_most(most));
            return (GateState::Missed, text, began(fault));
        }
        let open = |fault: &&&FaultEffect| match &fault.no_answer {
            Some(Reached::After(_)) => false,
            Some(Reached::Not { at_most, .. }) => at_most.is_none_or(|ns| ns > most),
            None => true,
        };
        match faults.iter().find(open) {
            Some(fault) => {
                let name = fault.window.name();
                let text = match &fault.no_answer {
                    None => format!("no answer had come for a while when {name} began, without a fault"),
                    // Silence that runs into the next fault may be longer than was seen.
                    Some(_) => format!("the silence at {name} runs into what came next"),
                };
                (GateState::Undecided, text, None)
            }
            None => {
                let looked = counted(faults.len() as u64, "fault", "faults");
                (GateState::Met, format!("{looked} looked at, {}", at_most(most)), None)
            }
        }
    }

    /// Where the next fault came too soon to tell, others of the kind have to do.
    fn recovery(&self, scope: &Scope, most: u64) -> Judged {
        let faults = self.bit(scope);
        if faults.is_empty() {
            return none_bit();
        }
        let long = |fault: &&&FaultEffect| match &fault.recovered {
            Some(Reached::After(ns) | Reached::Not { within: ns, .. }) => *ns > most,
            None => false,
        };
        if let Some(fault) = faults.iter().find(long) {
            let took = crate::text::reached(fault.recovered.as_ref());
            let text = format!("recovered after {took} from {}, {}", fault.window.name(), at_most(most));
            return (GateState::Missed, text, fault.window.healed);
        }
        let measured = faults.iter().filter(|f| matches!(f.recovered, Some(Reached::After(_)))).count();
        let told = format!(
            "{measured} of {} could be measured, {}",
            counted(faults.len() as u64, "fault", "faults"),
            at_most(most)
        );
        (if measured > 0 { GateState::Met } else { GateState::Undecided }, told, None)
    }

    fn sometimes(&self, goal: &str) -> Judged {
        let in_state = |state| self.run.nodes.iter().filter(|seen| seen.state == state).count() as u64;
        let silence = |fault: &&FaultEffect| {
            !matches!(fault.no_answer, None | Some(Reached::After(0) | Reached::Not { within: 0, .. }))
        };
        let times = match goal {
            "leader-changed" => self.leaders().map_or(0, |terms| terms - 1),
            "node-down" => in_state(NodeState::Down),
            "node-paused" => in_state(NodeState::Paused),
            "node-silent" => in_state(NodeState::Silent),
            "no-answer" => self.faults.iter().filter(silence).count() as u64,
            "in-doubt" => self.evidence.total.info,
            logged => match self.run.info.noted.get(logged) {
                Some(lines) => *lines,
                None => return (GateState::Undecided, "nobody looked for that in the logs".to_owned(), None),
            },
        };
        let goal = goal.strip_prefix(LOG).map_or(goal.to_owned(), |text| format!("a log line with `{text}`"));
        let state = if times > 0 { GateState::Met } else { GateState::Missed };
        (state, format!("{goal}: seen {}", counted(times, "time", "times")), None)
    }
}

fn none_bit() -> Judged {
    (GateState::Undecided, "no such fault took effect".to_owned(), None)
}

/// Where a finding about it is placed.
fn began(fault: &FaultEffect) -> Option<u64> {
    Some(fault.window.in_effect.unwrap_or(fault.window.start))
}

/// For reasons and the page: each gate in words.
pub(super) fn doubts(gates: &[Gate]) -> impl Iterator<Item = String> {
    gates.iter().filter(|gate| gate.is_doubt()).map(Gate::words)
}
