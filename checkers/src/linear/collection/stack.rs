//! The order of a stack: last in, first out.
//!
//! An element whose put and take can happen in one instant is in nobody's way. For the others:
//! where no zone lies over an instant, everything is wholly before or after it. Where zones hang
//! together, some element has to lie below all others: its put can be first and its take last. It is
//! taken away, and the rest looked at again. Neither step makes the other impossible, nor does it
//! matter which element is taken when several can be; so if neither is possible there is no order.
//! (A sub-history of elements that hang together and none of which can lie below the rest has none.)
//!
//! An element that can be put first stays so while the rest becomes smaller; so each one is looked
//! for by its put once, and then by its take. Time: n log n.

use super::case::{Case, Time, number};
use super::clash::{Clash, Step, fewest};
use super::skip::Skip;
use super::tree::{ABSENT, Coverage, Smallest};
use crate::linear::limits::Charge;

/// The order of a stack.
pub(super) fn order(case: &Case, charge: &Charge) -> Result<Vec<Step>, Clash> {
    Zones::new(case).order(case).map(|steps| with_momentary(case, steps)).map_err(|stuck| {
        let fails = |items: &[u32]| {
            let only = case.only(items);
            Zones::new(&only).order(&only).is_err()
        };
        Clash { items: fewest(stuck, charge, fails), empty: None }
    })
}

/// What is left to do, the next one last.
enum Task {
    /// Everything from a place up to another, inclusive.
    Order(usize, usize),
    /// Take this one out.
    Close(u32),
}

/// Elements with a zone. A place is the beginning or the end of one, in the order of time.
struct Zones {
    times: Vec<Time>,
    /// By place: whose beginning or end it is, among the zones.
    owner: Vec<u32>,
    /// By zone, in the order of beginnings: the element.
    items: Vec<u32>,
    /// By zone: where it begins and ends.
    ends: Vec<(usize, usize)>,
    /// By zone: when the take has to end.
    lasts: Vec<Time>,
    /// By place: how many zones begin before.
    begun: Vec<u32>,
    /// Zones by what they need to be first, while they do not have it: the beginning of the put.
    waiting: Smallest,
    /// The others by how long they can last: the negative end of the take.
    ready: Smallest,
    /// By place, up to the next.
    coverage: Coverage,
    /// Beginnings that are left.
    beginnings: Skip,
    /// Ends that are left, from the last place to the first.
    endings: Skip,
}

impl Zones {
    fn new(case: &Case) -> Self {
        let mut places: Vec<(Time, bool, u32)> = Vec::with_capacity(2 * case.items.len());
        for (id, item) in (0..).zip(&case.items) {
            if let Some((from, to)) = item.zone() {
                places.extend([(from, false, id), (to, true, id)]);
            }
        }
        places.sort_unstable();
        let count = places.len();
        let mut zone_of = vec![0_u32; case.items.len()];
        let (mut items, mut ends, mut begun) = (Vec::new(), Vec::new(), Vec::with_capacity(count + 1));
        let mut owner = Vec::with_capacity(count);
        let mut covered = Vec::with_capacity(count);
        let mut open = 0;
        for (place, &(_, is_end, id)) in places.iter().enumerate() {
            begun.push(number(items.len()));
            if is_end {
                open -= 1;
                let zone: &mut (usize, usize) = &mut ends[zone_of[id as usize] as usize];
                zone.1 = place;
            } else {
                open += 1;
                zone_of[id as usize] = begun[place];
                items.push(id);
                ends.push((place, 0));
            }
            owner.push(zone_of[id as usize]);
            covered.push(open);
        }
        begun.push(number(items.len()));
        let mut beginnings = Skip::new(count);
        let mut endings = Skip::new(count);
        for (place, &(_, is_end, _)) in places.iter().enumerate() {
            if is_end { beginnings.remove(place) } else { endings.remove(count - 1 - place) }
        }
        let put_from = |&id: &u32| case.items[id as usize].put.from;
        Self {
            times: places.iter().map(|&(time, ..)| time).collect(),
            waiting: Smallest::new(items.iter().map(put_from)),
            ready: Smallest::new(items.iter().map(|_| ABSENT)),
            coverage: Coverage::new(&covered),
            lasts: items.iter().map(|&id| case.items[id as usize].take.to).collect(),
            owner,
            items,
            ends,
            begun,
            beginnings,
            endings,
        }
    }

    /// Steps of the elements with a zone and of those who found it empty; or elements stuck together.
    fn order(mut self, case: &Case) -> Result<Vec<Step>, Vec<u32>> {
        let mut empties: Vec<(Time, u32)> =
            (0..).zip(&case.empties).map(|(id, empty)| (empty.at, id)).collect();
        empties.sort_unstable();
        let mut empties = empties.into_iter().peekable();
        let mut steps = Vec::with_capacity(2 * self.items.len() + case.empties.len());
        let mut tasks = Vec::new();
        let mut below = 0;
        if let Some(last) = self.times.len().checked_sub(1) {
            tasks.push(Task::Order(0, last));
        }
        while let Some(task) = tasks.pop() {
            let (from, to) = match task {
                Task::Order(from, to) => (from, to),
                Task::Close(id) => {
                    steps.push(Step::Take(id));
                    below -= 1;
                    continue;
                }
            };
            let Some(first) = self.beginnings.next(from).filter(|&first| first <= to) else { continue };
            let last = self.last(to);
            if let Some(gap) = self.coverage.first_free(first, last) {
                tasks.extend([Task::Order(gap + 1, last), Task::Order(first, gap)]);
                continue;
            }
            let Some(zone) = self.lowest(first, last) else { return Err(self.stuck(first, last)) };
            let id = self.items[zone];
            // Nobody finds it empty while zones hang together.
            while below == 0
                && let Some((_, empty)) = empties.next_if(|&(at, _)| at < self.times[first])
            {
                steps.push(Step::Empty(empty));
            }
            self.remove(zone);
            steps.push(Step::Put(id));
            below += 1;
            tasks.extend([Task::Close(id), Task::Order(first, last)]);
        }
        steps.extend(empties.map(|(_, empty)| Step::Empty(empty)));
        Ok(steps)
    }

    /// The last end up to a place.
    fn last(&mut self, to: usize) -> usize {
        let count = self.times.len();
        self.endings.next(count - 1 - to).map_or(to, |back| count - 1 - back)
    }

    /// One that can lie below all others between two places.
    fn lowest(&mut self, first: usize, last: usize) -> Option<usize> {
        let (from, to) = (self.begun[first] as usize, self.begun[last] as usize);
        let (begins, ends) = (self.times[first], self.times[last]);
        while let Some((_, zone)) = self.waiting.within(from, to).filter(|&(put, _)| put < begins) {
            self.waiting.set(zone, ABSENT);
            self.ready.set(zone, -self.lasts[zone]);
        }
        let (until, zone) = self.ready.within(from, to)?;
        (-until >= ends).then_some(zone)
    }

    fn remove(&mut self, zone: usize) {
        let (begin, end) = self.ends[zone];
        self.ready.set(zone, ABSENT);
        self.coverage.uncover(begin, end);
        self.beginnings.remove(begin);
        self.endings.remove(self.times.len() - 1 - end);
    }

    fn stuck(&mut self, first: usize, last: usize) -> Vec<u32> {
        let mut stuck = Vec::new();
        let mut at = self.beginnings.next(first).filter(|&at| at < last);
        while let Some(place) = at {
            stuck.push(self.items[self.owner[place] as usize]);
            at = self.beginnings.next(place + 1).filter(|&at| at < last);
        }
        stuck
    }
}

/// Adds the elements that are put in and taken out in one instant.
fn with_momentary(case: &Case, steps: Vec<Step>) -> Vec<Step> {
    let is_momentary = |id: &u32| case.items[*id as usize].zone().is_none();
    let ids = 0..number(case.items.len());
    let mut momentary: Vec<(Time, u32)> =
        ids.filter(is_momentary).map(|id| (case.items[id as usize].take.from, id)).collect();
    momentary.sort_unstable();
    let mut momentary = momentary.into_iter().peekable();
    let mut all = Vec::with_capacity(steps.len() + 2 * momentary.len());
    let mut now = Time::MIN;
    for step in steps {
        now = now.max(match step {
            Step::Put(id) => case.items[id as usize].put.from,
            Step::Take(id) => case.items[id as usize].take.from,
            Step::Empty(id) => case.empties[id as usize].at,
        });
        while let Some((_, id)) = momentary.next_if(|&(at, _)| at < now) {
            all.extend([Step::Put(id), Step::Take(id)]);
        }
        all.push(step);
    }
    all.extend(momentary.flat_map(|(_, id)| [Step::Put(id), Step::Take(id)]));
    all
}
