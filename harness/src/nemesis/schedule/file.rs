//! A schedule as a file in TOML, read and written: faults at their times, each an entry `[[fault]]`, and
//! lanes that are still to be planned, each an entry `[[lane]]`.
//!
//! ```toml
//! [[fault]]
//! at = "2s"
//! for = "6s"
//! kind = "pause"
//! nodes = "leader"
//!
//! [[fault]]
//! at = "4s"
//! for = "5s"
//! kind = "partition"
//! shape = { isolate = "one" }
//!
//! [[lane]]
//! faults = { kill = 3, clock = 1 }
//! for = "2s..6s"
//! quiet = "~5s"
//! ```
//!
//! Nodes are names, or `leader` and `follower` of the moment, or drawn from the seed when the file is
//! read: `one`, `minority`, `majority`, `all`, `{ random = 2 }`. What is written has names for those.

use super::{Budget, Failure, Lane, MAX_FAULTS, PlannedFault, Rng};
use crate::nemesis::trigger::Trigger;
use serde::Deserialize;
use std::fmt::Write as _;
use std::path::Path;
use toml::{Table, Value};

/// What a file asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// The faults, by time.
    pub faults: Vec<PlannedFault>,
    /// What is still to be planned.
    pub lanes: Vec<Lane>,
}

impl Schedule {
    /// A lane for each of these kinds, with faults and quiet of this length in the mean.
    pub fn of(kinds: &[String], interval_ms: u64) -> Self {
        Self { faults: Vec::new(), lanes: kinds.iter().map(|kind| Lane::of(kind, interval_ms)).collect() }
    }
}

/// The file, before the faults in it are looked at.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    #[serde(default)]
    fault: Vec<Table>,
    #[serde(default)]
    lane: Vec<Lane>,
}

/// Reads a schedule for a run of this length.
///
/// # Errors
/// A file that is none, names that are no nodes of this cluster, faults that could not happen, and
/// ones that take the majority without leave.
pub fn read(
    path: &Path,
    nodes: &[String],
    time_ms: u64,
    allow_majority_loss: bool,
    rng: &Rng,
) -> Result<Schedule, Failure> {
    let refuse = |why: String, fix: &str| Failure::usage(format!("--schedule {}", path.display()), why, fix);
    let text = std::fs::read_to_string(path).map_err(|error| refuse(error.to_string(), "check the path"))?;
    let form =
        "a schedule has entries `[[fault]]` and `[[lane]]`, like the `schedule.toml` of a run directory";
    let Text { fault, lane } =
        toml::from_str(&text).map_err(|error| refuse(error.to_string().trim_end().to_owned(), form))?;
    if fault.len() + lane.len() == 0 {
        return Err(refuse("it holds no fault".to_owned(), "use --faults none for a run without any"));
    }
    if fault.len() > MAX_FAULTS {
        return Err(refuse(format!("it holds more than {MAX_FAULTS} faults"), "use several runs"));
    }
    for lane in &lane {
        lane.entries()?;
    }
    let mut rng = rng.split("roles");
    let mut faults = Vec::new();
    for (at, mut table) in (1..).zip(fault) {
        cast(&mut table, nodes, &mut rng).map_err(|(why, fix)| refuse(format!("fault {at}: {why}"), fix))?;
        let fault = PlannedFault::deserialize(table)
            .map_err(|error| refuse(format!("fault {at}: {}", error.to_string().trim_end()), form))?;
        faults.push((at, fault));
    }
    faults.sort_by_key(|(_, fault)| (fault.at_ms, fault.for_ms));
    let (numbers, faults): (Vec<usize>, Vec<PlannedFault>) = faults.into_iter().unzip();
    let budget = Budget::new(nodes, allow_majority_loss);
    for (at, number) in numbers.iter().enumerate() {
        check(&faults[..=at], nodes, time_ms, &budget)
            .map_err(|(why, fix)| refuse(format!("fault {number} {why}"), &fix))?;
    }
    Ok(Schedule { faults, lanes: lane })
}

/// The faults of a run, for `--schedule`, and for whoever wants to change them.
pub fn write(faults: &[PlannedFault]) -> String {
    let mut text = String::from("# Change it, and run it with --schedule.\n");
    for fault in faults {
        let table = Table::try_from(fault).expect("a fault has numbers, texts and lists only");
        text.push_str("\n[[fault]]\n");
        let first = ["at", "for", "on", "kind"];
        let rest = table.keys().map(String::as_str).filter(|key| !first.contains(key));
        for key in first.into_iter().chain(rest) {
            if let Some(value) = table.get(key) {
                let _ = writeln!(text, "{key} = {value}");
            }
        }
    }
    text
}

/// What is wrong, and what to do.
type Refusal = (String, String);

/// Checks the last of these faults, given those before it.
fn check(
    faults: &[PlannedFault],
    nodes: &[String],
    time_ms: u64,
    budget: &Budget<'_>,
) -> Result<(), Refusal> {
    let Some((fault, before)) = faults.split_last() else { return Ok(()) };
    let refuse = |why: String, fix: &str| Err((why, fix.to_owned()));
    let trigger = fault.on.as_ref();
    let mut named = fault.fault.named().into_iter().flatten().chain(trigger.and_then(Trigger::node));
    if let Some(name) = named.find(|name| !nodes.contains(*name)) {
        return refuse(
            format!("is on `{name}`: there is no such node"),
            &format!("the nodes are {}", nodes.join(" ")),
        );
    }
    if fault.for_ms == 0 || fault.fault.breaks_nothing(nodes) {
        return refuse("breaks nothing".to_owned(), "give it victims and a length, or leave it out");
    }
    if let Some(why) = fault.fault.nonsense().or_else(|| trigger.and_then(Trigger::nonsense)) {
        return refuse(format!("makes no sense: {why}"), "change its numbers");
    }
    if fault.at_ms >= time_ms {
        return refuse(
            format!("begins at {} ms, and the run ends at {time_ms} ms", fault.at_ms),
            "use a longer --time, or leave it out",
        );
    }
    if !budget.leaves_room(fault, before) {
        return refuse(
            "takes the majority, with those that are in force then".to_owned(),
            "spare some nodes, or use --allow-majority-loss",
        );
    }
    if before.iter().any(|other| other.meets(fault)) {
        return refuse(
            "finds no running process on a node that an earlier one still holds".to_owned(),
            "let one end before the other begins",
        );
    }
    Ok(())
}

/// Draws the nodes of roles that do not depend on the moment.
fn cast(table: &mut Table, nodes: &[String], rng: &mut Rng) -> Result<(), (String, &'static str)> {
    const VICTIMS: [&str; 6] = ["nodes", "isolate", "deaf", "mute", "clients", "everybody"];
    for (key, value) in table.iter_mut() {
        if VICTIMS.contains(&key.as_str()) {
            if let Some(n) = role(value, nodes.len())? {
                let mut names = nodes.to_vec();
                rng.shuffle(&mut names);
                names.truncate(n);
                names.sort();
                *value = Value::from(names);
            }
        } else if let Value::Table(inner) = value {
            cast(inner, nodes, rng)?;
        }
    }
    Ok(())
}

/// How many nodes of a cluster of `n` a role has; `None` for what is no role.
fn role(value: &Value, n: usize) -> Result<Option<usize>, (String, &'static str)> {
    let most = n.saturating_sub(1) / 2;
    match value {
        Value::String(word) => Ok(match word.as_str() {
            "one" => Some(1),
            "minority" => Some(most.max(1)),
            "majority" => Some(n - most),
            "all" => Some(n),
            _ => None,
        }),
        Value::Table(table) => {
            let random = table.get("random").and_then(Value::as_integer).filter(|_| table.len() == 1);
            match random.map(usize::try_from) {
                Some(Ok(k)) if (1..=n).contains(&k) => Ok(Some(k)),
                _ => Err((
                    format!("`{value}` is no set of these {n} nodes"),
                    "write `{ random = 2 }`, or names",
                )),
            }
        }
        _ => Ok(None),
    }
}
