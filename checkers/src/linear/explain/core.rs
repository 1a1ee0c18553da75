//! The operations that a violation hangs on.
//!
//! Leaving an operation out proves nothing: without a write, the read that saw it becomes
//! impossible. So an operation is not left out but *forgiven*: it may take effect at any time
//! after its invocation, or never, as if nobody had seen it return. Forgiving only ever adds
//! possibilities. What stays impossible although everything else is forgiven is the core; and
//! then it is impossible alone, too.

use super::super::engine::Proof;
use super::super::problem::Flags;
use super::super::search::End;
use super::super::subject::Subject;
use super::super::window::Window;

/// Effort for one attempt at forgiving something.
const TRIAL_CAP: u64 = 40_000;

/// Effort for all attempts.
const CAP: u64 = 600_000;

/// Entries of the core, by invocation. Not always the smallest: the effort is limited.
pub(super) fn core(subject: &Subject<'_>, proof: &Proof) -> Vec<u32> {
    let mut window = proof.window.clone();
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
