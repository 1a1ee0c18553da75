//! Which faults, when: planned from the seed before the run, in lanes that overlap, so that faults
//! combine; or as a file says, or both.
//!
//! The clients draw nothing from the nemesis' random stream, so equal seeds and options plan equal
//! faults.

mod file;
mod lane;
mod span;

use super::budget::{Budget, Room};
use super::catalogue::FaultEntry;
use super::fault::PlannedFault;
use crate::env::disk::Layer;
use crate::failure::Failure;
use duress_checkers::words::counted;
use duress_workloads::Rng;
pub use file::{Schedule, read, write};
pub use lane::{Kinds, Lane};
use lane::{MIN_FAULT_MS, Turn};
pub use span::Span;

/// How often all lengths are halved before a request is given up.
const MAX_HALVINGS: u32 = 12;
/// Most faults in one schedule: a day of the usual three lanes has half as many.
const MAX_FAULTS: usize = 50_000;

/// What a plan is made from.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    /// Faults that are planned already, by time.
    pub planned: &'a [PlannedFault],
    /// What else there is to be.
    pub lanes: &'a [Lane],
    /// The nodes' names.
    pub nodes: &'a [String],
    /// The ports on which a server listens.
    pub ports: &'a [u16],
    /// What faults of disks can be.
    pub disks: Layer,
    /// Length of the run; milliseconds.
    pub time_ms: u64,
    /// Let faults take the majority too.
    pub allow_majority_loss: bool,
}

/// Plans the faults of a run: at least one of each lane, ordered by start, all ending within the
/// run. Where that does not fit, all lengths are halved until it does.
///
/// # Errors
/// Unknown kinds, kinds that these nodes cannot have, and more of them than fit into the run.
pub fn plan(request: &Request<'_>, rng: &Rng) -> Result<Vec<PlannedFault>, Failure> {
    // Names first: a slip is not to be found out only after something else has been put right.
    let entries = request.lanes.iter().map(Lane::entries).collect::<Result<Vec<_>, _>>()?;
    for (entry, _) in entries.iter().flatten() {
        check_possible(entry, request)?;
    }
    let mut lanes = request.lanes.to_vec();
    for _ in 0..MAX_HALVINGS {
        if let Some(planned) = attempt(&Request { lanes: &lanes, ..*request }, rng)? {
            return Ok(planned);
        }
        lanes = lanes.iter().map(Lane::halved).collect();
    }
    let names: Vec<String> = request.lanes.iter().map(Lane::name).collect();
    Err(Failure::usage(
        format!("--faults {}", names.join(",")),
        format!("they do not all fit into {} ms", request.time_ms),
        "use a longer --time, or fewer kinds",
    ))
}

/// `None` when a lane finds no place.
fn attempt(request: &Request<'_>, rng: &Rng) -> Result<Option<Vec<PlannedFault>>, Failure> {
    let turn = |lane| Turn::new(lane, request, &rng.split(&lane.name()));
    let mut turns: Vec<Turn<'_>> = request.lanes.iter().map(turn).collect::<Result<_, _>>()?;
    let budget = Budget::new(request.nodes, request.allow_majority_loss);
    let mut planned = request.planned.to_vec();
    // Lanes take turns by time, so that each knows what the others have taken before it.
    while planned.len() < MAX_FAULTS
        && let Some(turn) = turns.iter_mut().min_by_key(|turn| turn.next_ms)
        && turn.next_ms + MIN_FAULT_MS <= request.time_ms
    {
        let mut end_ms = None;
        for piece in turn.draw(request.time_ms) {
            let room = Room {
                time_ms: request.time_ms,
                quiet_ms: turn.quiet_ms(),
                min_fault_ms: MIN_FAULT_MS.min(piece.for_ms),
            };
            if let Some(fault) = budget.place(piece, &planned, &room) {
                end_ms = Some(fault.end_ms());
                planned.push(fault);
            }
        }
        match end_ms {
            Some(end_ms) => turn.rest(end_ms),
            None => turn.end(),
        }
    }
    if planned.len() >= MAX_FAULTS {
        // To end them there would leave the rest of the run quiet, and nobody told.
        return Err(Failure::usage(
            format!("faults for {} s", request.time_ms / 1000),
            format!("that would be more than {MAX_FAULTS}"),
            "use a longer --interval, or a shorter --time",
        ));
    }
    planned.sort_by_key(|fault| (fault.at_ms, fault.for_ms));
    Ok(turns.iter().all(|turn| turn.placed).then_some(planned))
}

fn check_possible(entry: &FaultEntry, request: &Request<'_>) -> Result<(), Failure> {
    let n = request.nodes.len();
    let what = format!("the fault {} on {}", entry.name, counted(n as u64, "node", "nodes"));
    if n < entry.min_nodes {
        return Err(Failure::usage(
            what,
            format!("that fault needs at least {} nodes", entry.min_nodes),
            format!("use --nodes {} or more, or other faults", entry.min_nodes),
        ));
    }
    if entry.needs_ports && request.ports.is_empty() {
        return Err(Failure::usage(
            what,
            "the servers listen on no port",
            "use another target, or other faults",
        ));
    }
    if entry.needs_own_disk && request.disks == Layer::Ext4 {
        return Err(Failure::usage(
            format!("--faults {} with --disks ext4", entry.name),
            "only the disks of Duress' own can do that: an ext4 does no wrong, its power can fail",
            "use disk-power-failure, or leave out --disks ext4",
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
