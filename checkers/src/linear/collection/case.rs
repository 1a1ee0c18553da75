//! A history of a container, element by element: when it can have been put in and taken out.
//!
//! Not here: whether all elements go together; see [`super::decide`].

use super::contents::{Contents, Does};
use crate::linear::partition::{Entry, Moment};
use crate::model::FirstOut;

/// When something happened: a position in the history. What was there at first was put in before,
/// at negative times.
pub(super) type Time = i64;

/// After everything.
pub(super) const NEVER: Time = Time::MAX;

/// No operation.
pub(super) const NONE: u32 = u32::MAX;

/// One of those who may have taken anything.
pub(super) const SOMEBODY: u32 = u32::MAX - 1;

/// What reading and ordering an operation takes at most, in bytes: an element has two.
const BYTES_PER_OPERATION: usize = 160;

/// From the first to the last instant at which something can have taken effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) from: Time,
    pub(super) to: Time,
}

/// One element that was put in once.
#[derive(Clone, Copy, Debug)]
pub(super) struct Item {
    /// Ends no later than `take`.
    pub(super) put: Span,
    /// Begins no earlier than `put`. An element that never came out comes out after everything else:
    /// there, any order is possible.
    pub(super) take: Span,
    /// Entry, or `NONE` for what was there at first.
    pub(super) put_op: u32,
    /// Entry, or `SOMEBODY`, or `NONE` if nobody took it.
    pub(super) take_op: u32,
    /// By size among the elements, where that matters.
    pub(super) rank: u32,
}

/// Somebody found it empty.
#[derive(Clone, Copy, Debug)]
pub(super) struct Empty {
    pub(super) span: Span,
    pub(super) op: u32,
    /// An instant at which it can have been empty.
    pub(super) at: Time,
}

/// What has to go together.
#[derive(Debug)]
pub(super) struct Case {
    pub(super) first_out: FirstOut,
    /// By the beginning of `put`.
    pub(super) items: Vec<Item>,
    pub(super) empties: Vec<Empty>,
    /// Who may have taken anything: since when, and who. By time.
    pub(super) takes: Vec<(Time, u32)>,
    /// Are these all? Elements that were put in more than once and taken are left out.
    pub(super) complete: bool,
}

/// What became of reading a history.
pub(super) enum Read {
    Case(Case),
    /// These cannot go together.
    Impossible(Vec<u32>),
    /// A completed operation took nobody knows what.
    Unfit,
}

impl Span {
    /// Of an operation without a return.
    fn since(from: Time) -> Self {
        Self { from, to: NEVER }
    }
}

impl Item {
    /// Nobody took it.
    pub(super) const STAYS: Span = Span { from: NEVER, to: NEVER };

    /// The instants strictly between, at which it was in for certain, if there are any.
    pub(super) fn zone(&self) -> Option<(Time, Time)> {
        (self.put.to < self.take.from).then_some((self.put.to, self.take.from))
    }

    /// Nobody took it.
    pub(super) fn stays(&self) -> bool {
        self.take_op == NONE
    }

    /// Was it taken by one of those who may have taken anything?
    pub(super) fn is_swallowed(&self) -> bool {
        self.take_op == SOMEBODY
    }

    /// It is known who took it, if it was taken, but not whether it was.
    pub(super) fn may_stay(&self) -> bool {
        !self.stays() && !self.is_swallowed() && self.take.to == NEVER
    }

    /// One of those who may have taken anything took it, the first of whom began at `first`.
    pub(super) fn swallow(&mut self, first: Time) {
        self.take_op = SOMEBODY;
        self.take = Span::since(first.max(self.put.from));
    }

    /// Narrows the spans as far as the operations of the element alone allow.
    fn tightened(mut self) -> Self {
        self.put.to = self.put.to.min(self.take.to);
        self.take.from = self.take.from.max(self.put.from);
        self
    }
}

impl Case {
    /// These elements, and nothing else.
    pub(super) fn only(&self, items: &[u32]) -> Self {
        Self {
            first_out: self.first_out,
            items: items.iter().map(|&id| self.items[id as usize]).collect(),
            empties: Vec::new(),
            takes: Vec::new(),
            complete: false,
        }
    }
}

/// About how many bytes reading and ordering so many operations takes.
pub(super) fn bytes(operations: usize) -> usize {
    operations * BYTES_PER_OPERATION
}

/// A number of things that no history has more of than operations.
pub(super) fn number(n: usize) -> u32 {
    u32::try_from(n).expect("a history has fewer than 2^32 operations")
}

/// All operations on equal elements.
#[derive(Clone, Copy)]
struct Tally {
    /// How often it was put in for certain, or perhaps.
    puts: u32,
    doubtful_puts: u32,
    takes: u32,
    /// Who took it, if it was taken.
    taker: u32,
    /// Who perhaps did, the first to begin.
    perhaps: u32,
}

const NOTHING: Tally = Tally { puts: 0, doubtful_puts: 0, takes: 0, taker: NONE, perhaps: NONE };

/// Reads what happened up to the return at `until`; what returns later is in doubt.
pub(super) fn read(contents: &Contents, entries: &[Entry], until: Moment) -> Read {
    let ret = |entry: &Entry| entry.ret.filter(|&ret| ret <= until).map(Time::from);
    let mut case = Case {
        first_out: contents.first_out,
        items: Vec::new(),
        empties: Vec::new(),
        takes: Vec::new(),
        complete: true,
    };
    let mut tallies = vec![NOTHING; contents.elements()];
    for &element in &contents.initial {
        tallies[element as usize].puts += 1;
    }
    for (at, entry) in (0..).zip(entries) {
        let from = Time::from(entry.invoke);
        let ret = ret(entry);
        match contents.of(entry.class) {
            Does::Put(element) if ret.is_some() => tallies[element as usize].puts += 1,
            Does::Put(element) => tallies[element as usize].doubtful_puts += 1,
            Does::Took(element) => tallies[element as usize].take(at, ret.is_some()),
            Does::Take if ret.is_some() => return Read::Unfit,
            Does::Take => case.takes.push((from, at)),
            Does::Empty => {
                if let Some(to) = ret {
                    case.empties.push(Empty { span: Span { from, to }, op: at, at: from });
                }
            }
        }
    }
    let too_often = |tally: &Tally| tally.takes > tally.puts + tally.doubtful_puts;
    if let Some(element) = tallies.iter().position(too_often) {
        return Read::Impossible(all_of(contents, entries, element));
    }
    let mut push = |element: u32, put: Span, put_op: u32| {
        let tally = &tallies[element as usize];
        let Some(take_op) = tally.taken_by() else {
            case.complete = false;
            return None;
        };
        if tally.takes == 0 && put.to == NEVER {
            // It matters to nobody.
            return None;
        }
        let take = match entries.get(take_op as usize) {
            None => Item::STAYS,
            Some(entry) => Span { to: ret(entry).unwrap_or(NEVER), ..Span::since(Time::from(entry.invoke)) },
        };
        let item = Item { put, take, put_op, take_op, rank: contents.rank(element) }.tightened();
        case.items.push(item);
        (take.to < put.from).then(|| vec![put_op, take_op])
    };
    let first = 2 * Time::try_from(contents.initial.len()).expect("memory ends before 2^62 elements");
    for (n, &element) in (0..).zip(&contents.initial) {
        push(element, Span { from: 2 * n - first, to: 2 * n - first + 1 }, NONE);
    }
    for (at, entry) in (0..).zip(entries) {
        if let Does::Put(element) = contents.of(entry.class) {
            let put = Span { from: Time::from(entry.invoke), to: ret(entry).unwrap_or(NEVER) };
            if let Some(ops) = push(element, put, at) {
                return Read::Impossible(ops);
            }
        }
    }
    Read::Case(case)
}

impl Tally {
    fn take(&mut self, at: u32, certain: bool) {
        if certain {
            self.takes += 1;
            self.taker = at;
        } else if self.perhaps == NONE {
            self.perhaps = at;
        }
    }

    /// Who took each of these, or perhaps did. `None` if it is not known which of several they took.
    fn taken_by(&self) -> Option<u32> {
        match (self.takes, self.puts, self.doubtful_puts) {
            // Doubtful ones are left out where nobody needs them.
            (0, 0 | 1, _) => Some(self.perhaps),
            (0, _, _) => (self.perhaps == NONE).then_some(NONE),
            // Who perhaps took it as well did not.
            (1, 1, 0) | (1, 0, 1) => Some(self.taker),
            _ => None,
        }
    }
}

/// Everything about an element.
fn all_of(contents: &Contents, entries: &[Entry], element: usize) -> Vec<u32> {
    let is_about = |entry: &Entry| match contents.of(entry.class) {
        Does::Put(other) | Does::Took(other) => other as usize == element,
        Does::Take | Does::Empty => false,
    };
    (0..).zip(entries).filter(|(_, entry)| is_about(entry)).map(|(at, _)| at).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ContainerOp;

    #[test]
    fn what_was_in_at_first_was_put_in_before_anything_happened() {
        let initial = [7, 8, 9].map(|n| crate::model::Element::from(&serde_json::json!(n)));
        let contents = Contents::new((FirstOut::Oldest, &initial), 0, &|_| None).expect("a container");
        let Read::Case(case) = read(&contents, &[], 0) else { panic!("nothing happened") };
        let puts: Vec<(Time, Time)> = case.items.iter().map(|item| (item.put.from, item.put.to)).collect();
        assert_eq!(puts, [(-6, -5), (-4, -3), (-2, -1)]);
    }

    /// Our own models know what a completed operation took; somebody else's may not.
    #[test]
    fn what_was_taken_has_to_be_known_when_it_was() {
        let take = |_| Some(ContainerOp::Take);
        let contents = Contents::new((FirstOut::Oldest, &[]), 1, &take).expect("a container");
        let taken = |ret| read(&contents, &[Entry { class: 0, invoke: 0, ret }], 1);
        assert!(matches!(taken(Some(1)), Read::Unfit));
        for ret in [None, Some(2)] {
            assert!(matches!(taken(ret), Read::Case(case) if case.takes == [(0, 0)]));
        }
    }
}
