//! Findings, and which fault each of them fell into.

use super::fingerprint::Fingerprint;
use super::known::{self, KnownAs};
use super::{Proof, coincident};
use crate::artifact::{FaultWindow, Run};
use crate::words::{self, SECOND};
use duress_checkers::{Finding, Verdict};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// How long after a fault something still counts as just after it.
const JUST_AFTER: u64 = 2 * SECOND;
/// How far back a fault is worth naming.
const NEAR: u64 = 10 * SECOND;

/// A finding in the run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Placed {
    /// Counted from 1 over all checkers, as the report numbers them.
    pub number: u64,
    /// Who found it.
    pub checker: String,
    /// What kind it is.
    pub anomaly: String,
    /// One line.
    pub title: String,
    /// When the impossible result came back; nanoseconds.
    pub time: u64,
    /// The fault it fell into or just after, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<u32>,
    /// In words: `during F4 pause n4`. A coincidence in time, no more.
    pub relation: String,
    /// What it is recognised by in other runs, in hexadecimal; empty in files of older versions. The same
    /// for the same bug under other seeds, and another one under other settings of the target.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub fingerprint: String,
    /// The same in words, as far as it is no setting: `etcd register: stale read during partition; …`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub signature: String,
    /// What is probably the same bug, whatever faults and workload it came with: coarser than the
    /// fingerprint, in the same form. It excuses nothing.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub bug: String,
    /// The kinds of faults that it came with: `during kill+partition`, `just after pause`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub moment: String,
    /// How it is listed among the known ones, if it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub known: Option<KnownAs>,
    /// What else was the case then, in words: how the node that answered was, who led. Likewise.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub coincident: Vec<String>,
    /// What proves it again; absent where nothing smaller than the whole history does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proof: Option<Proof>,
}

/// Which faults a finding came with.
pub(super) enum Moment {
    /// While they were in effect.
    During(BTreeSet<String>),
    /// Soon after one.
    JustAfter(String),
    /// With none.
    Quiet,
}

impl Moment {
    /// `during kill+partition`.
    pub(super) fn words(&self) -> String {
        match self {
            Self::During(kinds) => {
                format!("during {}", kinds.iter().map(String::as_str).collect::<Vec<_>>().join("+"))
            }
            Self::JustAfter(kind) => format!("just after {kind}"),
            Self::Quiet => "without a fault".to_owned(),
        }
    }
}

/// In the order of the verdicts.
pub(super) fn place(run: &Run, verdicts: &[Verdict], end: u64) -> Vec<Placed> {
    (1..)
        .zip(in_order(verdicts))
        .map(|(number, (verdict, finding))| {
            let (fault, relation, moment) = relation(finding.time, &run.faults, end);
            let Fingerprint { hex, words, bug } = Fingerprint::new(run, verdict, finding, &moment);
            Placed {
                number,
                checker: verdict.checker.clone(),
                anomaly: finding.anomaly.clone(),
                title: finding.title.clone(),
                time: finding.time,
                fault,
                relation,
                known: known::mark(&run.info.known, &hex, &run.info.started),
                fingerprint: hex,
                bug,
                moment: moment.words(),
                signature: words,
                coincident: coincident::facts(run, finding, end),
                proof: Proof::new(run, number, finding),
            }
        })
        .collect()
}

/// Findings of one kind, by one checker, with one fault: usually one bug. In the order of the first of
/// each; that one stands for all of them.
pub(crate) fn grouped(findings: &[Placed]) -> Vec<Vec<&Placed>> {
    let mut groups: Vec<Vec<&Placed>> = Vec::new();
    for finding in findings {
        let same = |group: &&mut Vec<&Placed>| {
            let first = group[0];
            (&first.checker, &first.anomaly, first.fault)
                == (&finding.checker, &finding.anomaly, finding.fault)
        };
        match groups.iter_mut().find(same) {
            Some(group) => group.push(finding),
            None => groups.push(vec![finding]),
        }
    }
    groups
}

/// All findings, as they are numbered.
pub(crate) fn in_order(verdicts: &[Verdict]) -> impl Iterator<Item = (&Verdict, &Finding)> {
    verdicts.iter().flat_map(|v| v.findings.iter().map(move |f| (v, f)))
}

fn relation(time: u64, faults: &[FaultWindow], end: u64) -> (Option<u32>, String, Moment) {
    let active =
        |w: &&FaultWindow| w.span_in_effect(end).is_some_and(|(from, to)| (from..=to).contains(&time));
    let during: Vec<&FaultWindow> = faults.iter().filter(active).collect();
    if let Some(last) = during.last() {
        let names: Vec<String> = during.iter().map(|w| w.name()).collect();
        let kinds = during.iter().map(|w| w.kind.clone()).collect();
        return (Some(last.id), format!("during {}", words::list(&names)), Moment::During(kinds));
    }
    let ended = faults.iter().filter(|w| w.bit()).filter_map(|w| Some((w.heal.filter(|t| *t < time)?, w)));
    match ended.max_by_key(|(heal, w)| (*heal, w.id)) {
        Some((heal, w)) if time - heal <= JUST_AFTER => {
            (Some(w.id), format!("just after {}", w.name()), Moment::JustAfter(w.kind.clone()))
        }
        Some((heal, w)) if time - heal <= NEAR => {
            (None, format!("{} after {}", words::span(time - heal), w.name()), Moment::Quiet)
        }
        _ => (None, "no fault within 10 s before".to_owned(), Moment::Quiet),
    }
}
