//! Which faults, when: planned from the seed before the run, or read from a file.
//!
//! Every kind that was asked for has a lane of its own, in which faults and quiet alternate;
//! lanes overlap, so that faults combine. The clients draw nothing from the nemesis' random
//! stream, so equal seeds and options plan equal faults.

use super::budget::{Budget, Room};
use super::catalogue::{Draw, FaultEntry, find};
use super::fault::PlannedFault;
use super::trigger::Trigger;
use crate::failure::Failure;
use duress_workloads::Rng;
use std::path::Path;

/// The shortest fault that is worth planning, in milliseconds.
const MIN_FAULT_MS: u64 = 500;
/// How often the interval is halved before a request is given up.
const MAX_HALVINGS: u32 = 12;
/// Most faults in one schedule.
const MAX_FAULTS: usize = 10_000;

/// What a plan is made from.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    /// Names of [`super::catalogue::FAULTS`].
    pub kinds: &'a [String],
    /// The nodes' names.
    pub nodes: &'a [String],
    /// Mean length of a fault, and of the quiet between two of a kind; milliseconds.
    pub interval_ms: u64,
    /// Length of the run; milliseconds.
    pub time_ms: u64,
    /// Let faults take the majority too.
    pub allow_majority_loss: bool,
}

/// Plans the faults of a run: at least one of each kind, ordered by start, all ending within the
/// run. Where that does not fit, the interval is halved until it does.
///
/// # Errors
/// Unknown kinds, kinds that these nodes cannot have, and more of them than fit into the run.
pub fn plan(request: &Request<'_>, rng: &Rng) -> Result<Vec<PlannedFault>, Failure> {
    let entries: Vec<&FaultEntry> = request.kinds.iter().map(|name| find(name)).collect::<Result<_, _>>()?;
    for entry in &entries {
        check_possible(entry, request)?;
    }
    let mut request = request.clone();
    for _ in 0..MAX_HALVINGS {
        if let Some(planned) = attempt(&entries, &request, rng) {
            return Ok(planned);
        }
        request.interval_ms /= 2;
    }
    Err(Failure::usage(
        format!("--faults {}", request.kinds.join(",")),
        format!("they do not all fit into {} ms", request.time_ms),
        "use a longer --time, or fewer kinds",
    ))
}

/// `None` when a kind finds no place.
fn attempt(entries: &[&'static FaultEntry], request: &Request<'_>, rng: &Rng) -> Option<Vec<PlannedFault>> {
    let mut lanes: Vec<Lane<'_>> =
        entries.iter().map(|entry| Lane::new(entry, request, &rng.split(entry.name))).collect();
    let budget = Budget::new(request.nodes, request.allow_majority_loss);
    let mut planned = Vec::new();
    // Lanes take turns by time, so that each knows what the others have taken before it.
    while planned.len() < MAX_FAULTS
        && let Some(lane) = lanes.iter_mut().min_by_key(|lane| lane.next_ms)
        && lane.next_ms + MIN_FAULT_MS <= request.time_ms
    {
        let mut end_ms = None;
        for piece in lane.entry.pieces(lane.draw(request)) {
            let room = Room {
                time_ms: request.time_ms,
                quiet_ms: request.interval_ms / 4,
                min_fault_ms: MIN_FAULT_MS.min(piece.for_ms),
            };
            if let Some(fault) = budget.place(piece, &planned, &room) {
                end_ms = Some(fault.end_ms());
                planned.push(fault);
            }
        }
        match end_ms {
            Some(end_ms) => {
                lane.rest(end_ms, request);
                lane.placed = true;
            }
            None => lane.next_ms = u64::MAX - MIN_FAULT_MS,
        }
    }
    planned.sort_by_key(|fault| (fault.at_ms, fault.for_ms));
    lanes.iter().all(|lane| lane.placed).then_some(planned)
}

/// Reads a schedule for a run of this length: a JSON array of [`PlannedFault`].
///
/// # Errors
/// A file that is none, names that are no nodes of this cluster, faults that could not happen, and
/// ones that take the majority without leave.
pub fn read(
    path: &Path,
    nodes: &[String],
    time_ms: u64,
    allow_majority_loss: bool,
) -> Result<Vec<PlannedFault>, Failure> {
    let what = || format!("--schedule {}", path.display());
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failure::usage(what(), error.to_string(), "check the path"))?;
    let mut faults: Vec<PlannedFault> = serde_json::from_str(&text).map_err(|error| {
        Failure::usage(
            what(),
            error.to_string(),
            "a schedule is a JSON array like the `schedule.json` of a run directory",
        )
    })?;
    faults.sort_by_key(|fault| (fault.at_ms, fault.for_ms));
    if faults.is_empty() {
        return Err(Failure::usage(what(), "it holds no fault", "use --faults none for a run without any"));
    }
    let budget = Budget::new(nodes, allow_majority_loss);
    for (at, fault) in faults.iter().enumerate() {
        let refuse = |why: String, fix: &str| Err(Failure::usage(what(), why, fix));
        let trigger = fault.on.as_ref();
        let mut named = fault.fault.named().into_iter().flatten().chain(trigger.and_then(Trigger::node));
        if let Some(name) = named.find(|name| !nodes.contains(*name)) {
            return refuse(
                format!("there is no node `{name}`"),
                &format!("the nodes are {}", nodes.join(" ")),
            );
        }
        if fault.for_ms == 0 || fault.fault.breaks_nothing(nodes) {
            return refuse(
                format!("fault {} breaks nothing", at + 1),
                "give it victims and a length, or leave it out",
            );
        }
        if let Some(why) = fault.fault.nonsense().or_else(|| trigger.and_then(Trigger::nonsense)) {
            return refuse(format!("fault {} makes no sense: {why}", at + 1), "change its numbers");
        }
        if fault.at_ms >= time_ms {
            return refuse(
                format!("fault {} begins at {} ms, and the run ends at {time_ms} ms", at + 1, fault.at_ms),
                "use a longer --time, or leave it out",
            );
        }
        if !budget.leaves_room(fault, &faults[..at]) {
            return refuse(
                format!("fault {} takes the majority, with those that are in force then", at + 1),
                "spare some nodes, or use --allow-majority-loss",
            );
        }
        if faults[..at].iter().any(|other| other.meets(fault)) {
            return refuse(
                format!(
                    "fault {} finds no running process on a node that an earlier one still holds",
                    at + 1
                ),
                "let one end before the other begins",
            );
        }
    }
    Ok(faults)
}

fn check_possible(entry: &FaultEntry, request: &Request<'_>) -> Result<(), Failure> {
    let n = request.nodes.len();
    let what = format!("--faults {} with --nodes {n}", entry.name);
    if n < entry.min_nodes {
        return Err(Failure::usage(
            what,
            format!("that fault needs at least {} nodes", entry.min_nodes),
            format!("use --nodes {} or more, or other faults", entry.min_nodes),
        ));
    }
    if entry.takes_majority && !request.allow_majority_loss {
        return Err(Failure::usage(what, "that fault takes the majority", "add --allow-majority-loss"));
    }
    if n < 3 && !request.allow_majority_loss {
        return Err(Failure::usage(
            what,
            "any fault there takes the majority",
            "use --nodes 3 or more, or --allow-majority-loss",
        ));
    }
    Ok(())
}

/// The faults of one kind: quiet, fault, quiet, fault, …
struct Lane<'a> {
    entry: &'static FaultEntry,
    times: Rng,
    victims: Draw<'a>,
    /// When the next one is due, in milliseconds.
    next_ms: u64,
    /// There is one in the plan.
    placed: bool,
}

impl<'a> Lane<'a> {
    fn new(entry: &'static FaultEntry, request: &Request<'a>, rng: &Rng) -> Self {
        let mut times = rng.split("times");
        let interval = request.interval_ms.max(2);
        // The first one comes early, so that a short run sees every kind.
        let next_ms = times.between(interval / 5, interval);
        Self {
            entry,
            times,
            victims: Draw { rng: rng.split("victims"), names: request.nodes },
            next_ms,
            placed: false,
        }
    }

    /// A fault lasts between half the interval and all of it.
    fn draw(&mut self, request: &Request<'_>) -> PlannedFault {
        let (at_ms, interval) = (self.next_ms, request.interval_ms);
        let for_ms = self.times.between(interval / 2, interval).max(MIN_FAULT_MS);
        self.entry.draw(at_ms, for_ms.min(request.time_ms - at_ms), &mut self.victims)
    }

    /// Quiet lasts between half the interval and one and a half.
    fn rest(&mut self, end_ms: u64, request: &Request<'_>) {
        let interval = request.interval_ms;
        self.next_ms = end_ms + self.times.between(interval / 2, interval + interval / 2).max(1);
    }
}
