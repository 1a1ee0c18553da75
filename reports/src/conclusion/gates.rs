//! What a run is held to beyond its checkers: how much it has to have exercised, and how long the target
//! may be away.
//!
//! `ok-during=10`, `max-unavailable.partition.leader=5s`, `sometimes=leader-changed:finding`: a name,
//! perhaps a kind of fault and the role of its victim, a value, and perhaps what it means to miss it.
//! A run that shows too little is inconclusive, and a target that stays away for too long is a finding,
//! unless the gate says otherwise.

use crate::words::{self, SECOND};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::str::FromStr;

/// Goals that are seen in the run itself; others are looked for in the nodes' logs.
pub const GOALS: [&str; 6] =
    ["leader-changed", "node-down", "node-paused", "node-silent", "no-answer", "in-doubt"];
/// Goals that the target's logs tell of, where it is known how.
pub const LOG_GOALS: [&str; 2] = ["snapshot-installed", "follower-lagged"];
/// Before a text that a node has to have logged.
pub const LOG: &str = "log:";

/// What a run has to have done before it may pass; decided when it starts, and kept in `run.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gates {
    /// Fewer `ok` calls prove nothing; less than one never passes.
    pub min_ok: u64,
    /// Kinds of faults that were asked for: at least one of each has to bite while clients call.
    pub kinds: BTreeSet<String>,
    /// Further ones, as the user set them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<Rule>,
}

impl Default for Gates {
    /// Ten calls, no faults.
    fn default() -> Self {
        Self { min_ok: 10, kinds: BTreeSet::new(), rules: Vec::new() }
    }
}

/// One gate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Rule {
    /// What is demanded.
    pub demand: Demand,
    /// What it means if it is not met.
    pub missed: Missed,
}

/// What a gate demands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Demand {
    /// So many `ok` operations at each fault: `ok-before`, `ok-during`, `ok-after`.
    Ok(When, Scope, u64),
    /// So many times another node leads: `leader-changes`.
    LeaderChanges(u64),
    /// Nanoseconds without any answer at a fault, at most: `max-unavailable`.
    MaxUnavailable(Scope, u64),
    /// Nanoseconds from a fault's end to the usual rate, at most: `max-recovery`.
    MaxRecovery(Scope, u64),
    /// This has to have happened: `sometimes`.
    Sometimes(String),
}

/// Before a fault, and since the one before it was undone; while it is in effect; after it was undone,
/// until the next one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// `ok-before`
    Before,
    /// `ok-during`
    During,
    /// `ok-after`
    After,
}

/// Which faults a gate is about: all, or those of a kind, or of a kind with a victim of that role.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    /// `partition`
    pub kind: Option<String>,
    /// What a victim was when the fault began.
    pub role: Option<Role>,
}

/// What a node was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It said that it leads.
    Leader,
    /// It said that it does not.
    Follower,
}

/// What it means that a gate was missed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Missed {
    /// The target is not as it has to be: a violation.
    Finding,
    /// The run does not count.
    Inconclusive,
}

impl FromStr for Rule {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, value) = text.split_once('=').ok_or("write it as NAME=VALUE")?;
        let (value, missed) = match value.rsplit_once(':') {
            Some((value, "finding")) => (value, Some(Missed::Finding)),
            Some((value, "inconclusive")) => (value, Some(Missed::Inconclusive)),
            _ => (value, None),
        };
        let mut parts = name.split('.');
        let name = parts.next().unwrap_or_default();
        let scope = Scope::parse(parts)?;
        let least = || value.parse::<u64>().map_err(|_| format!("`{value}` is no number"));
        let whole_run = |demand| match &scope {
            Scope { kind: None, role: None } => Ok(demand),
            _ => Err(format!("`{name}` is about the whole run, not about one kind of fault")),
        };
        let demand = match name {
            "ok-before" => Demand::Ok(When::Before, scope, least()?),
            "ok-during" => Demand::Ok(When::During, scope, least()?),
            "ok-after" => Demand::Ok(When::After, scope, least()?),
            "leader-changes" => whole_run(Demand::LeaderChanges(least()?))?,
            "max-unavailable" => Demand::MaxUnavailable(scope, span(value)?),
            "max-recovery" => Demand::MaxRecovery(scope, span(value)?),
            "sometimes" if is_goal(value) => whole_run(Demand::Sometimes(value.to_owned()))?,
            "sometimes" => {
                let goals = [&GOALS[..], &LOG_GOALS[..]].concat().join(", ");
                return Err(format!("there is no goal `{value}`; choose from {goals}, {LOG}TEXT"));
            }
            _ => {
                return Err(format!(
                    "there is no gate `{name}`; choose from ok-before, ok-during, ok-after, leader-changes, \
                     max-unavailable, max-recovery, sometimes"
                ));
            }
        };
        let usual = match demand {
            Demand::MaxUnavailable(..) | Demand::MaxRecovery(..) => Missed::Finding,
            Demand::Ok(..) | Demand::LeaderChanges(_) | Demand::Sometimes(_) => Missed::Inconclusive,
        };
        Ok(Self { missed: missed.unwrap_or(usual), demand })
    }
}

fn is_goal(value: &str) -> bool {
    GOALS.contains(&value)
        || LOG_GOALS.contains(&value)
        || value.strip_prefix(LOG).is_some_and(|text| !text.trim().is_empty())
}

/// `500ms`, `5s`, `2m`, in nanoseconds.
fn span(value: &str) -> Result<u64, String> {
    let units = [("ms", SECOND / 1_000), ("s", SECOND), ("m", 60 * SECOND)];
    let parsed =
        units.iter().find_map(|(unit, ns)| value.strip_suffix(unit)?.parse::<u64>().ok()?.checked_mul(*ns));
    parsed.ok_or_else(|| format!("`{value}` is no length of time; write it as 500ms, 5s or 2m"))
}

impl Scope {
    fn parse<'a>(mut parts: impl Iterator<Item = &'a str>) -> Result<Self, String> {
        let kind = parts.next().map(str::to_owned);
        let role = match parts.next() {
            None => None,
            Some("leader") => Some(Role::Leader),
            Some("follower") => Some(Role::Follower),
            Some(other) => return Err(format!("`{other}` is no role: a victim is a leader or a follower")),
        };
        match (parts.next(), kind.as_deref()) {
            (Some(_), _) | (_, Some("")) => Err("write it as NAME.KIND.ROLE".to_owned()),
            _ => Ok(Self { kind, role }),
        }
    }

    fn suffix(&self) -> String {
        let role = self.role.map(|role| match role {
            Role::Leader => ".leader",
            Role::Follower => ".follower",
        });
        let kind = self.kind.as_ref().map_or(String::new(), |kind| format!(".{kind}"));
        format!("{kind}{}", role.unwrap_or_default())
    }
}

impl Demand {
    /// `max-unavailable.partition`: the name without the value.
    pub(super) fn name(&self) -> String {
        match self {
            Self::Ok(When::Before, scope, _) => format!("ok-before{}", scope.suffix()),
            Self::Ok(When::During, scope, _) => format!("ok-during{}", scope.suffix()),
            Self::Ok(When::After, scope, _) => format!("ok-after{}", scope.suffix()),
            Self::LeaderChanges(_) => "leader-changes".to_owned(),
            Self::MaxUnavailable(scope, _) => format!("max-unavailable{}", scope.suffix()),
            Self::MaxRecovery(scope, _) => format!("max-recovery{}", scope.suffix()),
            Self::Sometimes(goal) => format!("sometimes {goal}"),
        }
    }

    /// The kind of fault that it is about, if it is about one.
    pub fn kind(&self) -> Option<&str> {
        match self {
            Self::Ok(_, scope, _) | Self::MaxUnavailable(scope, _) | Self::MaxRecovery(scope, _) => {
                scope.kind.as_deref()
            }
            Self::LeaderChanges(_) | Self::Sometimes(_) => None,
        }
    }

    /// The goal that is looked for in the nodes' logs, if it is one.
    pub fn log_goal(&self) -> Option<&str> {
        match self {
            Self::Sometimes(goal) if !GOALS.contains(&goal.as_str()) => Some(goal),
            _ => None,
        }
    }
}

/// As it is typed.
impl std::fmt::Display for Rule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = self.demand.name();
        let ms = |ns: &u64| format!("{}ms", ns / (SECOND / 1_000));
        let value = match &self.demand {
            Demand::Ok(.., least) | Demand::LeaderChanges(least) => least.to_string(),
            Demand::MaxUnavailable(_, most) | Demand::MaxRecovery(_, most) => ms(most),
            Demand::Sometimes(goal) => goal.clone(),
        };
        let name = name.split(' ').next().unwrap_or(&name);
        let missed = match self.missed {
            Missed::Finding => "finding",
            Missed::Inconclusive => "inconclusive",
        };
        write!(f, "{name}={value}:{missed}")
    }
}

impl TryFrom<String> for Rule {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Rule> for String {
    fn from(rule: Rule) -> Self {
        rule.to_string()
    }
}

/// How a gate came out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gate {
    /// The gate, as it is typed.
    pub gate: Rule,
    /// Was it met?
    pub state: GateState,
    /// Why, in words.
    pub text: String,
    /// When the fault that missed it took effect; nanoseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<u64>,
}

/// Was a gate met?
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GateState {
    /// It was.
    Met,
    /// It was not.
    Missed,
    /// Nobody can say: the run did not show it.
    Undecided,
}

impl Gate {
    /// Does it keep the run from counting?
    pub(super) fn is_doubt(&self) -> bool {
        match self.state {
            GateState::Met => false,
            GateState::Undecided => true,
            GateState::Missed => self.gate.missed == Missed::Inconclusive,
        }
    }

    /// `gate max-recovery=5s missed: …`
    pub(crate) fn words(&self) -> String {
        let state = match self.state {
            GateState::Met => "met",
            GateState::Missed => "missed",
            GateState::Undecided => "neither met nor missed",
        };
        format!("the gate `{}` was {state}: {}", self.gate, self.text)
    }
}

pub(super) fn at_most(ns: u64) -> String {
    format!("at most {} allowed", words::span(ns))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gate_reads_as_it_is_written() {
        for (typed, written) in [
            ("ok-during=10", "ok-during=10:inconclusive"),
            ("ok-before.kill=1:finding", "ok-before.kill=1:finding"),
            ("leader-changes=2", "leader-changes=2:inconclusive"),
            ("max-unavailable.partition.leader=5s", "max-unavailable.partition.leader=5000ms:finding"),
            ("max-recovery=2m:inconclusive", "max-recovery=120000ms:inconclusive"),
            ("sometimes=leader-changed", "sometimes=leader-changed:inconclusive"),
            ("sometimes=log:a: b=c:finding", "sometimes=log:a: b=c:finding"),
        ] {
            let rule: Rule = typed.parse().expect(typed);
            assert_eq!(rule.to_string(), written);
            assert_eq!(written.parse::<Rule>().expect(written), rule);
        }
    }

    #[test]
    fn what_is_no_gate_is_refused() {
        for (typed, why) in [
            ("ok-during", "NAME=VALUE"),
            ("ok-durin=1", "no gate"),
            ("ok-during=many", "no number"),
            ("max-recovery=5", "no length of time"),
            ("max-recovery=5h", "no length of time"),
            ("max-unavailable.kill.boss=5s", "no role"),
            ("max-unavailable.kill.leader.x=5s", "NAME.KIND.ROLE"),
            ("max-unavailable.=5s", "NAME.KIND.ROLE"),
            ("leader-changes.kill=1", "whole run"),
            ("sometimes=never", "no goal"),
            ("sometimes=log: ", "no goal"),
        ] {
            let refused = typed.parse::<Rule>().expect_err(typed);
            assert!(refused.contains(why), "{typed}: {refused}");
        }
    }
}
