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

#[cfg(test)]
mod tests {
    use super::super::Invocation;
    use super::*;
    use duress_checkers::Process;

    #[test]
    fn an_operation_is_its_own_if_it_was_offered_to_that_thread_last() {
        let cx = |thread| Context { time: 0, thread, n_threads: 2, n_busy: 0 };
        let op = |kind| Op {
            index: 0,
            time: 0,
            process: Process::Client(0),
            kind,
            f: "a".into(),
            value: serde_json::Value::Null,
            error: None,
            node: None,
        };
        let offer = Next::Op(Invocation::new("a", 0));
        for (answers, invoked_by, own) in [
            (vec![offer.clone()], 0, true),
            (vec![offer.clone()], 1, false),
            (vec![offer.clone(), Next::Pending], 0, false),
            (vec![], 0, false),
        ] {
            let mut in_flight = InFlight::default();
            answers.iter().for_each(|answer| in_flight.answered(&cx(0), answer));
            assert!(!in_flight.completes(&cx(invoked_by), &op(Kind::Invoke)));
            assert_eq!(in_flight.count(), usize::from(own), "{answers:?} {invoked_by}");
            assert_eq!(in_flight.completes(&cx(invoked_by), &op(Kind::Fail)), own);
            assert_eq!(in_flight.count(), 0);
        }
    }
}
