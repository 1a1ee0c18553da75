//! Findings, and which fault each of them fell into.

use super::fingerprint::Fingerprint;
use super::known::{self, KnownAs};
use super::{Proof, coincident, moment};
use crate::artifact::Run;
use duress_checkers::{Finding, Verdict};
use serde::{Deserialize, Serialize};

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
    /// The fault it fell into or just after, if any: of those that touch a node of its proof, if there are.
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

/// In the order of the verdicts.
pub(super) fn place(run: &Run, verdicts: &[Verdict], end: u64) -> Vec<Placed> {
    (1..)
        .zip(in_order(verdicts))
        .map(|(number, (verdict, finding))| {
            let (fault, relation, moment) = moment::relation(run, finding, end);
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
