//! `faults.jsonl`: the journal of the nemesis, and the windows it adds up to.

use serde::{Deserialize, Serialize};

/// One line of the journal. It is on disk (fsynced) before the fault is applied.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JournalEntry {
    /// The fault, counted from 1 in the order of the schedule.
    pub fault: u32,
    /// Nanoseconds since the start of the run's clock.
    pub time: u64,
    /// What happened to it.
    #[serde(flatten)]
    pub event: JournalEvent,
}

/// The life of a fault.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum JournalEvent {
    /// About to be applied; carries all that an undo needs.
    Applying {
        /// `kill`, `pause`, `partition`.
        kind: String,
        /// In words: `partition n1 n2 | n3 n4 n5`.
        description: String,
        /// Nodes it disrupts.
        nodes: Vec<String>,
        /// What an undo needs, such as process ids.
        undo: serde_json::Value,
    },
    /// In effect, as probed.
    Bit {
        /// What the probe saw: `6 of 6 links drop their probe`.
        evidence: String,
    },
    /// Applied, but the probe saw no effect.
    DidNotBite {
        /// What the probe saw.
        evidence: String,
    },
    /// Could not be applied: there was nothing to break (no leader to isolate, …).
    Skipped {
        /// Why.
        why: String,
    },
    /// About to be undone.
    Healing,
    /// Undone, as probed.
    Healed {
        /// What it did while it lasted: `412 frames dropped`.
        evidence: String,
    },
    /// The undo failed.
    HealFailed {
        /// Why.
        why: String,
    },
}

/// A fault from start to end, folded from the journal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FaultWindow {
    /// Counted from 1.
    pub id: u32,
    /// `kill`, `pause`, `partition`.
    pub kind: String,
    /// In words.
    pub description: String,
    /// Nodes it disrupts.
    pub nodes: Vec<String>,
    /// When it was being applied; nanoseconds.
    pub start: u64,
    /// When the probe saw it; absent if it never did.
    pub in_effect: Option<u64>,
    /// When the undo began; absent if the run ended first.
    pub heal: Option<u64>,
    /// When the undo was seen to be complete.
    pub healed: Option<u64>,
    /// What the probes saw, or why it was skipped.
    pub evidence: Vec<String>,
    /// It was never applied, and so neither bit nor failed to.
    pub skipped: bool,
    /// Links that it cut: from, to, counted from 0 in the order of the nodes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cut: Vec<(u32, u32)>,
}

impl FaultWindow {
    /// Was it seen to have an effect?
    pub fn bit(&self) -> bool {
        self.in_effect.is_some()
    }

    /// What the probe saw, whatever the undo saw later.
    pub(crate) fn probed(&self) -> &str {
        self.evidence.first().map_or("it was not probed", String::as_str)
    }

    /// `F4 pause n4`. Descriptions usually begin with the kind; if not, it is put in front.
    pub(crate) fn name(&self) -> String {
        if self.description.starts_with(&self.kind) {
            format!("F{} {}", self.id, self.description)
        } else {
            format!("F{} {} {}", self.id, self.kind, self.description)
        }
    }

    /// From when to when it was in effect, if it ever was; `end` closes a window that nobody
    /// healed.
    pub(crate) fn span_in_effect(&self, end: u64) -> Option<(u64, u64)> {
        self.in_effect.map(|from| (from, self.heal.unwrap_or(end)))
    }
}

/// Folds a journal into windows, by fault.
pub fn windows(journal: &[JournalEntry]) -> Vec<FaultWindow> {
    let mut windows: Vec<FaultWindow> = Vec::new();
    for entry in journal {
        if let JournalEvent::Applying { kind, description, nodes, undo } = &entry.event {
            windows.push(FaultWindow {
                id: entry.fault,
                kind: kind.clone(),
                description: description.clone(),
                nodes: nodes.clone(),
                start: entry.time,
                in_effect: None,
                heal: None,
                healed: None,
                evidence: Vec::new(),
                skipped: false,
                cut: cut(kind, undo),
            });
            continue;
        }
        let Some(window) = windows.iter_mut().rev().find(|w| w.id == entry.fault) else { continue };
        match &entry.event {
            JournalEvent::Applying { .. } => {}
            JournalEvent::Bit { evidence } => {
                window.in_effect = Some(entry.time);
                window.evidence.push(evidence.clone());
            }
            JournalEvent::DidNotBite { evidence } => window.evidence.push(evidence.clone()),
            JournalEvent::Skipped { why } => {
                window.skipped = true;
                window.evidence.push(why.clone());
            }
            JournalEvent::Healing => window.heal = Some(entry.time),
            JournalEvent::Healed { evidence } => {
                window.healed = Some(entry.time);
                window.evidence.push(evidence.clone());
            }
            JournalEvent::HealFailed { why } => window.evidence.push(format!("heal failed: {why}")),
        }
    }
    windows
}

/// The links of a cut, as its undo lists them. Faults of packets list links too, but let frames
/// pass.
fn cut(kind: &str, undo: &serde_json::Value) -> Vec<(u32, u32)> {
    if kind.starts_with("packet") {
        return Vec::new();
    }
    undo.get("links").and_then(|links| Vec::deserialize(links).ok()).unwrap_or_default()
}
