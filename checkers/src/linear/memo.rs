//! The configurations that need no second look. Exact: keys are compared, not their hashes.

use super::limits::{Charge, Spent};
use super::mask::Mask;
use super::uses::Uses;
use rustc_hash::FxHashMap;
use std::collections::hash_map::Entry;

/// Where a search stands.
#[derive(Clone)]
pub(super) struct Config<K> {
    /// Number of returns passed; the next one is the earliest that is not linearized.
    pub(super) pos: u32,
    /// What the object holds.
    pub(super) state: u32,
    /// Optional operations used.
    pub(super) uses: u32,
    /// Open operations linearized.
    pub(super) mask: K,
}

const END: u32 = u32::MAX;

/// Configurations seen, and for each the ways it was reached that count.
pub(super) struct Memo<K> {
    map: FxHashMap<(K, u32, u32), u32>,
    /// Linked lists: uses, next.
    chains: Vec<(u32, u32)>,
    /// Keep the cheapest uses only; otherwise all of them.
    dominance: bool,
    /// Without optional operations there is nothing to chain.
    chained: bool,
    heap: usize,
    /// Chained uses looked at so far.
    pub(super) walked: u64,
}

impl<K: Mask> Memo<K> {
    pub(super) fn new(dominance: bool, chained: bool) -> Self {
        Self { map: FxHashMap::default(), chains: Vec::new(), dominance, chained, heap: 0, walked: 0 }
    }

    /// Is this worth a look? Remembers it, if so.
    ///
    /// With dominance, a configuration is not if it was seen with no more optional operations
    /// used: whatever completes this one completes that one, since using is never an obligation.
    pub(super) fn admit(
        &mut self,
        config: &Config<K>,
        uses: &Uses,
        charge: &mut Charge,
    ) -> Result<bool, Spent> {
        if self.map.len() == self.map.capacity() {
            // The table doubles, and for a moment both exist.
            charge.can_hold(self.bytes() + 2 * self.map_bytes().max(1024))?;
        }
        let key = (config.mask.clone(), config.pos, config.state);
        let entry = match self.map.entry(key) {
            Entry::Vacant(entry) => {
                self.heap += config.mask.heap_bytes();
                let head = if self.chained { push(&mut self.chains, config.uses, END) } else { END };
                entry.insert(head);
                return Ok(true);
            }
            Entry::Occupied(entry) if self.chained => entry.into_mut(),
            Entry::Occupied(_) => return Ok(false),
        };
        let mut at = *entry;
        while at != END {
            let (seen, next) = self.chains[at as usize];
            self.walked += uses.work(config.uses);
            if seen == config.uses || (self.dominance && uses.at_most(seen, config.uses)) {
                return Ok(false);
            }
            at = next;
        }
        if self.dominance {
            *entry = without_dominated(&mut self.chains, *entry, config.uses, uses);
        }
        *entry = push(&mut self.chains, config.uses, *entry);
        Ok(true)
    }

    pub(super) fn bytes(&self) -> usize {
        self.map_bytes() + self.chains.capacity() * 8 + self.heap
    }

    fn map_bytes(&self) -> usize {
        // One control byte per bucket, and an eighth of the buckets stays empty.
        self.map.capacity() * 8 / 7 * (size_of::<((K, u32, u32), u32)>() + 1)
    }
}

fn push(chains: &mut Vec<(u32, u32)>, uses: u32, next: u32) -> u32 {
    chains.push((uses, next));
    u32::try_from(chains.len() - 1).expect("memory ends before 2^32 configurations")
}

/// Takes out what `uses` dominates; returns the new head.
fn without_dominated(chains: &mut [(u32, u32)], head: u32, cheap: u32, uses: &Uses) -> u32 {
    let (mut head, mut last, mut at) = (head, END, head);
    while at != END {
        let (seen, next) = chains[at as usize];
        if uses.at_most(cheap, seen) {
            if last == END {
                head = next;
            } else {
                chains[last as usize].1 = next;
            }
        } else {
            last = at;
        }
        at = next;
    }
    head
}
