//! Deciding without a search, where no value that matters can come from two operations.
//!
//! Whoever reads a value, or compares with it, then stands between the one operation that left
//! it behind and the one that replaced it. So the operations fall into *blocks*: a write, the chain
//! of compare-and-sets that begins with its value, and everybody who saw one of these values. The
//! order inside a block is forced, and blocks follow one another whole.
//!
//! Block A has to come before B if something in A returned before something in B was invoked,
//! that is if the first return in A is before the last invocation in B. Two blocks that have to
//! come before each other rule an order out; without such a pair, sorting by the earlier of first
//! return and last invocation is an order: if A has to precede B and B does not have to precede
//! A, then A sorts first. (Gibbons and Korach 1997 for reads and writes; the chains, and operations
//! whose outcome is in doubt, are our own.)
//!
//! An operation in doubt happened if its value was seen, directly or through others in doubt that
//! compare with it; whoever was not seen is left out, as in [`super::reduce`].
//!
//! Not here: proof. An order is replayed by [`super::certify`], and the few operations that rule
//! one out are refuted again by a search ([`super::engine`]).

use super::access::{Access, Accesses, INITIAL, NONE};
use super::found::{Evidence, Found, Others};
use super::limits::{Charge, Spent};
use super::partition::{Entry, Moment};
use super::subject::Subject;
use rustc_hash::FxHashMap;
use std::ops::Range;

/// Operations between two looks at the clock.
const LOOK_EVERY: usize = 1 << 14;

/// Decides what happened up to the return at `until`; what returns later is in doubt. `None` when
/// some value that matters can come from two operations.
pub(super) fn decide(
    subject: &Subject<'_>,
    until: Moment,
    charge: &mut Charge,
) -> Result<Option<Found>, Spent> {
    let Some(accesses) = &subject.accesses else { return Ok(None) };
    let entries = subject.entries;
    let entries = &entries[..entries.partition_point(|entry| entry.invoke <= until)];
    let mut blocks = Blocks {
        entries,
        accesses,
        until,
        values: vec![Value { witness: NONE, source: NONE, taker: NONE }; accesses.values()],
        links: Vec::new(),
        blocks: Vec::new(),
        readers: Vec::new(),
    };
    charge.can_hold(blocks.bytes())?;
    blocks.find_witnesses();
    charge.time()?;
    let conflict = match blocks.find_sources() {
        None => return Ok(None),
        Some(conflict) => conflict,
    };
    charge.time()?;
    if let Some(ops) = conflict.or_else(|| blocks.phantom()).or_else(|| blocks.chain()) {
        return Ok(Some(impossible(ops)));
    }
    charge.can_hold(blocks.bytes() + entries.len() * size_of::<u32>())?;
    blocks.gather_readers();
    charge.time()?;
    blocks.measure();
    charge.can_hold(blocks.bytes() + entries.len() * size_of::<u32>())?;
    blocks.order(charge).map(Some)
}

fn impossible(ops: Vec<u32>) -> Found {
    Found::Impossible(Evidence { ops, others: Others::Optional })
}

/// A value, and who has to do with it. Entries.
#[derive(Clone, Copy)]
struct Value {
    /// A completed operation that cannot be without it, or `NONE`.
    witness: u32,
    /// Who leaves it behind; after `chain`, the link instead.
    source: u32,
    /// Who replaces it by comparing with it.
    taker: u32,
}

/// A value as a part of a block.
struct Link {
    /// Who leaves it behind; `NONE`: it was there at first.
    source: u32,
    /// Where its readers begin in `readers`.
    readers: u32,
}

/// A stretch of links, from a value that was written or there at first.
struct Block {
    links: Range<u32>,
    /// The first return, and whose it is.
    first_return: (Moment, u32),
    /// The last invocation, and whose it is.
    last_invoke: (Moment, u32),
}

struct Blocks<'a> {
    entries: &'a [Entry],
    accesses: &'a Accesses,
    until: Moment,
    values: Vec<Value>,
    links: Vec<Link>,
    blocks: Vec<Block>,
    /// Observers, by link and invocation.
    readers: Vec<u32>,
}

impl Blocks<'_> {
    fn access(&self, entry: u32) -> Access {
        self.accesses.of(self.entries[entry as usize].class)
    }

    fn ret(&self, entry: u32) -> Option<Moment> {
        self.entries[entry as usize].ret.filter(|&ret| ret <= self.until)
    }

    fn each(&self) -> impl Iterator<Item = u32> + use<> {
        0..u32::try_from(self.entries.len()).expect("a history has fewer than 2^32 operations")
    }

    /// Did it happen, for all we know? An operation in doubt whose value was seen did.
    fn happened(&self, entry: u32) -> bool {
        let seen = |value: u32| value != NONE && self.values[value as usize].witness != NONE;
        self.ret(entry).is_some() || seen(self.access(entry).leaves)
    }

    /// Which values were seen.
    fn find_witnesses(&mut self) {
        let mut doubtful: FxHashMap<u32, Vec<u32>> = FxHashMap::default();
        for entry in self.each() {
            let Access { expects, leaves } = self.access(entry);
            if expects == NONE {
                continue;
            }
            if self.ret(entry).is_some() {
                self.values[expects as usize].witness = entry;
            } else if leaves != NONE {
                doubtful.entry(leaves).or_default().push(expects);
            }
        }
        let mut seen: Vec<u32> = doubtful.keys().copied().collect();
        seen.retain(|&value| self.values[value as usize].witness != NONE);
        seen.sort_unstable();
        while let Some(value) = seen.pop() {
            let witness = self.values[value as usize].witness;
            for expected in doubtful.remove(&value).unwrap_or_default() {
                if self.values[expected as usize].witness == NONE {
                    self.values[expected as usize].witness = witness;
                    seen.push(expected);
                }
            }
        }
    }

    /// Who leaves and who replaces each value that was seen. `None` when one can come from two
    /// operations; otherwise two that replaced the same value, if there are such.
    fn find_sources(&mut self) -> Option<Option<Vec<u32>>> {
        let mut conflict = None;
        for entry in self.each() {
            if !self.happened(entry) {
                continue;
            }
            let Access { expects, leaves } = self.access(entry);
            if leaves == NONE {
                if expects == NONE {
                    return None;
                }
                continue;
            }
            let value = &mut self.values[leaves as usize];
            if value.witness != NONE {
                if value.source != NONE || leaves == INITIAL {
                    return None;
                }
                value.source = entry;
            }
            if expects != NONE {
                let other = std::mem::replace(&mut self.values[expects as usize].taker, entry);
                if other != NONE {
                    conflict = conflict.or(Some((other, entry)));
                }
            }
        }
        Some(conflict.map(|(one, other)| self.evidence(&[one, other])))
    }

    /// Somebody saw a value that nothing leaves behind.
    fn phantom(&self) -> Option<Vec<u32>> {
        let is_lost = |value: &&Value| value.witness != NONE && value.source == NONE;
        self.values.iter().skip(INITIAL as usize + 1).find(is_lost).map(|value| vec![value.witness])
    }

    /// Completed operations that stand for these: for one in doubt, who shows that it happened.
    fn evidence(&self, ops: &[u32]) -> Vec<u32> {
        let stands = |&entry: &u32| match self.ret(entry) {
            Some(_) => entry,
            None => self.values[self.access(entry).leaves as usize].witness,
        };
        let mut evidence: Vec<u32> = ops.iter().map(stands).collect();
        evidence.sort_unstable();
        evidence.dedup();
        evidence
    }

    /// Follows the chains from their beginnings. What is in none of them goes in circles.
    fn chain(&mut self) -> Option<Vec<u32>> {
        let mut changes = 0;
        if self.values[INITIAL as usize].witness != NONE {
            self.follow(NONE, INITIAL);
            changes += 1;
        }
        for entry in self.each() {
            let access = self.access(entry);
            if access.leaves != NONE && self.happened(entry) {
                changes += 1;
                if access.is_blind() {
                    self.follow(entry, access.leaves);
                }
            }
        }
        if self.links.len() == changes {
            return None;
        }
        let mut linked = vec![false; self.entries.len()];
        for link in self.links.iter().filter(|link| link.source != NONE) {
            linked[link.source as usize] = true;
        }
        let lost = |&entry: &u32| {
            !linked[entry as usize] && self.access(entry).leaves != NONE && self.happened(entry)
        };
        let first = self.each().find(lost)?;
        // Each value that was seen has one source and one taker: back from there one comes round.
        let before = |at: u32| self.values[self.access(at).expects as usize].source;
        let circle = std::iter::successors(Some(first), |&at| Some(before(at)).filter(|&at| at != first));
        let circle: Vec<u32> = circle.take(self.entries.len()).collect();
        Some(self.evidence(&circle))
    }

    /// A block, from the operation that leaves `value`.
    fn follow(&mut self, mut source: u32, mut value: u32) {
        let from = self.link_count();
        loop {
            let link = self.link_count();
            self.links.push(Link { source, readers: 0 });
            let known = &mut self.values[value as usize];
            // A value that nobody saw can have many sources, and none of them leads further.
            if known.witness == NONE {
                break;
            }
            known.source = link;
            source = known.taker;
            if source == NONE {
                break;
            }
            value = self.access(source).leaves;
        }
        let links = from..self.link_count();
        self.blocks.push(Block { links, first_return: (Moment::MAX, NONE), last_invoke: (0, NONE) });
    }

    fn link_count(&self) -> u32 {
        u32::try_from(self.links.len()).expect("no more links than operations")
    }

    /// Sorts the observers by what they saw.
    fn gather_readers(&mut self) {
        let mut at = 0;
        let seen = |blocks: &Self, entry: u32| {
            let Access { expects, leaves } = blocks.access(entry);
            let saw = leaves == NONE && blocks.ret(entry).is_some();
            saw.then(|| blocks.values[expects as usize].source as usize)
        };
        for entry in self.each() {
            if let Some(link) = seen(self, entry) {
                self.links[link].readers += 1;
            }
        }
        for link in &mut self.links {
            at += std::mem::replace(&mut link.readers, at);
        }
        self.readers = vec![0; at as usize];
        // Each link counts up to where the next began, and then all are moved back by one.
        for entry in self.each() {
            if let Some(link) = seen(self, entry) {
                let next = &mut self.links[link].readers;
                self.readers[*next as usize] = entry;
                *next += 1;
            }
        }
        let mut began = 0;
        for link in &mut self.links {
            began = std::mem::replace(&mut link.readers, began);
        }
    }

    /// The operations of a block, in the order that is forced.
    fn members(&self, links: Range<u32>) -> impl Iterator<Item = u32> {
        (links.start as usize..links.end as usize).flat_map(|at| {
            let link = &self.links[at];
            let end = self.links.get(at + 1).map_or(self.readers.len(), |next| next.readers as usize);
            let source = (link.source != NONE).then_some(link.source);
            source.into_iter().chain(self.readers[link.readers as usize..end].iter().copied())
        })
    }

    /// First return and last invocation of every block.
    fn measure(&mut self) {
        let mut blocks = std::mem::take(&mut self.blocks);
        for block in &mut blocks {
            for entry in self.members(block.links.clone()) {
                let invoke = self.entries[entry as usize].invoke;
                if block.last_invoke.1 == NONE || invoke > block.last_invoke.0 {
                    block.last_invoke = (invoke, entry);
                }
                if let Some(ret) = self.ret(entry).filter(|&ret| ret < block.first_return.0) {
                    block.first_return = (ret, entry);
                }
            }
        }
        self.blocks = blocks;
    }

    /// Puts the blocks in order, and looks whether that respects real time.
    fn order(&mut self, charge: &Charge) -> Result<Found, Spent> {
        let mut blocks = std::mem::take(&mut self.blocks);
        let initial = self.values[INITIAL as usize].witness != NONE;
        blocks[usize::from(initial)..]
            .sort_unstable_by_key(|block| block.first_return.0.min(block.last_invoke.0));
        let mut order: Vec<u32> = Vec::with_capacity(self.entries.len());
        // Of what is placed already, whatever was invoked last: when, who, and in which block.
        let mut latest: Option<(Moment, u32, &Block)> = None;
        for block in &blocks {
            for entry in self.members(block.links.clone()) {
                if order.len().is_multiple_of(LOOK_EVERY) {
                    charge.time()?;
                }
                if let (Some(ret), Some((invoke, before, other))) = (self.ret(entry), latest)
                    && ret < invoke
                {
                    let pair = [before, entry];
                    let both = [before, entry, other.first_return.1, block.last_invoke.1];
                    // What was there at first has to come first, and a block is in order in itself.
                    let alone =
                        std::ptr::eq(block, other) || self.links[other.links.start as usize].source == NONE;
                    return Ok(impossible(self.evidence(if alone { &pair } else { &both })));
                }
                let invoke = self.entries[entry as usize].invoke;
                if latest.is_none_or(|(latest, ..)| invoke > latest) {
                    latest = Some((invoke, entry, block));
                }
                order.push(entry);
            }
        }
        Ok(Found::Order(order))
    }

    fn bytes(&self) -> usize {
        self.values.capacity() * size_of::<Value>()
            + self.links.capacity() * size_of::<Link>()
            + self.blocks.capacity() * size_of::<Block>()
            + self.readers.capacity() * 4
    }
}
