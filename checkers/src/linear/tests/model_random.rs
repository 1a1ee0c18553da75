//! Long random histories of any model: what an object that follows its specification might have
//! answered, and what one might that sometimes answers from the past.

use super::build::Build;
use super::model_specs::Subject;
use super::oracle::Naive;
use super::random::Dice;
use crate::Process;
use crate::history::Kind;
use serde_json::Value;

/// How a simulated run goes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Run {
    pub(super) calls: u64,
    pub(super) clients: usize,
    /// Values to choose from; 0: all are unique.
    pub(super) values: u64,
    /// Doubtful outcomes, per thousand.
    pub(super) doubt: u64,
    /// Answers from an earlier state, per thousand. 0: valid by construction.
    pub(super) stale: u64,
}

struct Busy {
    process: u64,
    f: &'static str,
    asked: Value,
    /// Its outcome, once it took effect.
    outcome: Option<(Kind, Value)>,
}

/// Runs clients against the specification, one step at a time.
pub(super) fn simulate(dice: &mut Dice, subject: &Subject, run: Run) -> Build {
    let mut build = Build::default();
    let mut past = vec![subject.initial.clone()];
    let mut idle: Vec<u64> = (0..run.clients as u64).collect();
    let mut next_process = run.clients as u64;
    let mut busy: Vec<Busy> = Vec::new();
    let mut begun = 0;
    while begun < run.calls || !busy.is_empty() {
        if begun < run.calls && !idle.is_empty() && (busy.is_empty() || dice.below(3) == 0) {
            begun += 1;
            let process = idle.swap_remove(pick(dice, idle.len()));
            let n = if run.values == 0 { begun } else { 1 + dice.below(run.values) };
            let (f, asked) = (subject.ask)(dice, n);
            build.invoke(process, f, asked.clone());
            busy.push(Busy { process, f, asked, outcome: None });
            continue;
        }
        let at = pick(dice, busy.len());
        if let Some((kind, value)) = busy[at].outcome.take() {
            let done = busy.swap_remove(at);
            build.event(done.process, kind, done.f, value);
            idle.push(done.process);
        } else if dice.below(1000) < run.doubt {
            let lost = busy.swap_remove(at);
            // Nobody hears of it; it took effect or not.
            if dice.below(2) == 0 {
                let call = Naive::new(Process::Client(lost.process), lost.f, &lost.asked, None);
                apply(dice, subject, &call, &mut past);
            }
            if dice.below(2) == 0 {
                build.event(lost.process, Kind::Info, lost.f, lost.asked);
            }
            idle.push(next_process);
            next_process += 1;
        } else {
            let outcome = outcome(dice, subject, run, &busy[at], &mut past);
            busy[at].outcome = Some(outcome);
        }
    }
    build
}

/// Lets a call take effect, if it can. `past` ends with the state of the object.
fn apply(dice: &mut Dice, subject: &Subject, call: &Naive, past: &mut Vec<Value>) -> bool {
    let mut states = (subject.spec)(call, past.last().expect("there is a state"));
    if states.is_empty() {
        return false;
    }
    // Those further on are versions far away.
    let at = pick(dice, states.len().min(3));
    past.push(states.swap_remove(at));
    true
}

fn outcome(
    dice: &mut Dice,
    subject: &Subject,
    run: Run,
    busy: &Busy,
    past: &mut Vec<Value>,
) -> (Kind, Value) {
    let process = Process::Client(busy.process);
    let asked = Naive::new(process, busy.f, &busy.asked, None);
    let is_stale = dice.below(1000) < run.stale;
    let seen = if is_stale { pick(dice, past.len()) } else { past.len() - 1 };
    let answer = (subject.answer)(dice, &asked, &past[seen]);
    let call = Naive::new(process, busy.f, &busy.asked, Some(&answer));
    if apply(dice, subject, &call, past) || is_stale {
        return (Kind::Ok, answer);
    }
    (Kind::Fail, busy.asked.clone())
}

fn pick(dice: &mut Dice, n: usize) -> usize {
    usize::try_from(dice.below(n as u64)).expect("small")
}
