//! Changes operations on their way out.

use super::{Context, Generator, Invocation, Next};
use duress_checkers::Op;

/// See [`super::GeneratorExt::map`] and [`super::GeneratorExt::f_map`].
///
/// Updates reach the inner generator as they are in the history: changed.
#[derive(Clone, Debug)]
pub struct Map<G, F> {
    inner: G,
    change: F,
}

impl<G, F> Map<G, F> {
    pub(super) fn new(inner: G, change: F) -> Self {
        Self { inner, change }
    }
}

impl<G: Generator, F: FnMut(Invocation) -> Invocation + Send> Generator for Map<G, F> {
    fn next(&mut self, cx: &Context) -> Next {
        match self.inner.next(cx) {
            Next::Op(op) => Next::Op((self.change)(op)),
            other => other,
        }
    }

    fn update(&mut self, cx: &Context, op: &Op) {
        self.inner.update(cx, op);
    }
}

#[cfg(test)]
mod tests {
    use super::super::simulate::{Simulation, op};
    use super::super::{GeneratorExt as _, Invocation, list};

    #[test]
    fn changes_every_operation() {
        let mut shouting = list(["a", "b"].map(op)).map(|op| Invocation::new(op.f.to_uppercase(), op.value));
        assert_eq!(Simulation::perfect(1).run(&mut shouting).to_string(), "0@0 A, 0@10 B");
        let mut renamed = list(["start", "stop"].map(op)).f_map(|f| format!("{f}-partition"));
        assert_eq!(
            Simulation::perfect(1).run(&mut renamed).to_string(),
            "0@0 start-partition, 0@10 stop-partition"
        );
    }
}
