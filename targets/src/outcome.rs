//! How an operation ends, and what a failed request means to it.
//!
//! What a failure looks like is known to each target alone.

use crate::{ClientError, Completion};
use duress_checkers::history::class;
use duress_workloads::Invocation;
use serde_json::{Value, json};

/// The answer of an operation, without the key; or how else it ended.
pub(crate) type Outcome = Result<Value, Ended>;

/// How an operation ends that is not `ok`.
#[derive(Debug)]
pub(crate) enum Ended {
    /// The object is as if it had never been asked for.
    Fail(ClientError),
    /// It may or may not have happened.
    Info(ClientError),
}

impl Ended {
    /// Of a request that reads: certain, whatever became of it.
    pub(crate) fn of_read(failure: Failure) -> Self {
        Self::Fail(failure.error)
    }

    /// Of a request that changes the object.
    pub(crate) fn of_change(failure: Failure) -> Self {
        if failure.no_effect { Self::Fail(failure.error) } else { Self::Info(failure.error) }
    }

    /// Certain: the server says that it looked, and that the condition of the change did not hold.
    pub(crate) fn lost(message: &str) -> Self {
        Self::Fail(ClientError::new(class::PRECONDITION, message))
    }
}

/// A request that did not end in an answer that we understand.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) error: ClientError,
    /// Certain: the request has not changed anything and never will.
    pub(crate) no_effect: bool,
}

impl Failure {
    /// An answer that does not fit the question. What the server has done is unknown.
    pub(crate) fn protocol(message: impl Into<String>) -> Self {
        Self::in_doubt(class::PROTOCOL, message)
    }

    /// The server may have done it.
    pub(crate) fn in_doubt(class: &'static str, message: impl Into<String>) -> Self {
        Self { error: ClientError::new(class, message), no_effect: false }
    }

    /// The server has not done it and never will: the reason stands where this is called.
    pub(crate) fn certain(class: &'static str, message: impl Into<String>) -> Self {
        Self { error: ClientError::new(class, message), no_effect: true }
    }
}

/// For the engine. `None`: a client of `target` knows no such operation.
pub(crate) fn completion(target: &str, invocation: &Invocation, outcome: Option<Outcome>) -> Completion {
    match outcome {
        Some(Ok(answer)) => Completion::Ok(json!([invocation.value[0], answer])),
        Some(Err(Ended::Fail(error))) => Completion::Fail(error),
        Some(Err(Ended::Info(error))) => Completion::Info(error),
        None => {
            let Invocation { f, value } = invocation;
            let message = format!("{target}'s client cannot do `{f}` of {value}");
            // Certain: nothing is sent.
            Completion::Fail(ClientError::new("unsupported", message))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_been_read_is_certain_and_what_was_to_change_is_not() {
        let failure = |no_effect| Failure { error: ClientError::new("timeout", "…"), no_effect };
        for no_effect in [true, false] {
            assert!(matches!(Ended::of_read(failure(no_effect)), Ended::Fail(_)));
        }
        assert!(matches!(Ended::of_change(failure(true)), Ended::Fail(_)));
        assert!(matches!(Ended::of_change(failure(false)), Ended::Info(_)));
        assert!(matches!(Ended::of_change(Failure::protocol("…")), Ended::Info(_)));
    }
}
