//! Which operations came from here? Updates tell of everybody's.

use super::{Context, Next};
use duress_checkers::{Kind, Op};
use std::collections::BTreeSet;

/// Follows one generator's operations. An offer becomes an operation only when its invocation
/// is seen: a filter further out may throw it away.
#[derive(Clone, Debug, Default)]
pub(super) struct InFlight {
    offered_to: Option<usize>,
    threads: BTreeSet<usize>,
}

impl InFlight {
    pub(super) fn answered(&mut self, cx: &Context, answer: &Next) {
        self.offered_to = matches!(answer, Next::Op(_)).then_some(cx.thread);
    }

    /// Takes note of an update; was this the end of an operation from here?
    pub(super) fn completes(&mut self, cx: &Context, op: &Op) -> bool {
        if op.kind != Kind::Invoke {
            return self.threads.remove(&cx.thread);
        }
        if self.offered_to.take() == Some(cx.thread) {
            self.threads.insert(cx.thread);
        }
        false
    }

    pub(super) fn count(&self) -> usize {
        self.threads.len()
    }
}
