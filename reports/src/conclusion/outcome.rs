//! The one answer, and the words for it.
//!
//! A violation is never masked: not by a run that failed, not by a fault that did nothing,
//! not by another checker that gave up, not by one beside it that is known. And nothing but a run that did what it was asked to
//! do is a pass.

use super::gates::Gate;
use super::known::{Left, excused, left, with_findings};
use super::{ErrorRow, Evidence, FaultEffect, FaultState, Placed, crash, gated};
use crate::artifact::{FaultWindow, Run, RunStatus};
use crate::words::{self, count, counted};
use duress_checkers::history::class;
use duress_checkers::{Valid, Verdict};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// The answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// No violation, in a run that can be trusted.
    Valid,
    /// What the clients saw is not allowed, or another promise was broken: it did not come back, or left
    /// a limit that was set.
    Violation,
    /// A server ended by itself, and nothing else was found.
    Crash,
    /// It is not, and all of it is known already: nothing else was found, in a run that can be trusted.
    Known,
    /// A checker gave up, and no other found a violation.
    Unknown,
    /// The run did not do what it was asked to do: it proves nothing.
    Inconclusive,
    /// The run broke down, and not by what it tests: no cluster could be made, a disk was full. Files of
    /// older versions say `failed`.
    #[serde(alias = "failed")]
    Infrastructure,
}

impl Outcome {
    /// Of the process.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Valid | Self::Known => 0,
            Self::Violation | Self::Crash => 1,
            Self::Unknown => 2,
            Self::Inconclusive | Self::Infrastructure => 3,
        }
    }

    /// Is it about the target, and bad?
    pub fn is_finding(self) -> bool {
        matches!(self, Self::Violation | Self::Crash)
    }

    /// One word, as in `verdict.json`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Valid => "valid",
            Self::Violation => "violation",
            Self::Crash => "crash",
            Self::Known => "known",
            Self::Unknown => "unknown",
            Self::Inconclusive => "inconclusive",
            Self::Infrastructure => "infrastructure",
        }
    }
}

/// What decides.
pub(super) struct Facts<'a> {
    pub(super) run: &'a Run,
    pub(super) verdicts: &'a [Verdict],
    pub(super) faults: &'a [FaultEffect],
    pub(super) evidence: &'a Evidence,
    pub(super) findings: &'a [Placed],
    pub(super) errors: &'a [ErrorRow],
    pub(super) gates: &'a [Gate],
}

/// The decision.
pub(super) struct Decided {
    pub(super) outcome: Outcome,
    pub(super) headline: String,
    pub(super) lede: String,
    pub(super) reasons: Vec<String>,
}

pub(super) fn decide(facts: &Facts<'_>) -> Decided {
    let failure = facts.failure();
    let doubts = facts.doubts();
    let unknown = facts.unknown();
    let outcome = if facts.counting().any(|verdict| verdict.checker != crash::CHECKER) {
        Outcome::Violation
    } else if facts.counting().next().is_some() {
        Outcome::Crash
    } else if failure.is_some() {
        Outcome::Infrastructure
    } else if !doubts.is_empty() {
        Outcome::Inconclusive
    } else if !unknown.is_empty() {
        Outcome::Unknown
    } else if facts.excused().next().is_some() {
        Outcome::Known
    } else {
        Outcome::Valid
    };
    // Of a run that broke down it need not be said that it did too little.
    let doubts = if failure.is_some() { facts.run.info.doubts.clone() } else { doubts };
    let reasons: Vec<String> = failure.into_iter().chain(doubts).chain(unknown).collect();
    let headline = facts.headline(outcome, &reasons) + &facts.cut();
    Decided { outcome, headline, lede: facts.lede(outcome), reasons }
}

impl Facts<'_> {
    /// Verdicts with a violation that counts: one that is not known will do.
    fn counting(&self) -> impl Iterator<Item = &Verdict> {
        self.with_findings().filter(|(v, f)| v.valid == Valid::Violation && !excused(v, f)).map(|(v, _)| v)
    }

    /// Verdicts with violations, all of which are known.
    fn excused(&self) -> impl Iterator<Item = &Verdict> {
        self.with_findings().filter(|(verdict, findings)| excused(verdict, findings)).map(|(v, _)| v)
    }

    fn with_findings(&self) -> impl Iterator<Item = (&Verdict, &[Placed])> {
        with_findings(self.verdicts, self.findings)
    }

    fn failure(&self) -> Option<String> {
        let failed = self.run.info.status == RunStatus::Failed;
        failed.then(|| match &self.run.info.failure {
            Some(failure) => format!("{}: {}", failure.what, failure.why),
            None => "the run broke down without saying why".to_owned(),
        })
    }

    /// Everything that keeps the run from proving anything.
    fn doubts(&self) -> Vec<String> {
        let Evidence { total, ok_reads, ok_writes, .. } = self.evidence;
        let mut doubts = Vec::new();
        match self.run.info.status {
            RunStatus::Finished if self.run.truncated => {
                doubts
                    .push("the run finished, but its history breaks off in the middle of a line".to_owned());
            }
            // What it was to show comes at its end: the last faults, healing, the final reads.
            RunStatus::Running => doubts.push("the run was cut off before its end".to_owned()),
            RunStatus::Interrupted => doubts.push(match &self.run.info.stopped {
                Some(why) => format!("the run was stopped before its end: {why}"),
                None => "the run was stopped before its end".to_owned(),
            }),
            RunStatus::Finished | RunStatus::Failed => {}
        }
        if self.verdicts.is_empty() {
            doubts.push("nothing was checked".to_owned());
        }
        let min_ok = self.run.info.gates.min_ok.max(1);
        if total.ok < min_ok {
            let ok = match total.ok {
                0 => "no operation".to_owned(),
                n => format!("only {}", counted(n, "operation", "operations")),
            };
            doubts.push(format!("{ok} succeeded, and {min_ok} needed"));
        }
        if total.ok > 0 && *ok_reads == 0 {
            doubts.push("no read succeeded: nothing shows what the system holds".to_owned());
        }
        if total.ok > 0 && *ok_writes == 0 {
            doubts.push("no write succeeded: there was nothing to lose".to_owned());
        }
        doubts.extend(self.toothless());
        doubts.extend(self.missing_kinds());
        if !self.run.info.gates.kinds.is_empty() && self.evidence.ok_under_fault == 0 && !self.all_down() {
            doubts.push("no operation succeeded while a fault was in effect".to_owned());
        }
        for fault in self.faults.iter().filter(|f| f.window.in_effect.is_some() && f.window.healed.is_none())
        {
            doubts.push(format!("{} was not seen to be undone", fault.window.name()));
        }
        if let Some(unread @ 1..) = self.evidence.without_final_read {
            let of = self.evidence.keys.unwrap_or(unread);
            doubts.push(format!("{unread} of {} have no final read", counted(of, "key", "keys")));
        }
        doubts.extend(self.excused().filter_map(|verdict| match left(verdict) {
            Left::All(why) => Some(why),
            Left::Undecided(_) | Left::Nothing => None,
        }));
        doubts.extend(gated::doubts(self.gates));
        doubts.extend(self.garbled());
        doubts.extend(self.run.info.doubts.iter().cloned());
        doubts
    }

    /// Did every fault that bit take most of the nodes? Then nothing can succeed while it lasts; what
    /// it did to the data shows afterwards.
    fn all_down(&self) -> bool {
        let mut bit = self.faults.iter().filter(|fault| fault.state == FaultState::Bit).peekable();
        let most = self.run.info.nodes.len() / 2;
        bit.peek().is_some() && bit.all(|fault| fault.window.nodes.len() > most)
    }

    /// Faults without effect, where no other of their kind had one. One among many that bit marks the run
    /// (see [`super::trust`]) but does not undo what the others showed: with many faults at once, some
    /// always find their victim down.
    fn toothless(&self) -> impl Iterator<Item = String> {
        let bit: BTreeSet<&str> = self.of_state(FaultState::Bit).map(|f| f.window.kind.as_str()).collect();
        self.of_state(FaultState::DidNotBite)
            .filter(move |fault| !bit.contains(fault.window.kind.as_str()))
            .map(FaultEffect::toothless)
    }

    fn of_state(&self, state: FaultState) -> impl Iterator<Item = &FaultEffect> {
        self.faults.iter().filter(move |fault| fault.state == state)
    }

    /// Kinds that were asked for, and of which no fault bit while a client had a call open.
    fn missing_kinds(&self) -> impl Iterator<Item = String> {
        let noticed = |f: &&FaultEffect| {
            f.state == FaultState::Bit && (f.ok + f.fail + f.info > 0 || self.met(&f.window))
        };
        let bit: BTreeSet<&str> =
            self.faults.iter().filter(noticed).map(|f| f.window.kind.as_str()).collect();
        let missing = self.run.info.gates.kinds.iter().filter(move |kind| !bit.contains(kind.as_str()));
        missing.map(|kind| format!("no {kind} took effect while clients were at work, and it was asked for"))
    }

    /// Was a call open while this fault was applied, in effect or undone? What is over in an instant, such as
    /// a change of leaders, may be seen to be in effect between two calls.
    fn met(&self, window: &FaultWindow) -> bool {
        let until = window.healed.or(window.heal).unwrap_or(u64::MAX);
        self.run
            .history
            .calls()
            .any(|call| call.invoke.time <= until && call.completion.is_none_or(|op| op.time >= window.start))
    }

    /// Answers that a client could not make sense of, and clients that broke down: the history
    /// holds nothing of what the system said there.
    fn garbled(&self) -> impl Iterator<Item = String> {
        let rows =
            self.errors.iter().filter(|row| [class::PROTOCOL, class::PANIC].contains(&row.class.as_str()));
        rows.map(|row| {
            format!(
                "{} ended in the error class `{}`",
                counted(row.total, "operation", "operations"),
                row.class
            )
        })
    }

    fn unknown(&self) -> Vec<String> {
        let gave_up = self.verdicts.iter().filter(|v| v.valid == Valid::Unknown);
        let gave_up = gave_up.map(|v| {
            let why = v.reason.as_deref().unwrap_or("it does not say why");
            format!("the checker `{}` gave up: {why}", v.checker)
        });
        let undecided = self.excused().filter_map(|verdict| match left(verdict) {
            Left::Undecided(why) => Some(why),
            Left::All(_) | Left::Nothing => None,
        });
        gave_up.chain(undecided).collect()
    }

    fn headline(&self, outcome: Outcome, reasons: &[String]) -> String {
        let first = |word: &str| match reasons {
            [] => word.to_owned(),
            [one] => format!("{word}: {one}"),
            [one, rest @ ..] => {
                format!("{word}: {one} (and {})", counted(rest.len() as u64, "more reason", "more reasons"))
            }
        };
        match outcome {
            Outcome::Valid => "No violation found".to_owned(),
            Outcome::Unknown => first("Unknown"),
            Outcome::Inconclusive => first("Inconclusive"),
            Outcome::Infrastructure => match &self.run.info.failure {
                Some(failure) => format!("The run failed: {}", failure.what),
                None => "The run failed".to_owned(),
            },
            Outcome::Crash => {
                let first = self.findings.iter().find(|finding| !finding.is_known());
                let first = first.map_or("a server ended by itself", |finding| finding.title.as_str());
                format!("Crash: {first}{}", self.more())
            }
            Outcome::Violation => self.violation(),
            Outcome::Known => format!("Only known violations: {}", self.first_title(self.findings)),
        }
    }

    fn violation(&self) -> String {
        let broken: Vec<String> = self.counting().map(|v| format!("not {}", v.checker)).collect();
        let broken = words::list(&broken).replacen('n', "N", 1);
        // The first that counts, and not one beside it that is known.
        let first = self.findings.iter().position(|finding| !finding.is_known());
        match first.map_or(self.findings, |at| &self.findings[at..]) {
            [] => broken,
            [one, ..] => format!("{broken}: {}{}", one.title, self.more()),
        }
    }

    fn first_title(&self, findings: &[Placed]) -> String {
        findings.first().map_or_else(String::new, |one| format!("{}{}", one.title, self.more()))
    }

    /// Besides the one that is named.
    fn more(&self) -> String {
        let omitted: u64 = self.verdicts.iter().map(|v| v.findings_omitted).sum();
        match (self.findings.len() as u64 + omitted).saturating_sub(1) {
            0 => String::new(),
            more => format!(" (and {} more)", count(more)),
        }
    }

    /// When the run did not come to its end.
    fn cut(&self) -> String {
        let when = || words::span(self.evidence.duration_ns);
        match self.run.info.status {
            RunStatus::Interrupted => format!(" (interrupted at {})", when()),
            RunStatus::Running => format!(" (cut off at {})", when()),
            RunStatus::Finished | RunStatus::Failed => String::new(),
        }
    }

    fn lede(&self, outcome: Outcome) -> String {
        match outcome {
            Outcome::Violation | Outcome::Crash => self.lede_of_violation(),
            Outcome::Infrastructure => {
                let failure = self.run.info.failure.as_ref();
                let why = failure
                    .map_or(String::new(), |f| format!("{}. What to do: {}. ", stop(&f.why), stop(&f.fix)));
                format!("{why}{}", self.exercised())
            }
            Outcome::Inconclusive => {
                let found = match self.nothing_was_checked() {
                    true => "Nothing was checked, and".to_owned(),
                    false => format!("No {}violation was found, but", self.other()),
                };
                let exercised = self.exercised();
                format!("{found} this run proves nothing: it did not do what it was asked to do. {exercised}")
            }
            Outcome::Unknown => format!(
                "No {}violation was found in what was checked, but not everything was checked. {}",
                self.other(),
                self.exercised()
            ),
            Outcome::Known => format!(
                "All that was found is listed as known, and does not count until its day comes. On the keys where \
                 it was found nothing else was looked for. {}",
                self.exercised()
            ),
            Outcome::Valid => {
                let checkers: Vec<String> =
                    self.verdicts.iter().map(|v| format!("`{}`", v.checker)).collect();
                format!(
                    "{} Nothing in it contradicts {}. That is evidence, not proof.",
                    self.exercised(),
                    words::list(&checkers)
                )
            }
        }
    }

    /// There are checkers, and each gave up before it had looked at anything.
    fn nothing_was_checked(&self) -> bool {
        let looked = |v: &Verdict| v.valid != Valid::Unknown || !v.stats.is_empty();
        !self.verdicts.is_empty() && !self.verdicts.iter().any(looked)
    }

    /// Before `violation`, where there are known ones.
    fn other(&self) -> &'static str {
        if self.excused().next().is_some() { "other " } else { "" }
    }

    fn lede_of_violation(&self) -> String {
        let placed = || super::placed::in_order(self.verdicts).zip(self.findings);
        let first = placed().find(|(_, placed)| !placed.is_known()).or_else(|| placed().next());
        let Some(((_, finding), placed)) = first else { return self.exercised() };
        let mut lede = format!("{}.", stop(&finding.sentence));
        let came = if finding.counterexample.is_some() { "The answer came" } else { "That was" };
        match placed.fault {
            Some(_) if placed.coincident.is_empty() => lede.push_str(&format!(
                " {came} {}: a coincidence in time; whether it is the cause is for you to judge.",
                placed.relation
            )),
            Some(_) => lede.push_str(&format!(
                " {came} {}; {}: coincidences in time; whether one is the cause is for you to judge.",
                placed.relation,
                placed.coincident.join("; ")
            )),
            None => {
                lede.push_str(&format!(" {came} at {} ({}).", words::at(placed.time), placed.relation));
                lede.push_str(&self.first_with_a_fault());
            }
        }
        if self.run.info.status == RunStatus::Failed {
            lede.push_str(" The run broke down as well; that does not excuse it.");
        }
        lede
    }

    /// The first finding that a fault may have to do with, where the first of all has none.
    fn first_with_a_fault(&self) -> String {
        let Some(first) = self.findings.iter().find(|f| f.fault.is_some() && !f.is_known()) else {
            return String::new();
        };
        format!(
            " The first to come with a fault is the {}, at {}, {}.",
            first.title,
            words::at(first.time),
            first.relation
        )
    }

    /// What was done, in one or two sentences.
    fn exercised(&self) -> String {
        let e = self.evidence;
        if e.total.calls() == 0 {
            return "No operation was invoked.".to_owned();
        }
        let keys = e.keys.map_or(String::new(), |k| format!(" on {}", counted(k, "key", "keys")));
        let mut text = format!(
            "{} of {}{keys} succeeded in {}",
            count(e.total.ok),
            counted(e.total.calls(), "operation", "operations"),
            words::span(e.duration_ns)
        );
        if e.under_fault_ns > 0 {
            text.push_str(&format!(
                ", {} of them while a fault was in effect ({})",
                count(e.ok_under_fault),
                words::span(e.under_fault_ns)
            ));
        }
        text + "."
    }
}

/// Without its full stop, for a sentence of our own around it.
fn stop(text: &str) -> &str {
    text.trim_end().trim_end_matches('.')
}
