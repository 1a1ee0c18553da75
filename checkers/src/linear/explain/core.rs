//! The operations that a violation hangs on.
//!
//! Leaving an operation out proves nothing: without a write, the read that saw it becomes
//! impossible. So an operation is not left out but *forgiven*: it may take effect at any time
//! after its invocation, or never, as if nobody had seen it return. Forgiving only ever adds
//! possibilities. What stays impossible although everything else is forgiven is the core; and
//! then it is impossible alone, too.
//!
//! Often several operations would do in one's place. Those that the sentence names come first, so that
//! it and the picture tell of the same.

use super::super::engine::Proof;
use super::super::found::{Evidence, Others};
use super::super::problem::Flags;
use super::super::search::End;
use super::super::subject::Subject;
use super::super::window::Window;

/// Effort for one attempt at forgiving something.
const TRIAL_CAP: u64 = 40_000;

/// Effort for all attempts.
const CAP: u64 = 600_000;

/// Entries of the core, by invocation; of those that are `named` if they are enough. Not always the
/// smallest: the effort is limited.
pub(super) fn core(subject: &Subject<'_>, proof: &Proof, named: &[u32]) -> Vec<u32> {
    let mut window = of_named(subject, proof, named).unwrap_or_else(|| proof.window.clone());
    let mut chunk = window.items.len().div_ceil(2);
    let mut effort = 0;
    while chunk > 0 {
        let mut from = 0;
        while from < window.items.len() && effort < CAP {
            let to = (from + chunk).min(window.items.len());
            if let Some(forgiven) = forgive(&window, from..to, proof.culprit) {
                let trial = forgiven.refute(subject, Flags::ALL, TRIAL_CAP);
                // Laying out a window costs something, too.
                effort += trial.effort + window.items.len() as u64;
                if trial.end == End::Impossible {
                    window = forgiven;
                }
            }
            from = to;
        }
        chunk /= 2;
    }
    window.items.iter().filter(|item| item.ret.is_some()).map(|item| item.entry).collect()
}

/// The window in which everything is forgiven but what is named and the culprit, if that is impossible.
fn of_named(subject: &Subject<'_>, proof: &Proof, named: &[u32]) -> Option<Window> {
    let until = subject.ret(proof.culprit).filter(|_| !named.is_empty())?;
    let mut ops: Vec<u32> = named.iter().copied().chain([proof.culprit]).collect();
    ops.sort_unstable();
    let window = Window::of_evidence(subject, until, &Evidence { ops, others: Others::Optional });
    (window.refute(subject, Flags::ALL, TRIAL_CAP).end == End::Impossible).then_some(window)
}

/// The window with some items forgiven; `None` if that changes nothing.
fn forgive(window: &Window, range: std::ops::Range<usize>, culprit: u32) -> Option<Window> {
    let mut forgiven = window.clone();
    let mut changed = false;
    for item in &mut forgiven.items[range] {
        if item.entry != culprit && item.ret.take().is_some() {
            changed = true;
        }
    }
    changed.then_some(forgiven)
}
