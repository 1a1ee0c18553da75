//! The oracle: tries every order of the calls, as the specification allows them.

use super::palette::{INITIAL, Palette};
use super::sketch::{Sketch, Sketched};
use crate::history::Kind;
use rustc_hash::FxHashSet;

/// What is kept from one history to the next: room.
#[derive(Default)]
pub(super) struct Orders {
    calls: Vec<u32>,
    /// For each call those that have to be placed before it, one bit each.
    before: Vec<u32>,
    /// For each call those that were invoked only after it had returned.
    after: Vec<u32>,
    /// Those that have to be placed.
    certain: u32,
    /// Calls that happened and what they led to, where that led nowhere.
    seen: FxHashSet<(u32, u32)>,
}

impl Orders {
    /// Is there an order in keeping with real time that the specification allows?
    pub(super) fn allowed(&mut self, palette: &mut Palette, sketch: &Sketch) -> bool {
        self.possible(palette, sketch, &|call| call.ret().is_some())
    }

    /// The same if only some calls have to be placed. The others may be left out, but not be
    /// placed at another time.
    pub(super) fn possible(
        &mut self,
        palette: &mut Palette,
        sketch: &Sketch,
        certain: &dyn Fn(&Sketched) -> bool,
    ) -> bool {
        let happened = || sketch.calls.iter().filter(|call| call.kind != Kind::Fail);
        let those = |is: &dyn Fn(&Sketched) -> bool| {
            happened().enumerate().filter(|(_, call)| is(call)).fold(0, |bits, (at, _)| bits | 1_u32 << at)
        };
        let precedes = |a: &Sketched, b: &Sketched| a.ret().is_some_and(|ret| ret < b.invoke);
        self.certain = those(certain);
        self.before.clear();
        self.before.extend(happened().map(|call| those(&|other| precedes(other, call)) & self.certain));
        self.after.clear();
        self.after.extend(happened().map(|call| those(&|other| precedes(call, other))));
        self.calls.clear();
        self.calls.extend(happened().map(|call| call.call));
        self.seen.clear();
        self.any_order(palette, 0, INITIAL)
    }

    fn any_order(&mut self, palette: &mut Palette, done: u32, state: u32) -> bool {
        if self.certain & !done == 0 {
            return true;
        }
        if !self.seen.insert((done, state)) {
            return false;
        }
        for at in 0..self.calls.len() {
            if done >> at & 1 == 1 || self.before[at] & !done != 0 || self.after[at] & done != 0 {
                continue;
            }
            let call = self.calls[at];
            for which in 0..palette.count(call, state) {
                let next = palette.following(call, state, which);
                if self.any_order(palette, done | 1 << at, next) {
                    return true;
                }
            }
        }
        false
    }
}
