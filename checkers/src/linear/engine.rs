//! Decides one key: search and refutation in turns, then the proof of whatever came out.

use super::certify::certify;
use super::limits::{Charge, Spent};
use super::mask::{Mask, by_width};
use super::partition::Entry;
use super::problem::{Flags, Problem};
use super::search::{End, Search};
use super::states::States;
use super::subject::Subject;
use super::window::{Trial, Window};
use crate::model::Model;

/// Effort before the first try at refutation; each later round is four times as long.
const FIRST_ROUND: u64 = 40_000;

/// The longest window tried, in returns before and after the place where the search is stuck.
const MAX_WINDOW: u32 = 256;

/// Effort for proving a violation again with hardly any reduction.
const PLAIN_CAP: u64 = 60_000;

/// Prefixes looked at to find the shortest impossible one. Each is shorter than the one before.
const MAX_PREFIXES: usize = 64;

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
}

/// Decides a key, and proves the answer.
pub(super) fn decide<M: Model>(subject: &Subject<'_, M>, flags: Flags) -> Decided {
    let mut decided = Decided { answer: Answer::Bug, configurations: 0, widest: 0, bugs: Vec::new() };
    // A proof that fails sends us back once, to the search without reductions.
    for flags in [flags, Flags::NONE] {
        let mut engine = Engine { subject, flags, configurations: 0, widest: 0 };
        let proved = engine.proved();
        decided.configurations += engine.configurations;
        decided.widest = decided.widest.max(engine.widest);
        match proved {
            Ok(answer) => {
                decided.answer = answer;
                break;
            }
            Err(bug) => decided.bugs.push(bug),
        }
    }
    decided
}

/// One attempt, with some of the reductions.
struct Engine<'a, M: Model> {
    subject: &'a Subject<'a, M>,
    flags: Flags,
    /// As in [`Decided`].
    configurations: u64,
    /// As in [`Decided`].
    widest: usize,
}

impl<M: Model> Engine<'_, M> {
    fn proved(&mut self) -> Result<Answer, String> {
        let whole = self.subject.part.entries.iter().filter_map(|entry| entry.ret).max();
        let Some(whole) = whole else { return Ok(Answer::Valid) };
        match self.prefix(whole) {
            Err(spent) => Ok(Answer::Spent(spent)),
            Ok((_, Round::Valid(order))) => {
                certify(self.subject.model, &self.subject.part.classes, &self.subject.part.entries, &order)
                    .map_err(|why| format!("an order failed its replay: {why}"))?;
                Ok(Answer::Valid)
            }
            Ok((problem, Round::Impossible(pos))) => {
                self.prove_violation(&problem, pos).map(Answer::Violation)
            }
        }
    }

    /// Searches everything up to the return at `until`. Later returns count as optional. Orders
    /// are of entries.
    fn prefix(&mut self, until: u64) -> Result<(Problem, Round), Spent> {
        let items = Window::new(self.subject, None, until).items;
        let mut charge = Charge::new(self.subject.limits);
        let problem = Problem::new(items, self.flags, &mut charge)?;
        self.widest = self.widest.max(problem.widest());
        let round = by_width!(problem.slots, K => self.rounds::<K>(&problem))?;
        Ok((problem, round))
    }

    fn rounds<K: Mask>(&mut self, problem: &Problem) -> Result<Round, Spent> {
        let states = States::new(self.subject.model, &self.subject.part.classes);
        let mut search = Search::<M, K>::new(problem, states, self.flags, self.subject.limits);
        search.start(self.subject.model.initial(), std::iter::empty());
        let mut round = FIRST_ROUND;
        let found = loop {
            match search.run(if self.flags.windows { round } else { u64::MAX }) {
                End::Linearizable => {
                    let order = search.order().iter().map(|&at| problem.items[at as usize].entry);
                    break Ok(Round::Valid(order.collect()));
                }
                End::Impossible => break Ok(Round::Impossible(search.furthest)),
                End::Spent(spent) => break Err(spent),
                End::Paused => {}
            }
            // While the search gets on there is nothing to refute.
            if search.effort - search.furthest_at >= round / 2
                && let Some(pos) = self.refute_around(problem, search.furthest, round)
            {
                break Ok(Round::Impossible(pos));
            }
            round *= 4;
        };
        self.configurations += search.configurations;
        found
    }

    fn refute(&mut self, window: &Window, flags: Flags, cap: u64) -> Trial {
        let trial = window.refute(self.subject, flags, cap);
        self.configurations += trial.configurations;
        trial
    }

    /// Tries windows around a return that the search has not passed.
    fn refute_around(&mut self, problem: &Problem, stuck: u32, cap: u64) -> Option<u32> {
        let mut size = 1;
        while size <= MAX_WINDOW && size <= stuck {
            let from = stuck + 1 - size;
            let until = problem.return_time((stuck + size).min(problem.len() - 1));
            let since = Some(problem.return_time(from - 1));
            let window = Window::new(self.subject, since, until);
            let trial = self.refute(&window, self.flags, cap);
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
    fn prove_violation(&mut self, problem: &Problem, mut pos: u32) -> Result<Proof, String> {
        let mut order = None;
        for _ in 0..MAX_PREFIXES {
            if pos == 0 {
                order = Some(Vec::new());
                break;
            }
            match self.prefix(problem.return_time(pos - 1)) {
                Ok((_, Round::Valid(found))) => {
                    order = Some(found);
                    break;
                }
                Ok((_, Round::Impossible(earlier))) if earlier < pos => pos = earlier,
                Ok((_, Round::Impossible(_))) => return Err("a prefix fails after its own end".to_owned()),
                Err(_) => break,
            }
        }
        if let Some(order) = &order {
            self.check_prefix_order(problem, pos, order)?;
        }
        let window = self.smallest_window(problem, pos);
        // Without any reduction equal optional operations multiply; if that is too much, only they
        // are counted.
        let mut proved_again = false;
        for plain in [Flags::NONE, Flags { classes: true, ..Flags::NONE }] {
            let trial = self.refute(&window, plain, PLAIN_CAP);
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
            .subject
            .part
            .entries
            .iter()
            .map(|entry| {
                let ret = entry.ret.filter(|&ret| until.is_some_and(|until| ret <= until));
                Entry { ret, ..*entry }
            })
            .collect();
        certify(self.subject.model, &self.subject.part.classes, &prefix, order)
            .map_err(|why| format!("the order before a violation failed its replay: {why}"))
    }

    /// The shortest window that ends with return `pos` and is impossible; the whole prefix when
    /// none is.
    fn smallest_window(&mut self, problem: &Problem, pos: u32) -> Window {
        let until = problem.return_time(pos);
        let mut size = 1;
        while self.flags.windows && size <= pos && size <= MAX_WINDOW {
            let since = Some(problem.return_time(pos - size));
            let window = Window::new(self.subject, since, until);
            let trial = self.refute(&window, self.flags, FIRST_ROUND * 4);
            match trial.end {
                End::Impossible => return window,
                End::Spent(_) => break,
                End::Linearizable | End::Paused => size = longer(size),
            }
        }
        Window::new(self.subject, None, until)
    }
}

/// The next window to try. Short ones are by far the cheapest, so none of them is passed over.
fn longer(size: u32) -> u32 {
    if size < 8 { size + 1 } else { size * 2 }
}
