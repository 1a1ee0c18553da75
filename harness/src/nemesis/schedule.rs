//! Which faults, when: planned from the seed before the run, or read from a file.
//!
//! Every kind that was asked for has a lane of its own, in which faults and quiet alternate;
//! lanes overlap, so that faults combine. The clients draw nothing from the nemesis' random
//! stream, so equal seeds and options plan equal faults.

use super::budget::{Budget, Room};
use super::fault::{Fault, PlannedFault, Shape, Victims};
use crate::env::packet::{Behavior, Distribution};
use crate::failure::Failure;
use duress_workloads::Rng;
use std::path::Path;

/// A kind of fault as given to `--faults`: the single source for `duress list faults`.
pub struct FaultEntry {
    /// As given to `--faults`.
    pub name: &'static str,
    /// One line.
    pub doc: &'static str,
    /// Fewest nodes that it makes sense for.
    pub min_nodes: usize,
    make: fn(&mut Draw<'_>) -> Fault,
}

/// All kinds.
pub const FAULTS: [FaultEntry; 22] = [
    FaultEntry {
        name: "kill",
        doc: "SIGKILL to every process of one or more nodes, or of the leader; restarted on the same data",
        min_nodes: 1,
        make: |draw| Fault::Kill { nodes: draw.victims() },
    },
    FaultEntry {
        name: "terminate",
        doc: "SIGTERM instead, with a grace period",
        min_nodes: 1,
        make: |draw| Fault::Terminate { nodes: draw.victims() },
    },
    FaultEntry {
        name: "pause",
        doc: "SIGSTOP to every process of one or more nodes, or of the leader; SIGCONT later",
        min_nodes: 1,
        make: |draw| Fault::Pause { nodes: draw.victims() },
    },
    FaultEntry {
        name: "partition",
        doc: "cuts links between nodes, in any of the shapes below",
        min_nodes: 2,
        make: |draw| draw.any_of("partition-"),
    },
    FaultEntry {
        name: "partition-one",
        doc: "one random node against the rest",
        min_nodes: 2,
        make: |draw| partition(Shape::Isolate(draw.one())),
    },
    FaultEntry {
        name: "partition-leader",
        doc: "the leader against the rest",
        min_nodes: 2,
        make: |_| partition(Shape::Isolate(Victims::Leader)),
    },
    FaultEntry {
        name: "partition-halves",
        doc: "a bare majority against the rest",
        min_nodes: 2,
        make: |draw| {
            let minority = draw.names.len().saturating_sub(1) / 2;
            partition(draw.split(minority.max(1)))
        },
    },
    FaultEntry {
        name: "partition-minority",
        doc: "a random minority against the rest",
        min_nodes: 3,
        make: |draw| {
            let size = 1 + draw.rng.index(draw.names.len().saturating_sub(1) / 2);
            partition(draw.split(size))
        },
    },
    FaultEntry {
        name: "partition-ring",
        doc: "majorities ring: everyone hears a majority, nobody the same one",
        min_nodes: 4,
        make: |draw| partition(Shape::MajoritiesRing(draw.shuffled())),
    },
    FaultEntry {
        name: "partition-bridge",
        doc: "two halves that one node still connects",
        min_nodes: 3,
        make: |draw| partition(Shape::Bridge(draw.shuffled())),
    },
    FaultEntry {
        name: "partition-one-way",
        doc: "one node hears nobody, or nobody hears it",
        min_nodes: 2,
        make: |draw| {
            let victim = draw.one_or_leader();
            partition(if draw.rng.below(2) == 0 { Shape::Deaf(victim) } else { Shape::Mute(victim) })
        },
    },
    FaultEntry {
        name: "cut-clients",
        doc: "clients do not reach one node, which still reaches the others",
        min_nodes: 2,
        make: |draw| {
            let victim = draw.one_or_leader();
            partition(Shape::Clients(victim))
        },
    },
    FaultEntry {
        name: "packet",
        doc: "mistreats packets of one or more nodes, or of the leader: any of the kinds below but the silent one",
        min_nodes: 2,
        make: |draw| draw.any_of("packet-"),
    },
    FaultEntry {
        name: "packet-delay",
        doc: "packets come later, with jitter",
        min_nodes: 2,
        make: |draw| {
            let ms = draw.pick(&[10, 50, 200]);
            let distribution = [Distribution::Uniform, Distribution::Normal, Distribution::Tail];
            let distribution = distribution[draw.rng.index(distribution.len())];
            draw.packet(Behavior::Delay { ms, jitter_ms: ms / 2, distribution })
        },
    },
    FaultEntry {
        name: "packet-loss",
        doc: "packets are lost, each for itself or many in a row",
        min_nodes: 2,
        make: |draw| {
            let (percent, burst) = (draw.pick(&[5, 20, 50]), draw.pick(&[1, 8]));
            draw.packet(Behavior::Loss { percent, burst })
        },
    },
    FaultEntry {
        name: "packet-duplicate",
        doc: "packets arrive twice",
        min_nodes: 2,
        make: |draw| {
            let percent = draw.pick(&[10, 50]);
            draw.packet(Behavior::Duplicate { percent })
        },
    },
    FaultEntry {
        name: "packet-reorder",
        doc: "packets are overtaken by later ones",
        min_nodes: 2,
        make: |draw| {
            let (percent, ms) = (draw.pick(&[10, 30]), draw.pick(&[5, 50]));
            draw.packet(Behavior::Reorder { percent, ms })
        },
    },
    FaultEntry {
        name: "packet-corrupt",
        doc: "a bit of a packet is flipped; checksums detect it",
        min_nodes: 2,
        make: |draw| {
            let percent = draw.pick(&[5, 20]);
            draw.packet(Behavior::Corrupt { percent, silent: false })
        },
    },
    FaultEntry {
        name: "packet-rate",
        doc: "links are slow, and their queues short",
        min_nodes: 2,
        make: |draw| {
            let kbit = draw.pick(&[256, 1_000, 8_000]);
            draw.packet(Behavior::Rate { kbit, queue_kib: 64 })
        },
    },
    FaultEntry {
        name: "packet-hold",
        doc: "packets are kept, and all arrive when it ends",
        min_nodes: 2,
        make: |draw| draw.packet(Behavior::Hold),
    },
    FaultEntry {
        name: "packet-flap",
        doc: "links are cut and mended several times a second",
        min_nodes: 2,
        make: |draw| {
            let (up_ms, down_ms) = (draw.pick(&[50, 200]), draw.pick(&[50, 200]));
            draw.packet(Behavior::Flap { up_ms, down_ms })
        },
    },
    FaultEntry {
        name: SILENT,
        doc: "a bit of a packet is flipped, and checksums agree: no server has to survive that",
        min_nodes: 2,
        make: |draw| draw.packet(Behavior::Corrupt { percent: 1, silent: true }),
    },
];

/// Never drawn for a group.
const SILENT: &str = "packet-corrupt-silent";

/// Faults asked for by default.
pub const DEFAULT_FAULTS: [&str; 3] = ["kill", "pause", "partition"];
/// The shortest fault that is worth planning, in milliseconds.
const MIN_FAULT_MS: u64 = 500;
/// How often the interval is halved before a request is given up.
const MAX_HALVINGS: u32 = 12;
/// Most faults in one schedule.
const MAX_FAULTS: usize = 10_000;

/// What a plan is made from.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    /// Names of [`FAULTS`].
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
    let room =
        Room { time_ms: request.time_ms, quiet_ms: request.interval_ms / 4, min_fault_ms: MIN_FAULT_MS };
    let mut planned = Vec::new();
    // Lanes take turns by time, so that each knows what the others have taken before it.
    while planned.len() < MAX_FAULTS
        && let Some(lane) = lanes.iter_mut().min_by_key(|lane| lane.next_ms)
        && lane.next_ms + MIN_FAULT_MS <= request.time_ms
    {
        match budget.place(lane.draw(request), &planned, &room) {
            Some(fault) => {
                lane.rest(fault.end_ms(), request);
                lane.placed = true;
                planned.push(fault);
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
        if let Some(name) = fault.fault.named().into_iter().flatten().find(|name| !nodes.contains(*name)) {
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
        if let Some(why) = fault.fault.nonsense() {
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
                format!("fault {} ends or stops processes of a node that an earlier one still holds", at + 1),
                "let one end before the other begins",
            );
        }
    }
    Ok(faults)
}

/// The entry of a name.
///
/// # Errors
/// When there is none.
pub fn find(name: &str) -> Result<&'static FaultEntry, Failure> {
    FAULTS.iter().find(|entry| entry.name == name).ok_or_else(|| {
        let known: Vec<&str> = FAULTS.iter().map(|entry| entry.name).collect();
        Failure::usage(
            format!("--faults {name}"),
            "there is no such fault",
            format!("choose from {} (or `none`)", known.join(", ")),
        )
    })
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
        let fault = (self.entry.make)(&mut self.victims);
        PlannedFault { at_ms, for_ms: for_ms.min(request.time_ms - at_ms), fault }
    }

    /// Quiet lasts between half the interval and one and a half.
    fn rest(&mut self, end_ms: u64, request: &Request<'_>) {
        let interval = request.interval_ms;
        self.next_ms = end_ms + self.times.between(interval / 2, interval + interval / 2).max(1);
    }
}

/// Draws victims.
struct Draw<'a> {
    rng: Rng,
    names: &'a [String],
}

impl Draw<'_> {
    fn one(&mut self) -> Victims {
        let at = self.rng.index(self.names.len());
        Victims::one(&self.names[at])
    }

    fn one_or_leader(&mut self) -> Victims {
        if self.rng.below(2) == 0 { Victims::Leader } else { self.one() }
    }

    /// The leader, or up to a minority of nodes; the budget may take some of them out again.
    fn victims(&mut self) -> Victims {
        if self.rng.below(3) == 0 {
            return Victims::Leader;
        }
        let most = (self.names.len().saturating_sub(1) / 2).max(1);
        let n = 1 + self.rng.index(most);
        Victims::Named(self.shuffled().into_iter().take(n).collect())
    }

    /// One of the kinds whose names begin like this.
    fn any_of(&mut self, group: &str) -> Fault {
        let fits = |entry: &&FaultEntry| {
            entry.name.starts_with(group) && entry.name != SILENT && entry.min_nodes <= self.names.len()
        };
        let fit: Vec<&FaultEntry> = FAULTS.iter().filter(fits).collect();
        let at = self.rng.index(fit.len());
        (fit[at].make)(self)
    }

    fn packet(&mut self, behavior: Behavior) -> Fault {
        Fault::Packet { nodes: self.victims(), behavior }
    }

    fn pick(&mut self, from: &[u32]) -> u32 {
        from[self.rng.index(from.len())]
    }

    fn shuffled(&mut self) -> Vec<String> {
        let mut names = self.names.to_vec();
        self.rng.shuffle(&mut names);
        names
    }

    fn split(&mut self, first: usize) -> Shape {
        let mut names = self.shuffled();
        let mut rest = names.split_off(first.min(names.len()));
        names.sort();
        rest.sort();
        Shape::Groups(vec![names, rest])
    }
}

fn partition(shape: Shape) -> Fault {
    Fault::Partition { shape }
}
