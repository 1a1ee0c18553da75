//! A run that could be made instead: options, and faults with the numbers that they have in the report. How
//! it can be made smaller; whether it then still fails is for others to find out. Pure, but for the
//! schedule that a command names.

use super::original::Original;
use crate::failure::Failure;
use crate::nemesis::fault::PlannedFault;
use crate::nemesis::schedule;
use crate::plan::{self, Plan, RunOptions};
use duress_targets::Registry;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

/// A fault that is shorter is not worth having.
const MIN_FAULT_MS: u64 = 500;
/// Milliseconds before the first fault of a run that begins with it.
pub(super) const LEAD_MS: u64 = 1_000;

/// A run that could be made.
#[derive(Clone, Debug)]
pub(super) struct Candidate {
    /// All but the schedule.
    pub(super) options: RunOptions,
    /// By time.
    pub(super) faults: Vec<Numbered>,
}

/// A fault, and its number in the report of the run that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Numbered {
    /// From 1.
    pub(super) number: u32,
    /// The fault.
    pub(super) planned: PlannedFault,
}

impl Candidate {
    /// The run as it was.
    pub(super) fn of(original: &Original) -> Self {
        let numbered =
            |(number, planned): (u32, &PlannedFault)| Numbered { number, planned: planned.clone() };
        Self {
            options: original.options.clone(),
            faults: (1..).zip(&original.faults).map(numbered).collect(),
        }
    }

    /// Arguments of `duress run`, and the same as a command, with the faults from this file.
    ///
    /// # Errors
    /// When there can be no such run.
    pub(super) fn command(
        &self,
        registry: &Registry,
        schedule: Option<&Path>,
    ) -> Result<(Vec<OsString>, String), Failure> {
        let some = schedule.filter(|_| !self.faults.is_empty()).map(Path::to_owned);
        let options = RunOptions {
            faults: some.is_none().then(|| vec!["none".to_owned()]),
            schedule: some,
            ..self.options.clone()
        };
        let version = options.version.clone();
        let command = Plan::new(registry, options)?.repeat(version.as_deref(), None);
        let args = plan::words(&command).into_iter().skip(2).map(OsString::from).collect();
        Ok((args, command))
    }

    /// Its faults as a file.
    pub(super) fn schedule(&self) -> String {
        let faults: Vec<PlannedFault> = self.faults.iter().map(|fault| fault.planned.clone()).collect();
        schedule::write(&faults)
    }

    /// With these faults.
    pub(super) fn with(&self, faults: Vec<Numbered>) -> Self {
        Self { faults, ..self.clone() }
    }

    /// With those faults for which this holds.
    pub(super) fn only(&self, wanted: impl Fn(&Numbered) -> bool) -> Self {
        self.with(self.faults.iter().filter(|fault| wanted(fault)).cloned().collect())
    }

    /// Over after so many milliseconds, and the faults with it.
    pub(super) fn cut(&self, time_ms: u64) -> Self {
        let mut cut = self.clone();
        cut.options.time = Duration::from_millis(time_ms);
        for fault in &mut cut.faults {
            fault.planned.end_by(time_ms);
        }
        cut.faults.retain(|fault| fault.planned.at_ms < time_ms && fault.planned.for_ms > 0);
        cut
    }

    /// Milliseconds that could be left out before the first fault.
    pub(super) fn idle_ms(&self) -> u64 {
        self.faults.iter().map(|fault| fault.planned.at_ms).min().unwrap_or(0).saturating_sub(LEAD_MS)
    }

    /// All of it so much earlier.
    pub(super) fn earlier(&self, by_ms: u64) -> Self {
        let mut earlier = self.clone();
        earlier.options.time = earlier.options.time.saturating_sub(Duration::from_millis(by_ms));
        for fault in &mut earlier.faults {
            fault.planned.at_ms = fault.planned.at_ms.saturating_sub(by_ms);
        }
        earlier
    }

    /// With a fault that lasts half as long; `None` where that is too short.
    pub(super) fn shorter(&self, number: u32) -> Option<Self> {
        let mut shorter = self.clone();
        let fault = shorter.faults.iter_mut().find(|fault| fault.number == number)?;
        let for_ms = fault.planned.for_ms / 2;
        fault.planned.for_ms = for_ms;
        (for_ms >= MIN_FAULT_MS).then_some(shorter)
    }

    /// On `n` of its nodes, which get the first names. Those that faults name stay as far as they can, some
    /// of each side of a partition.
    pub(super) fn on(&self, n: usize, names: &[String]) -> Self {
        let mut kept = in_turn(&self.faults);
        kept.extend(names.iter().cloned());
        let mut seen = BTreeSet::new();
        kept.retain(|name| seen.insert(name.clone()));
        kept.truncate(n);
        kept.sort();
        let renamed: BTreeMap<&String, String> =
            kept.iter().zip(1..).map(|(name, at)| (name, format!("n{at}"))).collect();
        let mut smaller = self.clone();
        smaller.options.nodes = Some(n);
        for fault in &mut smaller.faults {
            let Ok(mut value) = serde_json::to_value(&fault.planned) else { continue };
            rename(&mut value, names, &renamed);
            // What makes no sense any more is refused with the whole plan.
            if let Ok(planned) = serde_json::from_value(value) {
                fault.planned = planned;
            }
        }
        smaller
    }

    /// What its faults are called.
    pub(super) fn fault_names(&self) -> Vec<String> {
        self.faults.iter().map(|fault| self.name(fault)).collect()
    }

    /// `F4 pause n2`, as the report calls it; who leads is known when it strikes.
    pub(super) fn name(&self, fault: &Numbered) -> String {
        let names: Vec<String> = (1..=self.options.nodes.unwrap_or(1)).map(|n| format!("n{n}")).collect();
        let (kind, planned) = (fault.planned.fault.kind(), &fault.planned.fault);
        let mut what = planned.resolve(&names, 0).description;
        if planned.named().is_none() {
            for role in ["the leader", "the follower"] {
                let at = what.find(role).map(|at| at + role.len());
                what = at.map_or(what.clone(), |at| {
                    let rest =
                        what[at..].trim_start().trim_start_matches(|c: char| c.is_ascii_alphanumeric());
                    format!("{}{rest}", &what[..at])
                });
            }
        }
        let kind = if what.starts_with(kind) { String::new() } else { format!("{kind} ") };
        format!("F{} {kind}{what}", fault.number)
    }
}

/// The nodes that faults name, the first of each set, then the second of each, large sets first.
fn in_turn(faults: &[Numbered]) -> Vec<String> {
    let mut sets: Vec<Vec<String>> = Vec::new();
    for fault in faults {
        if let Ok(value) = serde_json::to_value(&fault.planned) {
            sets_of_names(&value, &mut sets);
        }
    }
    sets.sort_by_key(|set| std::cmp::Reverse(set.len()));
    let longest = sets.first().map_or(0, Vec::len);
    (0..longest).flat_map(|at| sets.iter().filter_map(move |set| set.get(at).cloned())).collect()
}

/// Lists of names, and names alone, wherever a fault has them.
fn sets_of_names(value: &Value, sets: &mut Vec<Vec<String>>) {
    let name = |value: &Value| value.as_str().filter(|text| is_name(text)).map(str::to_owned);
    match value {
        Value::String(_) => sets.extend(name(value).map(|name| vec![name])),
        Value::Array(items) => match items.iter().map(name).collect::<Option<Vec<_>>>() {
            Some(names) if !names.is_empty() => sets.push(names),
            _ => items.iter().for_each(|item| sets_of_names(item, sets)),
        },
        Value::Object(fields) => fields.values().for_each(|field| sets_of_names(field, sets)),
        _ => {}
    }
}

fn is_name(text: &str) -> bool {
    text.strip_prefix('n').is_some_and(|number| number.parse::<u8>().is_ok())
}

/// Gives nodes their new names; those that are gone leave the lists that they are in.
fn rename(value: &mut Value, names: &[String], renamed: &BTreeMap<&String, String>) {
    match value {
        Value::String(text) => {
            if let Some(new) = renamed.get(text) {
                *text = new.clone();
            }
        }
        Value::Array(items) => {
            let gone = |item: &Value| {
                item.as_str().is_some_and(|text| {
                    names.iter().any(|name| name == text) && !renamed.keys().any(|kept| *kept == text)
                })
            };
            items.retain(|item| !gone(item));
            items.iter_mut().for_each(|item| rename(item, names, renamed));
            items.retain(|item| item.as_array().is_none_or(|list| !list.is_empty()));
        }
        Value::Object(fields) => fields.values_mut().for_each(|field| rename(field, names, renamed)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nemesis::fault::{Fault, Victims};

    fn fault(number: u32, text: &str) -> Numbered {
        Numbered { number, planned: toml::from_str(text).expect("a fault") }
    }

    fn candidate(faults: &[&str]) -> Candidate {
        Candidate {
            options: RunOptions { target: "sim".to_owned(), seed: Some(1), ..RunOptions::default() },
            faults: (1..).zip(faults).map(|(number, text)| fault(number, text)).collect(),
        }
    }

    fn names(n: usize) -> Vec<String> {
        (1..=n).map(|n| format!("n{n}")).collect()
    }

    #[test]
    fn faults_are_called_what_the_report_calls_them() {
        let mut all = candidate(&[
            KILL,
            SPLIT,
            "at = '1s'\nfor = '1s'\nkind = 'pause'\nnodes = 'leader'",
            "at = '1s'\nfor = '1s'\nkind = 'partition'\nshape = { isolate = 'follower' }",
        ]);
        all.options.nodes = Some(5);
        let names = [
            "F1 kill n4",
            "F2 partition n1 n5 | n2 n3 n4",
            "F3 pause the leader",
            "F4 partition isolate the follower",
        ];
        assert_eq!(all.fault_names(), names);
    }

    const KILL: &str = "at = '12s'\nfor = '4s'\nkind = 'kill'\nnodes = ['n4']";
    const SPLIT: &str =
        "at = '8s'\nfor = '6s'\nkind = 'partition'\nshape = { groups = [['n1', 'n5'], ['n2', 'n3', 'n4']] }";

    #[test]
    fn a_cut_shortens_what_reaches_over_and_drops_what_comes_later() {
        let cut = candidate(&[SPLIT, KILL]).cut(10_000);
        assert_eq!(cut.options.time, Duration::from_secs(10));
        assert_eq!(cut.fault_names().len(), 1);
        assert_eq!((cut.faults[0].planned.at_ms, cut.faults[0].planned.for_ms), (8_000, 2_000));
        let early = cut.earlier(cut.idle_ms());
        assert_eq!((early.faults[0].planned.at_ms, early.options.time.as_secs()), (1_000, 3));
    }

    #[test]
    fn smaller_clusters_keep_both_sides_of_a_partition() {
        let small = candidate(&[SPLIT]).on(3, &names(5));
        let text = small.schedule();
        assert!(small.command(&Registry::builtin(), None).is_ok());
        let planned = &small.faults[0].planned;
        assert_eq!(planned.fault.named().map(|named| named.len()), Some(3), "{text}");
        assert!(!planned.fault.breaks_nothing(&names(3)), "{text}");
        let small = candidate(&[KILL]).on(3, &names(5));
        let Fault::Kill { nodes: Victims::Named(named), .. } = &small.faults[0].planned.fault else {
            panic!("{small:?}")
        };
        assert_eq!(named.len(), 1);
        assert!(names(3).contains(&named[0]), "{named:?}");
    }

    #[test]
    fn faults_are_halved_until_they_are_too_short() {
        let mut candidate = candidate(&[KILL]);
        let mut lengths = Vec::new();
        while let Some(shorter) = candidate.shorter(1) {
            candidate = shorter;
            lengths.push(candidate.faults[0].planned.for_ms);
        }
        assert_eq!(lengths, [2_000, 1_000, 500]);
    }

    #[test]
    fn what_cannot_be_is_refused_and_the_command_is_read_as_it_is_written() {
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join("a b.toml");
        let one = candidate(&[SPLIT]);
        std::fs::write(&file, one.schedule()).expect("written");
        let (args, command) = one.command(&Registry::builtin(), Some(&file)).expect("a command");
        assert!(command.starts_with("duress run sim --seed 1 "), "{command}");
        assert!(args.iter().any(|arg| arg == file.as_os_str()), "{args:?}");
        let mut few = one;
        few.options.nodes = Some(3);
        assert!(few.command(&Registry::builtin(), Some(&file)).is_err());
    }
}
