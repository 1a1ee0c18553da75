//! Sets that only grow and are read as a whole, every element added once.

use super::super::found::{Evidence, Found, Others};
use super::super::limits::{Charge, Spent};
use super::Calls;
use super::NONE;
use crate::model::{Element, Elements, Growth};
use rustc_hash::FxHashMap;

/// The level of an element that nobody saw.
const UNSEEN: u32 = u32::MAX;

/// An element: who added it, and the first level that has it.
struct Member<'a> {
    element: &'a Element,
    add: u32,
    level: u32,
}

/// Reads that saw the same.
struct Level<'a> {
    seen: &'a Elements,
    /// One of them.
    read: u32,
}

struct Sets<'c, 'a> {
    calls: &'c Calls<'a>,
    members: Vec<Member<'a>>,
    number: FxHashMap<&'a Element, u32>,
    /// What was seen, the fewest elements first: each level has all that the one before has.
    levels: Vec<Level<'a>>,
    /// Level and entry.
    reads: Vec<(u32, u32)>,
}

/// Decides, unless an element was added twice.
pub(super) fn decide(calls: &Calls<'_>, charge: &Charge) -> Result<Option<Found>, Spent> {
    let (members, number) = (Vec::new(), FxHashMap::default());
    let mut sets = Sets { calls, members, number, levels: Vec::new(), reads: Vec::new() };
    let mut reads: Vec<(usize, u32, u32)> = Vec::new();
    for entry in calls.each() {
        match calls.says(entry) {
            Growth::Add(element) => {
                let next = u32::try_from(sets.members.len()).expect("no more elements than operations");
                if sets.number.insert(element, next).is_some() {
                    return Ok(None);
                }
                sets.members.push(Member { element, add: entry, level: UNSEEN });
            }
            Growth::Members(seen) if calls.ret(entry).is_some() => {
                if let Some(element) = seen.twice() {
                    return Ok(Some(calls.within(&[entry], &[element])));
                }
                reads.push((seen.len(), calls.entries[entry as usize].class, entry));
            }
            Growth::Members(_) => {}
            _ => return Ok(None),
        }
    }
    // Equal reads have one class.
    reads.sort_unstable();
    if let Some(found) = sets.chain(&reads, charge)? {
        return Ok(Some(found));
    }
    Ok(Some(sets.order()))
}

impl Calls<'_> {
    /// These rule an order out, whoever looks at these elements only.
    fn within(&self, ops: &[u32], elements: &[&Element]) -> Found {
        let cells = elements.iter().map(|&element| element.clone()).collect();
        Found::Impossible(Evidence { ops: self.completed(ops), others: Others::Within(cells) })
    }
}

impl<'a> Sets<'_, 'a> {
    /// Gives a level to every read, and to every element the first level with it. Otherwise two
    /// reads of which neither saw all that the other saw, or one that saw what nobody added.
    fn chain(&mut self, reads: &[(usize, u32, u32)], charge: &Charge) -> Result<Option<Found>, Spent> {
        let mut last = None;
        for &(size, class, read) in reads {
            if last != Some(class) {
                charge.time()?;
                let Growth::Members(seen) = self.calls.says(read) else { continue };
                if let Some(found) = self.level(seen, size, read) {
                    return Ok(Some(found));
                }
                last = Some(class);
            }
            self.reads.push((self.top(), read));
        }
        Ok(None)
    }

    /// The highest level so far.
    fn top(&self) -> u32 {
        u32::try_from(self.levels.len()).expect("no more levels than operations").wrapping_sub(1)
    }

    /// Adds a level.
    fn level(&mut self, seen: &'a Elements, size: usize, read: u32) -> Option<Found> {
        let below = self.levels.last().map_or(0, |below| below.seen.len());
        self.levels.push(Level { seen, read });
        let top = self.top();
        let (mut fresh, mut first) = (0, None);
        for element in seen.iter() {
            let Some(&number) = self.number.get(element) else {
                return Some(self.calls.within(&[read], &[element]));
            };
            let member = &mut self.members[number as usize];
            if member.level == UNSEEN {
                member.level = top;
                fresh += 1;
                first = Some(element);
            }
        }
        if size - fresh == below {
            return None;
        }
        // As large as the one below and not the same, or larger: something is new.
        let below = &self.levels[self.levels.len() - 2];
        let missing = below.seen.iter().find(|element| !seen.has(element))?;
        Some(self.calls.within(&[below.read, read], &[missing, first?]))
    }

    /// Level by level: what is new there, then who saw it; what nobody saw comes last.
    fn order(&self) -> Found {
        let calls = self.calls;
        // Level, reads after adds, invocation; then the entry, and the member.
        let mut placed: Vec<(u32, bool, u32, u32, u32)> = Vec::with_capacity(calls.entries.len());
        for (number, member) in (0..).zip(&self.members) {
            if member.level != UNSEEN || calls.ret(member.add).is_some() {
                placed.push((member.level, false, calls.invoke(member.add), member.add, number));
            }
        }
        placed.extend(self.reads.iter().map(|&(level, read)| (level, true, calls.invoke(read), read, NONE)));
        placed.sort_unstable();
        let mut latest: Option<&(u32, bool, u32, u32, u32)> = None;
        for op in &placed {
            if let (Some(ret), Some(latest)) = (calls.ret(op.3), latest)
                && ret < latest.2
            {
                return self.clash((latest.0, latest.3, latest.4), (op.0, op.3, op.4));
            }
            if latest.is_none_or(|latest| latest.2 < op.2) {
                latest = Some(op);
            }
        }
        Found::Order(placed.into_iter().map(|op| op.3).collect())
    }

    /// What shows that `before` comes before `after`, which returned before that was invoked. Level,
    /// entry and member.
    fn clash(&self, before: (u32, u32, u32), after: (u32, u32, u32)) -> Found {
        let element = |number: u32| self.members.get(number as usize).map(|member| member.element);
        let (one, other) = (element(before.2), element(after.2));
        let mut ops = vec![before.1, after.1];
        let elements = match (one, other) {
            // Whoever saw the first and not the second.
            (Some(one), Some(other)) => {
                ops.push(self.levels[before.0 as usize].read);
                vec![one, other]
            }
            (Some(one), None) => vec![one],
            (None, Some(other)) => vec![other],
            // Something that the second saw and the first did not.
            (None, None) => {
                let first = &self.levels[before.0 as usize].seen;
                self.levels[after.0 as usize]
                    .seen
                    .iter()
                    .filter(|element| !first.has(element))
                    .take(1)
                    .collect()
            }
        };
        self.calls.within(&ops, &elements)
    }
}
