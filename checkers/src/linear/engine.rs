//! Decides one key: search and refutation in turns, then the proof of whatever came out.

use super::blocks;
use super::collection;
use super::found::{Evidence, Found, Others};
use super::growing;
use super::limits::{Charge, Spent};
use super::mask::{Mask, by_width};
use super::partition::{Entry, Moment};
use super::problem::{Flags, Problem, Supply};
use super::search::{End, Search};
use super::subject::Subject;
use super::window::{Trial, Window};

/// Effort before the first try at refutation; each later round is four times as long.
const FIRST_ROUND: u64 = 40_000;

/// The longest window tried, in returns before and after the place where the search is stuck.
const MAX_WINDOW: u32 = 256;

/// Effort for proving a violation again with hardly any reduction.
const PLAIN_CAP: u64 = 120_000;

/// The same for the first tries, with less reduction still. Mostly they need little or far too much.
const PLAINEST_CAP: u64 = 12_000;

/// Effort for a look with endless supply, and more of it for each return.
const ENDLESS_CAP: u64 = 400_000;
const ENDLESS_CAP_PER_RETURN: u64 = 64;

/// Effort for finding an order of what came before a violation, and more of it for each return. An
/// explanation can do without.
const PREFIX_CAP: u64 = 400_000;
const PREFIX_CAP_PER_RETURN: u64 = 64;

/// Prefixes looked at to find the shortest impossible one. Each is shorter than the one before.
const MAX_PREFIXES: usize = 64;

/// What shows that two of our own methods disagree, in words.
type Bug = String;

/// What is known about one key.
pub(super) struct Decided {
    pub(super) answer: Answer,
    /// Configurations looked at, windows and proofs included.
    pub(super) configurations: u64,
    /// The most operations open at once, optional ones not counted.
    pub(super) widest: usize,
    /// The most returns, in their order, up to which an order was found.
    pub(super) passed: u32,
    /// Proofs that failed: bugs in this package.
    pub(super) bugs: Vec<Bug>,
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
pub(super) fn decide(subject: &Subject<'_>, flags: Flags) -> Decided {
    let mut decided =
        Decided { answer: Answer::Bug, configurations: 0, widest: 0, passed: 0, bugs: Vec::new() };
    // A proof that fails sends us back once, to the search without reductions.
    for flags in [flags, Flags::NONE] {
        let mut engine = Engine { subject, flags, configurations: 0, widest: 0, passed: 0 };
        let proved = engine.proved();
        decided.configurations += engine.configurations;
        decided.widest = decided.widest.max(engine.widest);
        decided.passed = decided.passed.max(engine.passed);
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

/// A decision without search about what happened up to the return at some time; what returns later
/// is in doubt. `None`: it does not apply.
type Way = fn(&Subject<'_>, Moment, &mut Charge) -> Result<Option<Found>, Spent>;

/// One attempt, with some of the reductions.
struct Engine<'a> {
    subject: &'a Subject<'a>,
    flags: Flags,
    /// As in [`Decided`].
    configurations: u64,
    /// As in [`Decided`].
    widest: usize,
    /// As in [`Decided`].
    passed: u32,
}

impl Engine<'_> {
    fn proved(&mut self) -> Result<Answer, Bug> {
        let whole = self.subject.entries.iter().filter_map(|entry| entry.ret).max();
        let Some(whole) = whole else { return Ok(Answer::Valid) };
        let mut charge = Charge::new(self.subject.limits);
        if let Err(spent) = charge.can_hold(self.subject.bytes()) {
            return Ok(Answer::Spent(spent));
        }
        match self.without_search(whole) {
            Err(spent) => return Ok(Answer::Spent(spent)),
            Ok(Some(Found::Order(order))) => {
                self.check_order(None, &order)?;
                return Ok(Answer::Valid);
            }
            Ok(Some(Found::Impossible(evidence))) => {
                return self.prove_by_evidence(evidence).map(Answer::Violation);
            }
            Ok(None) => {}
        }
        match self.prefix(whole, u64::MAX) {
            Err(spent) => Ok(Answer::Spent(spent)),
            Ok(None) => Err("a search without a limit of effort stopped".to_owned()),
            Ok(Some((_, Round::Valid(order)))) => {
                self.check_order(None, &order)?;
                Ok(Answer::Valid)
            }
            Ok(Some((problem, Round::Impossible(pos)))) => {
                self.prove_by_search(&problem, pos).map(Answer::Violation)
            }
        }
    }

    /// Decides everything up to the return at `until` without a search, where that is possible.
    fn without_search(&self, until: Moment) -> Result<Option<Found>, Spent> {
        let ways: [(bool, Way); 3] = [
            (self.flags.blocks, blocks::decide),
            (self.flags.collection, collection::decide),
            (self.flags.growing, growing::decide),
        ];
        for (_, decide) in ways.into_iter().filter(|&(on, _)| on) {
            let mut charge = Charge::new(self.subject.limits);
            if let Some(found) = decide(self.subject, until, &mut charge)? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// Searches everything up to the return at `until`, with about as much effort as `cap`: `None`
    /// when that is too little. Later returns count as optional. Orders are of entries.
    fn prefix(&mut self, until: Moment, cap: u64) -> Result<Option<(Problem, Round)>, Spent> {
        let items = Window::new(self.subject, None, until).items;
        let accesses = self.subject.accesses.as_ref();
        let mut charge = Charge::new(self.subject.limits);
        if self.flags.endless {
            let problem = Problem::new(items.clone(), accesses, self.flags, Supply::Endless, &mut charge)?;
            if problem.stretched {
                let enough = ENDLESS_CAP + ENDLESS_CAP_PER_RETURN * u64::from(problem.len());
                match by_width!(problem.slots, K => self.rounds::<K>(&problem, cap.min(enough)))? {
                    Some(Round::Valid(order)) if self.check_order(Some(Some(until)), &order).is_err() => {}
                    Some(round) => return Ok(Some((problem, round))),
                    None => {}
                }
            }
        }
        let problem = Problem::new(items, accesses, self.flags, Supply::Counted, &mut charge)?;
        self.widest = self.widest.max(problem.widest());
        let round = by_width!(problem.slots, K => self.rounds::<K>(&problem, cap))?;
        Ok(round.map(|round| (problem, round)))
    }

    fn rounds<K: Mask>(&mut self, problem: &Problem, cap: u64) -> Result<Option<Round>, Spent> {
        let states = self.subject.object.states();
        let states = if self.flags.ahead { states.among(problem) } else { states };
        let mut search = Search::<K>::new(problem, states, self.flags, self.subject.limits);
        let initial = search.states.initial();
        search.start(initial, std::iter::empty());
        let mut round = FIRST_ROUND;
        let found = loop {
            match search.run(if self.flags.windows { round.min(cap) } else { cap }) {
                End::Linearizable => {
                    let entry = |at| problem.items[at as usize].entry;
                    let order = search.order().map(|order| order.into_iter().map(entry).collect());
                    break Ok(order.map(Round::Valid));
                }
                End::Impossible => break Ok(Some(Round::Impossible(search.culprit()))),
                End::Spent(spent) => break Err(spent),
                End::Paused if search.effort >= cap => break Ok(None),
                End::Paused => {}
            }
            // While the search gets on there is nothing to refute.
            if search.effort - search.furthest_at >= round / 2
                && let Some(pos) = self.refute_around(problem, search.furthest, round)
            {
                break Ok(Some(Round::Impossible(pos)));
            }
            round *= 4;
        };
        self.configurations += search.configurations;
        // With endless supply the returns may have been passed at nobody's expense.
        if !problem.stretched {
            self.passed = self.passed.max(search.furthest);
        }
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

    /// The proof from a return that a search cannot pass: finds the shortest impossible prefix and a
    /// small window.
    fn prove_by_search(&mut self, problem: &Problem, mut pos: u32) -> Result<Proof, Bug> {
        let mut order = None;
        for _ in 0..MAX_PREFIXES {
            if pos == 0 {
                order = Some(Vec::new());
                break;
            }
            match self.prefix(problem.return_time(pos - 1), prefix_cap(pos.into())) {
                Ok(Some((_, Round::Valid(found)))) => {
                    order = Some(found);
                    break;
                }
                Ok(Some((_, Round::Impossible(earlier)))) if earlier < pos => pos = earlier,
                Ok(Some((_, Round::Impossible(_)))) => {
                    return Err("a prefix fails after its own end".to_owned());
                }
                Ok(None) | Err(_) => break,
            }
        }
        if let Some(order) = &order {
            self.check_order(Some(pos.checked_sub(1).map(|last| problem.return_time(last))), order)?;
        }
        let window = self
            .smallest_window(|pos| problem.return_time(pos), pos)
            .unwrap_or_else(|| Window::new(self.subject, None, problem.return_time(pos)));
        let culprit = problem.items[problem.returns[pos as usize] as usize].entry;
        Ok(Proof { culprit, order, proved_again: self.prove_again(&window)?, window })
    }

    /// The proof from operations that rule an order out: finds the shortest impossible prefix, and
    /// those that rule it out.
    fn prove_by_evidence(&mut self, mut evidence: Evidence) -> Result<Proof, Bug> {
        let subject = self.subject;
        let entries = subject.entries;
        let mut returns: Vec<(Moment, u32)> =
            (0..).zip(entries).filter_map(|(at, entry)| Some((entry.ret?, at))).collect();
        returns.sort_unstable();
        // What is before `low` has an order; what is before `high` and at it has none.
        let (mut low, mut order) = (0, Some(Vec::new()));
        // Some of the evidence may return only after the prefix that it is evidence against.
        let end = |evidence: &Evidence, until: Moment| {
            let rets = evidence.ops.iter().filter_map(|&at| entries[at as usize].ret);
            let last = rets.filter(|&ret| ret <= until).max();
            returns.partition_point(|&(ret, _)| Some(ret) < last)
        };
        let mut high = end(&evidence, Moment::MAX);
        // Mostly the first conflict is the only one.
        let mut next = high;
        while low < high {
            let until = returns[next - 1].0;
            match self.without_search(until) {
                Ok(Some(Found::Order(found))) => (low, order) = (next, Some(found)),
                Ok(Some(Found::Impossible(other))) => (high, evidence) = (end(&other, until), other),
                // An operation that is in doubt without its return may make it harder.
                Ok(None) => match self.prefix(until, prefix_cap(next as u64)) {
                    Ok(Some((_, Round::Valid(found)))) => (low, order) = (next, Some(found)),
                    Ok(Some((problem, Round::Impossible(pos)))) => {
                        return self.prove_by_search(&problem, pos);
                    }
                    Ok(None) | Err(_) => {
                        order = None;
                        break;
                    }
                },
                Err(_) => {
                    order = None;
                    break;
                }
            }
            next = low + (high - low).div_ceil(2);
        }
        let (until, culprit) = *returns.get(high).ok_or("operations without a return exclude each other")?;
        if let Some(order) = &order {
            self.check_order(Some(high.checked_sub(1).map(|last| returns[last].0)), order)?;
        }
        // A window in time says more, if there is one; the evidence may be far apart.
        let pos = u32::try_from(high).expect("a history has fewer than 2^32 operations");
        let window = self
            .smallest_window(|pos| returns[pos as usize].0, pos)
            .unwrap_or_else(|| Window::of_evidence(self.subject, until, &evidence));
        let proved_again = match &evidence.others {
            Others::Optional | Others::Dropped => self.prove_again(&window)?,
            Others::Within(cells) => {
                let object = subject.object.narrow(until, &evidence, cells);
                let narrow = Subject::new(&*object, subject.limits);
                let mut engine = Engine { subject: &narrow, ..*self };
                let proved_again = engine.prove_again(&Window::new(&narrow, None, until));
                self.configurations = engine.configurations;
                proved_again?
            }
        };
        Ok(Proof { culprit, order, proved_again, window })
    }

    /// Refutes a window once more, with hardly any reduction.
    fn prove_again(&mut self, window: &Window) -> Result<bool, Bug> {
        // Without any reduction equal optional operations multiply; if that is too much, they are
        // counted, and then compared. With endless supply nothing is taken away.
        let plain = Flags { endless: true, ..Flags::NONE };
        let counted = Flags { classes: true, ..plain };
        let compared = Flags { dominance: true, ..counted };
        for (flags, cap) in [(plain, PLAINEST_CAP), (counted, PLAINEST_CAP), (compared, PLAIN_CAP)] {
            let trial = self.refute(window, flags, cap);
            match trial.end {
                End::Linearizable => return Err("a refuted window has an order".to_owned()),
                End::Impossible => return Ok(true),
                End::Paused | End::Spent(_) => {}
            }
        }
        Ok(false)
    }

    /// Replays an order: of everything, or of what returned by some time, which may be never.
    fn check_order(&self, until: Option<Option<Moment>>, order: &[u32]) -> Result<(), Bug> {
        let (object, entries) = (self.subject.object, self.subject.entries);
        let Some(until) = until else {
            return object
                .certify(entries, order)
                .map_err(|why| format!("an order failed its replay: {why}"));
        };
        let known = |ret: &Moment| until.is_some_and(|until| *ret <= until);
        let prefix: Vec<Entry> =
            entries.iter().map(|entry| Entry { ret: entry.ret.filter(known), ..*entry }).collect();
        object
            .certify(&prefix, order)
            .map_err(|why| format!("the order before a violation failed its replay: {why}"))
    }

    /// The shortest window that ends with return `pos` and is impossible, if there is one.
    fn smallest_window(&mut self, return_time: impl Fn(u32) -> Moment, pos: u32) -> Option<Window> {
        let mut size = 1;
        while self.flags.windows && size <= pos && size <= MAX_WINDOW {
            let window = Window::new(self.subject, Some(return_time(pos - size)), return_time(pos));
            match self.refute(&window, self.flags, FIRST_ROUND * 4).end {
                End::Impossible => return Some(window),
                End::Spent(_) => return None,
                End::Linearizable | End::Paused => size = longer(size),
            }
        }
        None
    }
}

/// Effort for finding an order of so many returns.
fn prefix_cap(returns: u64) -> u64 {
    PREFIX_CAP + PREFIX_CAP_PER_RETURN * returns
}

/// The next window to try. Short ones are by far the cheapest, so none of them is passed over.
fn longer(size: u32) -> u32 {
    if size < 8 { size + 1 } else { size * 2 }
}
