//! One key's calls, laid out for the search: returns in order, what is open at each, and the
//! optional operations by class.

use super::access::{self, Accesses};
use super::limits::{Charge, Spent};
use super::partition::Moment;
use super::reduce;
use rustc_hash::FxHashMap;

/// The reductions of the search. All on in use; tests compare every combination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Flags {
    /// An open observer that leaves the state as it is is linearized at once. It is already
    /// invoked, and without it the states after its later place can do no less; so any order that
    /// has it later can have it now.
    pub(super) eager: bool,
    /// Equal optional operations are counted, not told apart: the earliest invoked can stand in
    /// for any other, since its interval contains the other's.
    pub(super) classes: bool,
    /// Of two configurations that differ only in the optional operations used, the one that used
    /// no more of any class can do all that the other can. Never applied to completed
    /// operations: these are obligations.
    pub(super) dominance: bool,
    /// An optional operation is taken only if something can follow that notices. In an order
    /// with the fewest optional operations each is noticed by the next one: otherwise leave it
    /// out, and the states after it are the same.
    pub(super) noticed: bool,
    /// Refute from a few operations and every state before them, where the search is stuck.
    pub(super) windows: bool,
    /// Optional operations whose values matter to nobody are left out: [`reduce::drop_unseen`].
    pub(super) unseen: bool,
    /// A completed operation whose value nobody expects is linearized just before the next one
    /// that overwrites, unless it is due before. Nothing but an overwriter can follow it anyway,
    /// so any order that has it later can have it there.
    pub(super) dead: bool,
    /// Equal optional operations are not even counted when there are more of them than an order
    /// can use: see [`Optional::abundant`]. Needs `dominance`.
    pub(super) abundance: bool,
    /// First look without counting optional operations at all: see [`Supply::Endless`].
    pub(super) endless: bool,
    /// A configuration from which something that was seen cannot come about any more is left at once:
    /// [`super::ahead`]. States from which nothing can that is seen at all are one: [`Model::doomed`].
    ///
    /// [`Model::doomed`]: crate::model::Model::doomed
    pub(super) ahead: bool,
    /// Of equal operations the one that is due first is linearized first, optional ones last. All are
    /// invoked already. In an order that takes another one first the two can change places: the one
    /// that is moved back was due later than where it goes, and nothing unlinearized returned before
    /// the other was invoked.
    pub(super) due: bool,
    /// Decide without a search where every value is written once: [`super::blocks`].
    pub(super) blocks: bool,
    /// Decide without a search where elements are put into a container once: [`super::collection`].
    pub(super) collection: bool,
    /// Decide without a search where an object only grows: [`super::growing`].
    pub(super) growing: bool,
}

impl Flags {
    pub(super) const ALL: Self = Self {
        eager: true,
        classes: true,
        dominance: true,
        noticed: true,
        windows: true,
        unseen: true,
        dead: true,
        abundance: true,
        endless: true,
        ahead: true,
        due: true,
        blocks: true,
        collection: true,
        growing: true,
    };
    pub(super) const NONE: Self = Self {
        eager: false,
        classes: false,
        dominance: false,
        noticed: false,
        windows: false,
        unseen: false,
        dead: false,
        abundance: false,
        endless: false,
        ahead: false,
        due: false,
        blocks: false,
        collection: false,
        growing: false,
    };
}

/// How often optional operations can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Supply {
    /// Once each.
    Counted,
    /// From the first invocation on as often as wanted, if they leave one certain value behind. What
    /// is impossible even so is impossible, and that is shown without telling apart the many ways to
    /// use a few of many. An order may come out that uses one of them twice; it proves nothing.
    Endless,
}

/// Equal optional operations.
pub(super) struct Optional {
    pub(super) class: u32,
    /// As [`Item::overwrites`].
    pub(super) overwrites: bool,
    /// When they were invoked, ascending, and which ones they are.
    pub(super) members: Vec<(Moment, u32)>,
    /// There are enough of them at any time. Whatever leaves one certain value behind is used
    /// at most once between two completed operations: with a second use the object is where it
    /// was after the first, and everything between them can be left out.
    pub(super) abundant: bool,
}

impl Optional {
    /// When the first of them was invoked.
    pub(super) fn since(&self) -> Moment {
        self.members.first().map_or(Moment::MAX, |&(invoke, _)| invoke)
    }
}

/// The layout.
pub(super) struct Problem {
    /// The entries it is about. Everything below counts positions in this list.
    pub(super) items: Vec<Item>,
    /// Completed operations in the order of their returns.
    pub(super) returns: Vec<u32>,
    /// For each return where its open operations start; one more at the end.
    starts: Vec<usize>,
    opens: Vec<u32>,
    /// Bits that a mask needs.
    pub(super) slots: usize,
    pub(super) optional: Vec<Optional>,
    /// Is some optional operation in endless supply that is none in truth?
    pub(super) stretched: bool,
}

/// An operation as the search sees it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Item {
    /// Position in the part's entries.
    pub(super) entry: u32,
    pub(super) class: u32,
    pub(super) observer: bool,
    pub(super) invoke: Moment,
    /// Absent: optional, and open for ever.
    pub(super) ret: Option<Moment>,
    /// Bit in the mask while open; of an optional one, its position in [`Problem::optional`].
    pub(super) slot: u32,
    /// The item of the same class that returned last before it, if there is one.
    pub(super) twin: Option<u32>,
    /// It leaves a value that nobody expects.
    pub(super) dead: bool,
    /// It is possible in every state, with the same one after it.
    pub(super) overwrites: bool,
}

impl Problem {
    /// Lays out `items`, which come in the order of their invocations.
    pub(super) fn new(
        mut items: Vec<Item>,
        accesses: Option<&Accesses>,
        flags: Flags,
        supply: Supply,
        charge: &mut Charge,
    ) -> Result<Self, Spent> {
        // An optional observer changes nothing and owes nothing.
        items.retain(|item| item.ret.is_some() || !item.observer);
        if let Some(accesses) = accesses {
            if flags.unseen {
                reduce::drop_unseen(&mut items, accesses);
            }
            if flags.dead {
                reduce::merge_dead(&mut items, accesses);
            }
        }
        let (events, optional) = events_and_optional(&mut items, flags);
        let mut problem = Self {
            items,
            returns: Vec::new(),
            starts: vec![0],
            opens: Vec::new(),
            slots: 0,
            optional,
            stretched: false,
        };
        let mut free: Vec<u32> = Vec::new();
        let mut last_of_class: FxHashMap<u32, u32> = FxHashMap::default();
        // Open now, earliest return first: what is due next is tried first.
        let mut open: Vec<u32> = Vec::new();
        for (_, at, returns) in events {
            if !returns {
                let slot = free.pop().unwrap_or_else(|| {
                    problem.slots += 1;
                    u32::try_from(problem.slots - 1).expect("fewer slots than operations")
                });
                let item = &mut problem.items[at as usize];
                item.slot = slot;
                let ret = item.ret;
                let place = open.partition_point(|&other| problem.items[other as usize].ret < ret);
                open.insert(place, at);
                continue;
            }
            if problem.returns.len().is_multiple_of(1024) {
                charge.time()?;
                charge.can_hold(problem.bytes() + 1024 * 4 * (open.len() + 3))?;
            }
            let item = &mut problem.items[at as usize];
            item.twin = last_of_class.insert(item.class, at);
            problem.returns.push(at);
            problem.opens.extend_from_slice(&open);
            problem.starts.push(problem.opens.len());
            debug_assert_eq!(open.first(), Some(&at), "the one that returns is the one that is due");
            open.remove(0);
            free.push(problem.items[at as usize].slot);
        }
        if let Some(accesses) = accesses {
            problem.supply(accesses, flags, supply);
        }
        Ok(problem)
    }

    fn supply(&mut self, accesses: &Accesses, flags: Flags, supply: Supply) {
        for group in 0..self.optional.len() {
            if accesses.of(self.optional[group].class).leaves == access::NONE {
                continue;
            }
            let abundant = flags.abundance && flags.dominance && self.is_abundant(group);
            let endless = supply == Supply::Endless;
            self.stretched |= endless && !abundant;
            self.optional[group].abundant = abundant || endless;
        }
    }

    /// Completed operations invoked before return `pos` and not returned before it.
    pub(super) fn open(&self, pos: u32) -> &[u32] {
        &self.opens[self.starts[pos as usize]..self.starts[pos as usize + 1]]
    }

    /// The operation that can stand in for `item` and is due earlier, if one is open at return `pos`.
    pub(super) fn twin(&self, item: &Item, pos: u32) -> Option<&Item> {
        let twin = &self.items[item.twin? as usize];
        let now = self.return_time(pos);
        (twin.invoke < now && twin.ret >= Some(now)).then_some(twin)
    }

    /// When return `pos` happens.
    pub(super) fn return_time(&self, pos: u32) -> Moment {
        self.items[self.returns[pos as usize] as usize].ret.expect("a return belongs to a completed item")
    }

    /// How many of an optional class are invoked before return `pos`.
    pub(super) fn available(&self, optional: usize, pos: u32) -> usize {
        let time = self.return_time(pos);
        self.optional[optional].members.partition_point(|&(invoke, _)| invoke < time)
    }

    /// Are there always more of an optional class than completed operations linearized?
    fn is_abundant(&self, group: usize) -> bool {
        // The last return asks for most, and nearly always decides.
        (0..self.len()).rev().all(|pos| self.available(group, pos) > pos as usize + self.open(pos).len())
    }

    /// The number of returns.
    pub(super) fn len(&self) -> u32 {
        u32::try_from(self.returns.len()).expect("a history has fewer than 2^32 operations")
    }

    /// The largest number of operations open at once, optional ones not counted.
    pub(super) fn widest(&self) -> usize {
        self.starts.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or(0)
    }

    /// The classes of what only looks, ascending.
    pub(super) fn observers(&self) -> Vec<u32> {
        let observers = self.items.iter().filter(|item| item.observer);
        let mut observers: Vec<u32> = observers.map(|item| item.class).collect();
        observers.sort_unstable();
        observers.dedup();
        observers
    }

    fn bytes(&self) -> usize {
        self.items.capacity() * size_of::<Item>()
            + self.returns.capacity() * 4
            + self.starts.capacity() * 8
            + self.opens.capacity() * 4
    }
}

/// Time, item, and whether it is the return.
type Event = (Moment, u32, bool);

fn events_and_optional(items: &mut [Item], flags: Flags) -> (Vec<Event>, Vec<Optional>) {
    let mut events: Vec<Event> = Vec::with_capacity(items.len() * 2);
    let mut optional: Vec<Optional> = Vec::new();
    let mut by_class = FxHashMap::default();
    for (at, item) in (0_u32..).zip(items.iter_mut()) {
        if let Some(ret) = item.ret {
            events.push((item.invoke, at, false));
            events.push((ret, at, true));
            continue;
        }
        let fresh = optional.len();
        let group = if flags.classes { *by_class.entry(item.class).or_insert(fresh) } else { fresh };
        if group == fresh {
            optional.push(Optional {
                class: item.class,
                overwrites: item.overwrites,
                members: Vec::new(),
                abundant: false,
            });
        }
        item.slot = u32::try_from(group).expect("fewer classes than operations");
        optional[group].members.push((item.invoke, at));
    }
    events.sort_unstable();
    (events, optional)
}
