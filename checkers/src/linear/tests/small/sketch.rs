//! Small random histories by number: what an object that follows its specification might have
//! answered, one that sometimes answers from the past, and one that answers anything.

use super::super::build::Build;
use super::super::random::Dice;
use super::bare::Called;
use super::palette::{INITIAL, Palette};
use crate::history::Kind;
use serde_json::Value;

/// The most calls in a history; the fewest is one.
const MOST_CALLS: u64 = 7;

/// The most clients at once.
const MOST_CLIENTS: u64 = 5;

/// A call, and how it went.
#[derive(Clone, Copy)]
pub(super) struct Sketched {
    pub(super) process: u64,
    /// Its number in the palette, without the answer when there was none.
    pub(super) call: u32,
    /// `Invoke`: it is open for ever.
    pub(super) kind: Kind,
    pub(super) invoke: u32,
    /// When it completed, if it did.
    pub(super) end: Option<u32>,
}

impl Sketched {
    /// When it had happened for certain.
    pub(super) fn ret(&self) -> Option<u32> {
        self.end.filter(|_| self.kind == Kind::Ok)
    }
}

/// A history, by invocation.
pub(super) struct Sketch {
    pub(super) calls: Vec<Sketched>,
    now: u32,
    /// The clients that have nothing to do, and the next new one.
    idle: Vec<u64>,
    next_process: u64,
    busy: Vec<Busy>,
    /// States of the object; the last is what it is like now.
    past: Vec<u32>,
    /// States of the object in this and earlier histories.
    met: Vec<u32>,
}

/// A call that is open: its position, its question, and its outcome once it took effect.
type Busy = (usize, u32, Option<Outcome>);

/// A call with its answer, and how it ends.
type Outcome = (u32, Kind);

/// How a history goes.
struct Manner {
    calls: u64,
    /// Values to choose from; 0: each is used once.
    values: u64,
    /// Doubtful outcomes, in a hundred.
    doubt: u64,
    /// Answers from an earlier state, in a hundred.
    stale: u64,
    /// Answers from any state of any history, which then have no effect, in a hundred.
    wild: u64,
}

impl Sketch {
    pub(super) fn new() -> Self {
        Self {
            calls: Vec::new(),
            now: 0,
            idle: Vec::new(),
            next_process: 0,
            busy: Vec::new(),
            past: Vec::new(),
            met: vec![INITIAL],
        }
    }

    /// Becomes another random history.
    pub(super) fn draw(&mut self, dice: &mut Dice, palette: &mut Palette) {
        self.calls.clear();
        self.busy.clear();
        self.past.clear();
        self.past.push(INITIAL);
        self.now = 0;
        self.next_process = 1 + dice.below(MOST_CLIENTS);
        self.idle.clear();
        self.idle.extend(0..self.next_process);
        let lies = [(0, 0), (40, 0), (80, 0), (0, 30), (0, 80)];
        let (stale, wild) = lies[pick(dice, lies.len())];
        let manner = Manner {
            calls: 1 + dice.below(MOST_CALLS),
            values: dice.below(4),
            doubt: [0, 0, 15, 30][pick(dice, 4)],
            stale,
            wild,
        };
        while (self.calls.len() as u64) < manner.calls || !self.busy.is_empty() {
            self.event(dice, palette, &manner);
        }
    }

    fn event(&mut self, dice: &mut Dice, palette: &mut Palette, manner: &Manner) {
        let more = (self.calls.len() as u64) < manner.calls && !self.idle.is_empty();
        if more && (self.busy.is_empty() || dice.below(3) == 0) {
            let process = self.idle.swap_remove(pick(dice, self.idle.len()));
            let nth = self.calls.len() as u64 + 1;
            let n = if manner.values == 0 { nth } else { 1 + dice.below(manner.values) };
            let question = palette.ask(dice, process, n);
            self.busy.push((self.calls.len(), question, None));
            let (invoke, call) = (self.tick(), palette.unanswered(question));
            self.calls.push(Sketched { process, call, kind: Kind::Invoke, invoke, end: None });
            return;
        }
        let which = pick(dice, self.busy.len());
        let (at, question, outcome) = self.busy[which];
        if let Some((call, kind)) = outcome {
            self.busy.swap_remove(which);
            self.idle.push(self.calls[at].process);
            let end = Some(self.tick());
            self.calls[at] = Sketched { call, kind, end, ..self.calls[at] };
        } else if dice.below(100) < manner.doubt {
            self.busy.swap_remove(which);
            // Nobody hears of it; it took effect or not.
            let call = self.calls[at].call;
            if dice.below(2) == 0 {
                self.apply(dice, palette, call);
            }
            if dice.below(2) == 0 {
                self.calls[at].kind = Kind::Info;
                self.calls[at].end = Some(self.tick());
            }
            self.idle.push(self.next_process);
            self.next_process += 1;
        } else {
            let outcome = self.outcome(dice, palette, manner, question);
            self.busy[which].2 = Some(outcome);
        }
    }

    fn outcome(&mut self, dice: &mut Dice, palette: &mut Palette, manner: &Manner, question: u32) -> Outcome {
        let (is_stale, is_wild) = (dice.below(100) < manner.stale, dice.below(100) < manner.wild);
        if is_wild {
            let seen = self.met[pick(dice, self.met.len())];
            return (palette.answered(dice, question, seen), Kind::Ok);
        }
        let seen = self.past[if is_stale { pick(dice, self.past.len()) } else { self.past.len() - 1 }];
        let call = palette.answered(dice, question, seen);
        if self.apply(dice, palette, call) || is_stale {
            return (call, Kind::Ok);
        }
        (palette.unanswered(question), Kind::Fail)
    }

    /// Lets a call take effect, if it can.
    fn apply(&mut self, dice: &mut Dice, palette: &mut Palette, call: u32) -> bool {
        let state = *self.past.last().expect("there is a state");
        // Those further on are versions far away.
        let count = palette.count(call, state).min(3);
        if count == 0 {
            return false;
        }
        let which = u32::try_from(dice.below(count.into())).expect("below three");
        let next = palette.following(call, state, which);
        self.past.push(next);
        self.met.push(next);
        true
    }

    fn tick(&mut self) -> u32 {
        self.now += 1;
        self.now - 1
    }

    /// What the engine gets to see of it.
    pub(super) fn called(&self, palette: &Palette, calls: &mut Vec<Called>) {
        calls.clear();
        let happened = self.calls.iter().filter(|call| call.kind != Kind::Fail);
        calls.extend(happened.filter_map(|call| {
            let op = palette.calls[call.call as usize].op?;
            Some((op, call.invoke, call.ret()))
        }));
    }

    /// The history in full.
    pub(super) fn build(&self, palette: &Palette) -> Build {
        let mut events: Vec<(u32, &Sketched, bool)> = Vec::new();
        for call in &self.calls {
            events.push((call.invoke, call, false));
            events.extend(call.end.map(|end| (end, call, true)));
        }
        events.sort_unstable_by_key(|&(moment, _, _)| moment);
        let mut build = Build::default();
        for (_, call, is_end) in events {
            let answered = &palette.calls[call.call as usize];
            let question = &palette.questions[answered.question as usize];
            let answer = answered.answer.as_ref().unwrap_or(&question.asked);
            let (kind, value): (Kind, &Value) =
                if is_end { (call.kind, answer) } else { (Kind::Invoke, &question.asked) };
            build.event(call.process, kind, question.f, value.clone());
        }
        build
    }
}

fn pick(dice: &mut Dice, n: usize) -> usize {
    usize::try_from(dice.below(n as u64)).expect("small")
}
