//! What is known of a run while it goes on, from its events. Draws nothing.

use super::rate::{Latencies, Rate};
use super::told::{Told, told};
use crate::event::{Counts, Event, Planned, Stage};
use crate::nemesis::fault::PlannedFault;
use duress_checkers::{Kind, Tally};
use duress_reports::artifact::{JournalEvent, NodeSeen};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Everything that a view may show. Times are since the view began, unless said otherwise.
#[derive(Clone, Debug, Default)]
pub(super) struct State {
    /// What was asked for; `None` while there is no run yet, or none at all.
    pub(super) plan: Option<Plan>,
    /// The part of the run, what it was said to be, and since when.
    pub(super) stage: Option<(Stage, String, Duration)>,
    /// When the run's clock showed zero.
    pub(super) zero: Option<Duration>,
    /// Operations that came to an end.
    pub(super) counts: Counts,
    /// Operations that began.
    pub(super) invoked: u64,
    /// Those that were ok, of late.
    pub(super) rate: Rate,
    /// How long those took.
    pub(super) latencies: Latencies,
    /// The nodes, by position.
    pub(super) nodes: Vec<Node>,
    /// Faults that are in force, by number.
    pub(super) faults: BTreeMap<u32, Fault>,
    /// Faults that came, in force or not.
    pub(super) came: BTreeSet<u32>,
    /// Links that are cut.
    pub(super) cuts: BTreeSet<(usize, usize)>,
    /// How far the watch for violations is: operations that it is behind, and what it has found.
    pub(super) watch: Option<(u64, Tally)>,
    /// The first violation that showed: `, first at op 1234, key 7, 12.3 s`.
    pub(super) alarm: Option<String>,
    /// Who leads, and its term, where there are terms.
    pub(super) leader: Option<(String, Option<u64>)>,
}

/// A run, as it was planned.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) name: String,
    pub(super) seed: u64,
    pub(super) time: Duration,
    pub(super) check_time: Duration,
    pub(super) faults: Vec<PlannedFault>,
}

/// A node.
#[derive(Clone, Debug, Default)]
pub(super) struct Node {
    pub(super) name: String,
    /// As it was seen last.
    pub(super) seen: Option<NodeSeen>,
    /// Its operations that were ok.
    pub(super) rate: Rate,
}

/// A fault that is in force.
#[derive(Clone, Debug)]
pub(super) struct Fault {
    /// In words.
    pub(super) what: String,
    /// When it was being applied, on the run's clock.
    pub(super) since: Duration,
    pub(super) standing: Standing,
}

/// What is known of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// Nobody has seen yet that it has any effect.
    Unproven,
    /// It was seen to have one.
    Verified,
    /// It was looked for and not seen.
    DidNotBite,
    /// It is being undone.
    Healing,
    /// It could not be undone.
    HealFailed,
}

impl State {
    /// Takes one event in, and answers with what there is to say about it.
    pub(super) fn take(&mut self, now: Duration, event: &Event<'_>) -> Option<Told> {
        let said = told(self, event);
        match event {
            Event::Planned(planned) => self.plan(planned),
            Event::Started(clock) => self.zero = now.checked_sub(Duration::from_nanos(clock.now())),
            Event::Phase(stage, what) => self.stage = Some((*stage, (*what).to_owned(), now)),
            Event::Invoked => self.invoked += 1,
            Event::Completed { op, latency } => {
                self.counts.count(op.kind);
                if op.kind == Kind::Ok {
                    self.rate.add(now);
                    self.latencies.add(now, *latency);
                    let node =
                        self.nodes.iter_mut().find(|node| op.node.as_deref() == Some(node.name.as_str()));
                    node.into_iter().for_each(|node| node.rate.add(now));
                }
            }
            Event::Fault { id, time, event } => self.fault(*id, Duration::from_nanos(*time), event),
            Event::Links(cuts) => self.cuts = (*cuts).clone(),
            Event::Node(seen) => self.node(seen),
            Event::Watched { behind, tally } => self.watch = Some((*behind, (*tally).clone())),
            Event::Alarm(alarm) => {
                let told = alarm.to_string();
                let at = told.strip_prefix("violation").unwrap_or(&told);
                self.alarm.get_or_insert_with(|| format!(", first{at}"));
            }
            Event::Note(_) => {}
        }
        said
    }

    /// The run's clock, once it goes.
    pub(super) fn clock(&self, now: Duration) -> Option<Duration> {
        self.zero.map(|zero| now.saturating_sub(zero))
    }

    /// Operations that are under way.
    pub(super) fn in_flight(&self) -> u64 {
        let Counts { ok, fail, info } = self.counts;
        self.invoked.saturating_sub(ok + fail + info)
    }

    /// The part of the run.
    pub(super) fn stage(&self) -> Option<Stage> {
        self.stage.as_ref().map(|(stage, ..)| *stage)
    }

    /// A fault as it was planned.
    pub(super) fn planned(&self, id: u32) -> Option<&PlannedFault> {
        self.plan.as_ref()?.faults.get((id as usize).checked_sub(1)?)
    }

    fn plan(&mut self, planned: &Planned<'_>) {
        let Planned { name, seed, nodes, time, faults, check_time, .. } = *planned;
        self.plan = Some(Plan { name: name.to_owned(), seed, time, check_time, faults: faults.to_vec() });
        self.nodes = nodes.iter().map(|node| Node { name: node.name.clone(), ..Node::default() }).collect();
    }

    fn fault(&mut self, id: u32, time: Duration, event: &JournalEvent) {
        let standing = match event {
            JournalEvent::Applying { description, .. } => {
                self.came.insert(id);
                let what = description.clone();
                self.faults.insert(id, Fault { what, since: time, standing: Standing::Unproven });
                return;
            }
            JournalEvent::Skipped { .. } | JournalEvent::Healed { .. } => {
                self.faults.remove(&id);
                return;
            }
            JournalEvent::Bit { .. } => Standing::Verified,
            JournalEvent::DidNotBite { .. } => Standing::DidNotBite,
            JournalEvent::Healing => Standing::Healing,
            JournalEvent::HealFailed { .. } => Standing::HealFailed,
        };
        if let Some(fault) = self.faults.get_mut(&id) {
            fault.standing = standing;
        }
    }

    fn node(&mut self, seen: &NodeSeen) {
        if let Some(node) = self.nodes.iter_mut().find(|node| node.name == seen.node) {
            node.seen = Some(seen.clone());
        }
        if let Some(leader) = self.leader_by(seen) {
            self.leader = Some(leader);
        }
    }

    /// Who leads now that this was seen, if that is new. One that still says so in an older term was
    /// deposed, and does not know it yet. Without terms nobody can tell, and the last to say so counts.
    pub(super) fn leader_by(&self, seen: &NodeSeen) -> Option<(String, Option<u64>)> {
        if seen.leads != Some(true) {
            return None;
        }
        let newer = self.leader.as_ref().is_none_or(|(node, known)| match seen.term {
            Some(_) => seen.term > *known,
            None => *node != seen.node,
        });
        newer.then(|| (seen.node.clone(), seen.term))
    }
}
