//! The clocks of the nodes, each node's its own, without a change to the machine's.
//!
//! Every program of a node that becomes one (`execs`) has its vDSO changed (`vdso`, `tracee`) before
//! its first instruction: the functions that programs ask for the time lead to `code` on a `page`
//! that all processes of the node share, and that code adds what the page says. Children inherit it.
//! What a program shows is asked of one (`witness`).
//!
//! Nothing is taken back at the end but what the page says: with nothing to add, the code answers
//! what the kernel does. To put the old instructions back, every thread would have to be stopped and
//! seen to stand elsewhere, to spare programs a third of a microsecond.
//!
//! Timers of the kernel go by the machine's clocks, and so do times of files. Whoever waits for so
//! long is not concerned (Go, Redis); whoever waits until a time of its own clock (`timerfd`,
//! `clock_nanosleep`, the condition variables of C and Java) waits longer by what that clock is ahead. Of a
//! monotonic clock that stays so until the node is started anew.

mod code;
mod execs;
mod page;
mod tracee;
mod vdso;
mod witness;

use super::asked::{Listener, Question};
use super::host::NamespaceId;
use super::processes;
use crate::env::clock::{Clocks, Reading, Skew, Skews, signed};
use execs::{Execs, Nodes};
use page::{Family, Page};
use std::io;
use std::time::Duration;
pub(in crate::env) use tracee::Tracee;
use witness::{Sample, Samples};

/// How long one looks at a clock that shows at once what it is to show.
const GLANCE: Duration = Duration::from_millis(2);

/// How long one looks at most.
const LONGEST_LOOK: Duration = Duration::from_millis(900);

/// What a drift has to come to while one looks, so that it is told from the time that asking takes;
/// nanoseconds.
const SURE_DRIFT: u64 = 20_000;

/// A sample that took longer says little, for the machine did something else meanwhile; nanoseconds.
const LONGEST_SAMPLE: i64 = 200_000;

/// How often one looks again when all samples took longer, or a process was just being born.
const LOOKS: usize = 20;

/// How long one waits in between.
const NEXT_LOOK: Duration = Duration::from_millis(10);

/// The code counts in whole nanoseconds, and cuts off what is less.
const ROUNDING: i64 = 2;

/// The clocks of all nodes.
pub(super) struct NodeClocks {
    nodes: Nodes,
    execs: Execs,
}

impl NodeClocks {
    /// Gives clocks to nodes, by their namespaces.
    pub(super) fn create(nodes: impl Iterator<Item = NamespaceId>) -> io::Result<Self> {
        let nodes: Nodes = nodes.map(|id| Ok((id, Page::create()?))).collect::<io::Result<Vec<_>>>()?.into();
        let execs = Execs::new(Nodes::clone(&nodes));
        try_out()?;
        Ok(Self { nodes, execs })
    }

    /// A program of some node is about to become another one.
    pub(super) fn admit(&self, listener: &Listener, question: &Question) {
        self.execs.admit(listener, question);
    }

    /// Replaces what skews the clocks of a node; it is in force when this returns.
    pub(super) fn set(&self, node: usize, skews: &Skews) -> Result<(), String> {
        self.nodes[node].1.set(skews)
    }

    /// Forgets what stays of former faults, as after a reboot. Only while the node has no process.
    pub(super) fn begin_anew(&self, node: usize) {
        self.nodes[node].1.begin_anew();
    }

    /// What the clocks of a node show, and whose they are. `fault` is the one in question.
    pub(super) fn read(&self, node: usize, fault: Option<u32>) -> Result<Reading, String> {
        let (id, page) = &self.nodes[node];
        let (wall_ns, monotonic_ns, shows) = show(page, fault).map_err(|e| e.to_string())?;
        let inode = page.inode().map_err(|e| e.to_string())?;
        let (processes, strays) = census(*id, inode);
        Ok(Reading { wall_ns, monotonic_ns, shows, processes, strays })
    }

    /// Waits until programs that have been started already run: they stand still for a moment.
    pub(super) fn settle(&self) {
        self.execs.settle();
    }

    /// Why programs were left with the machine's clocks, if any were.
    pub(super) fn complaints(&self) -> Vec<String> {
        self.execs.complaints()
    }
}

/// Skews the clocks of a process, and asks it.
pub(in crate::env) fn try_out() -> io::Result<()> {
    let page = Page::create()?;
    page.set(&Skews::from([(1, (Clocks::Both, Skew::Jump { ms: 5_000 }))])).map_err(io::Error::other)?;
    match show(&page, Some(1))? {
        (_, _, true) => Ok(()),
        _ => Err(io::Error::other("the clocks of a process were to be 5 s ahead, and are not")),
    }
}

/// By how much the clocks are ahead, in nanoseconds, and whether one sees that they would not be
/// without the fault in question.
fn show(page: &Page, fault: Option<u32>) -> io::Result<(i64, i64, bool)> {
    let in_question = fault.and_then(|fault| page.skews().get(&fault).copied());
    let during = in_question.map_or(GLANCE, |(_, skew)| look_at(skew));
    for _ in 0..LOOKS {
        let samples = witness::ask(page, during)?;
        if let Some((wall, wall_agrees, wall_tells)) = judge(page, Family::Wall, &samples, fault)
            && let Some((monotonic, monotonic_agrees, monotonic_tells)) =
                judge(page, Family::Monotonic, &samples, fault)
        {
            let tells = in_question.is_none_or(|(clocks, _)| {
                (wall_tells || !Family::Wall.is_of(clocks))
                    && (monotonic_tells || !Family::Monotonic.is_of(clocks))
            });
            return match wall_agrees && monotonic_agrees {
                true => Ok((wall, monotonic, tells)),
                false => Err(io::Error::other(format!(
                    "its clocks show what nobody asked for: wall {}, monotonic {}",
                    signed(wall),
                    signed(monotonic)
                ))),
            };
        }
        std::thread::sleep(NEXT_LOOK);
    }
    Err(io::Error::other("this machine is too busy to compare two clocks"))
}

/// How long one has to look to see it.
fn look_at(skew: Skew) -> Duration {
    let long = match skew {
        Skew::Jump { .. } => GLANCE,
        Skew::Freeze => Duration::from_nanos(SURE_DRIFT),
        Skew::Drift { ppm } => {
            Duration::from_nanos(SURE_DRIFT * 1_000_000 / u64::from(ppm.unsigned_abs().max(1)))
        }
        Skew::Strobe { period_ms, .. } => Duration::from_millis(2 * u64::from(period_ms)),
    };
    long.clamp(GLANCE, LONGEST_LOOK)
}

/// How far ahead a clock was when it showed most clearly what the fault does; whether it always showed what it should; whether it ever showed
/// what it would not without the fault. `None` when no sample says anything.
fn judge(page: &Page, family: Family, samples: &Samples, fault: Option<u32>) -> Option<(i64, bool, bool)> {
    let (mut agrees, mut tells) = (true, false);
    let mut ahead = None;
    let samples = samples.iter().map(|moment| &moment[family as usize]);
    for sample in samples.filter(|sample| sample.after - sample.before <= LONGEST_SAMPLE) {
        let [(first, first_without), (last, last_without)] =
            [sample.before, sample.after].map(|at| page.expected(family, at, fault));
        agrees &= fits(sample, first, last);
        let telling = !fits(sample, first_without, last_without);
        if telling || !tells {
            ahead = Some(sample.ahead());
        }
        tells |= telling;
    }
    Some((ahead?, agrees, tells))
}

impl Sample {
    /// Nanoseconds, rounded to what the time that asking took leaves certain.
    fn ahead(&self) -> i64 {
        let about = self.shown - i64::midpoint(self.before, self.after);
        let step = 10_i64.pow((self.after - self.before).max(1).ilog10() + 1);
        (about + step / 2).div_euclid(step) * step
    }
}

/// May a clock show this that is ahead by so much before, and so much after?
fn fits(sample: &Sample, first: i64, last: i64) -> bool {
    let least = sample.before + first.min(last) - ROUNDING;
    let most = sample.after + first.max(last) + ROUNDING;
    (least..=most).contains(&sample.shown)
}

/// How many processes of a node ask its clocks, and how many ask others.
fn census(id: NamespaceId, inode: u64) -> (usize, usize) {
    let mut counted = (0, 0);
    for _ in 0..LOOKS {
        counted = (0, 0);
        for process in processes::in_namespace(id) {
            match vdso::leads_to(process.pid, inode) {
                Ok(true) => counted.0 += 1,
                // The dead have no memory.
                Err(_) if !tracee::lives(process.pid) => {}
                Ok(false) | Err(_) => counted.1 += 1,
            }
        }
        if counted.1 == 0 {
            break;
        }
        // It may be about to become another program.
        std::thread::sleep(NEXT_LOOK);
    }
    counted
}
