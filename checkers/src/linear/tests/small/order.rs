//! The oracle: tries every order of the calls, as the specification allows them.

use super::palette::{INITIAL, Palette};
use super::sketch::{Sketch, Sketched};
use crate::history::Kind;
use rustc_hash::FxHashSet;

/// What is kept from one history to the next: room.
#[derive(Default)]
pub(super) struct Orders {
    calls: Vec<u32>,
    /// For each call those that returned before it was invoked, one bit each.
    before: Vec<u32>,
    /// Those that happened for certain.
    certain: u32,
    /// Calls that happened and what they led to, where that led nowhere.
    seen: FxHashSet<(u32, u32)>,
}

impl Orders {
    /// Is there an order in keeping with real time that the specification allows?
    pub(super) fn allowed(&mut self, palette: &mut Palette, sketch: &Sketch) -> bool {
        let happened = || sketch.calls.iter().filter(|call| call.kind != Kind::Fail);
        let those = |is: &dyn Fn(&Sketched) -> bool| {
            happened().enumerate().filter(|(_, call)| is(call)).fold(0, |bits, (at, _)| bits | 1_u32 << at)
        };
        self.certain = those(&|call| call.ret().is_some());
        self.before.clear();
        self.before
            .extend(happened().map(|call| those(&|other| other.ret().is_some_and(|ret| ret < call.invoke))));
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
            if done >> at & 1 == 1 || self.before[at] & !done != 0 {
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
