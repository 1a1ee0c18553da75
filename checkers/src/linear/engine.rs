//! Decides one key: search and refutation in turns, then the proof of whatever came out.

use super::certify::certify;
use super::limits::{Charge, Limits, Spent};
use super::mask::{Mask, by_width};
use super::partition::Part;
use super::problem::{Flags, Problem};
use super::search::{End, Search};
use super::states::States;
use super::window::Window;
use crate::model::Model;

/// Effort before the first try at refutation; each later round is four times as long.
const FIRST_ROUND: u64 = 40_000;

/// The longest window tried, in returns before and after the place where the search is stuck.
const MAX_WINDOW: u32 = 256;

/// Effort for proving a violation again with hardly any reduction.
const PLAIN_CAP: u64 = 60_000;

/// Prefixes looked at to find the shortest impossible one. Each is shorter than the one before.
const MAX_PREFIXES: usize = 64;

/// What deciding one key needs.
pub(super) struct Engine<'a, M: Model> {
    pub(super) model: &'a M,
    pub(super) part: &'a Part<'a, M::Op>,
    /// By class.
    pub(super) observers: Vec<bool>,
    pub(super) limits: &'a Limits<'a>,
    pub(super) flags: Flags,
}

/// What is known about one key.
pub(super) struct Decided {
    pub(super) answer: Answer,
    /// Configurations looked at, windows and proofs included.
    pub(super) configurations: u64,
    /// The most operations open at once, optional ones not counted.
    pub(super) widest: usize,
    /// Proofs that failed: bugs in this package.
    pub(super) bugs: Vec<String>,
}

/// The answer for one key.
pub(super) enum Answer {
    /// There is an order, and it was replayed.
    Valid,
    Violation(Proof),
    Spent(Spent),
    /// Two of our own methods disagree.
    Bug,
}

/// Why a key's history is impossible.
pub(super) struct Proof {
    /// The entry whose return ends the prefix.
    pub(super) culprit: u32,
    /// An order of everything that returned before, if one is known: then the prefix is the
    /// shortest impossible one.
    pub(super) order: Option<Vec<u32>>,
    /// The smallest stretch found that is impossible by itself.
    pub(super) window: Window,
    /// The window was refuted again by the plain search.
    pub(super) proved_again: bool,
}

enum Round {
    /// Order of items.
    Valid(Vec<u32>),
    /// The return, by number, that cannot be passed.
    Impossible(u32),
    Spent(Spent),
}

impl<'a, M: Model> Engine<'a, M> {
    pub(super) fn new(model: &'a M, part: &'a Part<'a, M::Op>, limits: &'a Limits<'a>, flags: Flags) -> Self {
        let observers = part.classes.iter().map(|op| model.is_observer(op)).collect();
        Self { model, part, observers, limits, flags }
    }

    /// Decides the key, and proves the answer.
    pub(super) fn decide(&self) -> Decided {
        let mut decided = Decided { answer: Answer::Bug, configurations: 0, widest: 0, bugs: Vec::new() };
        // A proof that fails sends us back once, to the search without reductions.
        for flags in [self.flags, Flags::NONE] {
            match self.proved(flags, &mut decided) {
                Ok(answer) => {
                    decided.answer = answer;
                    break;
                }
                Err(bug) => decided.bugs.push(bug),
            }
        }
        decided
    }

    fn proved(&self, flags: Flags, decided: &mut Decided) -> Result<Answer, String> {
        let whole = self.part.entries.iter().filter_map(|entry| entry.ret).max();
        let Some(whole) = whole else { return Ok(Answer::Valid) };
        match self.prefix(whole, flags, decided) {
            (_, Round::Spent(spent)) => Ok(Answer::Spent(spent)),
            (_, Round::Valid(order)) => {
                certify(self.model, &self.part.classes, &self.part.entries, &order)
                    .map_err(|why| format!("an order failed its replay: {why}"))?;
                Ok(Answer::Valid)
            }
            (problem, Round::Impossible(pos)) => {
                let problem = problem.expect("a search needs a problem");
                self.prove_violation(&problem, pos, flags, decided).map(Answer::Violation)
            }
        }
    }

    /// Searches everything up to the return at `until`. Later returns count as optional. Orders
    /// are of entries.
    fn prefix(&self, until: u64, flags: Flags, decided: &mut Decided) -> (Option<Problem>, Round) {
        let items = Window::new(&self.part.entries, &self.observers, None, until).items;
        let mut charge = Charge::new(self.limits);
        let problem = match Problem::new(items, flags, &mut charge) {
            Ok(problem) => problem,
            Err(spent) => return (None, Round::Spent(spent)),
        };
        decided.widest = decided.widest.max(problem.widest());
        let round = by_width!(problem.slots, K => self.rounds::<K>(&problem, flags, decided));
        (Some(problem), round)
    }

    fn rounds<K: Mask>(&self, problem: &Problem, flags: Flags, decided: &mut Decided) -> Round {
        let states = States::new(self.model, &self.part.classes);
        let mut search = Search::<M, K>::new(problem, states, flags, problem.len(), self.limits);
        search.start(0, self.model.initial(), std::iter::empty());
        let mut round = FIRST_ROUND;
        let found = loop {
            match search.run(if flags.windows { round } else { u64::MAX }) {
                End::Linearizable => {
                    let order = search.order().iter().map(|&at| problem.items[at as usize].entry);
                    break Round::Valid(order.collect());
                }
                End::Impossible => break Round::Impossible(search.furthest),
                End::Spent(spent) => break Round::Spent(spent),
                End::Paused => {}
            }
            // While the search gets on there is nothing to refute.
            if search.effort - search.furthest_at >= round / 2
                && let Some(pos) = self.refute_around(problem, search.furthest, round, flags, decided)
            {
                break Round::Impossible(pos);
            }
            round *= 4;
        };
        decided.configurations += search.configurations;
        found
    }

    /// Tries windows around a return that the search has not passed.
    fn refute_around(
        &self,
        problem: &Problem,
        stuck: u32,
        cap: u64,
        flags: Flags,
        decided: &mut Decided,
    ) -> Option<u32> {
        let mut size = 1;
        while size <= MAX_WINDOW && size <= stuck {
            let from = stuck + 1 - size;
            let until = problem.return_time((stuck + size).min(problem.len() - 1));
            let since = Some(problem.return_time(from - 1));
            let window = Window::new(&self.part.entries, &self.observers, since, until);
            let trial = window.refute(self, flags, cap);
            decided.configurations += trial.configurations;
            match trial.end {
                End::Impossible => return Some(from + trial.passed),
                // A longer one costs more still; the next round has more to spend.
                End::Spent(_) | End::Paused => return None,
                End::Linearizable => size = longer(size),
            }
        }
        None
    }

    /// Finds the shortest impossible prefix and a small window, and refutes that again plainly.
    fn prove_violation(
        &self,
        problem: &Problem,
        pos: u32,
        flags: Flags,
        decided: &mut Decided,
    ) -> Result<Proof, String> {
        let mut pos = pos;
        let mut order = None;
        for _ in 0..MAX_PREFIXES {
            if pos == 0 {
                order = Some(Vec::new());
                break;
            }
            match self.prefix(problem.return_time(pos - 1), flags, decided).1 {
                Round::Valid(found) => {
                    order = Some(found);
                    break;
                }
                Round::Impossible(earlier) if earlier < pos => pos = earlier,
                Round::Impossible(_) => return Err("a prefix fails after its own end".to_owned()),
                Round::Spent(_) => break,
            }
        }
        if let Some(order) = &order {
            self.check_prefix_order(problem, pos, order)?;
        }
        let window = self.smallest_window(problem, pos, flags, decided);
        // Without any reduction equal optional operations multiply; if that is too much, only they
        // are counted.
        let mut proved_again = false;
        for plain in [Flags::NONE, Flags { classes: true, ..Flags::NONE }] {
            let trial = window.refute(self, plain, PLAIN_CAP);
            decided.configurations += trial.configurations;
            match trial.end {
                End::Linearizable => return Err("a refuted window has an order".to_owned()),
                End::Impossible => {
                    proved_again = true;
                    break;
                }
                End::Paused | End::Spent(_) => {}
            }
        }
        Ok(Proof {
            culprit: problem.items[problem.returns[pos as usize] as usize].entry,
            order,
            window,
            proved_again,
        })
    }

    fn check_prefix_order(&self, problem: &Problem, pos: u32, order: &[u32]) -> Result<(), String> {
        let until = pos.checked_sub(1).map(|last| problem.return_time(last));
        let prefix: Vec<_> = self
            .part
            .entries
            .iter()
            .map(|entry| {
                let ret = entry.ret.filter(|&ret| until.is_some_and(|until| ret <= until));
                super::partition::Entry { ret, ..*entry }
            })
            .collect();
        certify(self.model, &self.part.classes, &prefix, order)
            .map_err(|why| format!("the order before a violation failed its replay: {why}"))
    }

    /// The shortest window that ends with return `pos` and is impossible; the whole prefix when
    /// none is.
    fn smallest_window(&self, problem: &Problem, pos: u32, flags: Flags, decided: &mut Decided) -> Window {
        let until = problem.return_time(pos);
        let mut size = 1;
        while flags.windows && size <= pos && size <= MAX_WINDOW {
            let since = Some(problem.return_time(pos - size));
            let window = Window::new(&self.part.entries, &self.observers, since, until);
            let trial = window.refute(self, flags, FIRST_ROUND * 4);
            decided.configurations += trial.configurations;
            match trial.end {
                End::Impossible => return window,
                End::Spent(_) => break,
                End::Linearizable | End::Paused => size = longer(size),
            }
        }
        Window::new(&self.part.entries, &self.observers, None, until)
    }
}

/// The next window to try. Short ones are by far the cheapest, so none of them is passed over.
fn longer(size: u32) -> u32 {
    if size < 8 { size + 1 } else { size * 2 }
}
