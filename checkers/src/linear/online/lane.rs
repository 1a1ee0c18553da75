//! One key: events wait here until it is known how the operations ended that were invoked first.
//!
//! What an operation did is known when it has returned, and not before: whether a compare-and-set
//! succeeded, what a dequeue took. To guess would multiply configurations by answers. So an
//! invocation is worked off when its outcome is known, and everything behind it waits; that is as
//! long as an operation takes, or the client's patience. Whoever wants to know at once asks
//! [`Lane::look`], which takes the operations that are open at that moment for optional.

use super::frontier::{Frontier, Rest, Stop};
use super::{Deferral, MAX_LOOK_STEPS, MAX_WAITING};
use crate::model::Model;
use std::collections::VecDeque;

/// Where and when something returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Return {
    pub(super) index: u64,
    /// Nanoseconds since the start of the run.
    pub(super) time: u64,
}

/// What is known about a call.
#[derive(Clone)]
enum Fate<O> {
    /// Free for the next one.
    Vacant,
    /// Nothing yet.
    Open,
    /// It did not happen, or it does not matter.
    Gone,
    /// It returned.
    Certain(O),
    /// Nobody knows.
    Doubtful(O),
    /// Its invocation was worked off: its slot in the frontier.
    Begun(u32),
}

#[derive(Clone, Copy)]
enum Event {
    Invoke(u32),
    Return(u32, Return),
}

/// One key.
pub(super) struct Lane<M: Model> {
    frontier: Frontier<M>,
    waiting: VecDeque<Event>,
    /// Returns among these.
    returns: usize,
    /// Returns when somebody looked last.
    looked: usize,
    calls: Vec<Fate<M::Op>>,
    vacant: Vec<u32>,
    /// Has something happened since the last [`Lane::rest`]?
    pub(super) stirred: bool,
}

impl<M: Model> Clone for Lane<M> {
    fn clone(&self) -> Self {
        Self {
            frontier: self.frontier.clone(),
            waiting: self.waiting.clone(),
            calls: self.calls.clone(),
            vacant: self.vacant.clone(),
            ..*self
        }
    }
}

/// Why a key needs no more attention, and the return at which that was found.
pub(super) type Stopped = (Stop, Option<Return>);

impl<M: Model> Lane<M> {
    /// A key of which this is known.
    pub(super) fn wake(model: &M, rest: Rest<M>) -> Self {
        Self {
            frontier: Frontier::wake(model, rest),
            waiting: VecDeque::new(),
            returns: 0,
            looked: 0,
            calls: Vec::new(),
            vacant: Vec::new(),
            stirred: true,
        }
    }

    /// Something is invoked. Answers with a number for the call.
    pub(super) fn invoke(&mut self) -> Result<u32, Stopped> {
        self.stirred = true;
        let call = self.vacant.pop().unwrap_or_else(|| {
            self.calls.push(Fate::Vacant);
            u32::try_from(self.calls.len() - 1).expect("fewer calls than may wait")
        });
        self.calls[call as usize] = Fate::Open;
        self.wait(Event::Invoke(call))?;
        Ok(call)
    }

    /// A call did not happen, or it does not matter.
    pub(super) fn gone(&mut self, model: &M, call: u32) -> Result<(), Stopped> {
        self.known(model, call, Fate::Gone)
    }

    /// A call will never return; it may have happened.
    pub(super) fn doubtful(&mut self, model: &M, call: u32, op: M::Op) -> Result<(), Stopped> {
        self.known(model, call, Fate::Doubtful(op))
    }

    /// A call returned.
    pub(super) fn returned(&mut self, model: &M, call: u32, op: M::Op, at: Return) -> Result<(), Stopped> {
        self.wait(Event::Return(call, at))?;
        self.returns += 1;
        self.known(model, call, Fate::Certain(op))
    }

    /// Can what happened so far be, whatever the open operations did? `guess` says what they are
    /// while nobody knows, if they matter.
    pub(super) fn look(
        &mut self,
        model: &M,
        mut guess: impl FnMut(u32) -> Option<M::Op>,
    ) -> Result<(), Stopped> {
        if self.returns <= self.looked {
            return Ok(());
        }
        self.looked = self.returns;
        let mut ahead = self.clone();
        ahead.frontier.limit(MAX_LOOK_STEPS);
        for (n, call) in (0..).zip(&mut ahead.calls) {
            if let Fate::Open = call {
                *call = guess(n).map_or(Fate::Gone, Fate::Doubtful);
            }
        }
        match ahead.work(model) {
            // It is more to do as long as more is open; nothing is lost by waiting.
            Err((Stop::Deferred(_), _)) => Ok(()),
            looked => looked,
        }
    }

    /// All that is left to be known, if nothing is open and nothing has happened since it was last asked.
    pub(super) fn rest(&mut self) -> Option<Rest<M>> {
        if !self.waiting.is_empty() || std::mem::take(&mut self.stirred) {
            return None;
        }
        self.frontier.rest()
    }

    /// How many configurations there are.
    pub(super) fn width(&self) -> usize {
        self.frontier.width()
    }

    /// Events that wait.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    fn wait(&mut self, event: Event) -> Result<(), Stopped> {
        if self.waiting.len() >= MAX_WAITING {
            return Err((Stop::Deferred(Deferral::Waiting), None));
        }
        self.waiting.push_back(event);
        Ok(())
    }

    fn known(&mut self, model: &M, call: u32, what: Fate<M::Op>) -> Result<(), Stopped> {
        self.stirred = true;
        self.calls[call as usize] = what;
        self.work(model)
    }

    /// Works off what is known, from the front.
    fn work(&mut self, model: &M) -> Result<(), Stopped> {
        while let Some(&event) = self.waiting.front() {
            let (Event::Invoke(call) | Event::Return(call, _)) = event;
            let over = match (event, std::mem::replace(&mut self.calls[call as usize], Fate::Vacant)) {
                (Event::Invoke(_), Fate::Open) => {
                    self.calls[call as usize] = Fate::Open;
                    return Ok(());
                }
                (Event::Invoke(_), Fate::Certain(op)) => {
                    let slot = self.frontier.begin(model, op).map_err(|stop| (stop, None))?;
                    self.calls[call as usize] = Fate::Begun(slot);
                    false
                }
                (Event::Invoke(_), Fate::Doubtful(op)) => {
                    self.frontier.doubt(model, op).map_err(|stop| (stop, None))?;
                    true
                }
                (Event::Invoke(_), Fate::Gone) => true,
                (Event::Return(_, at), Fate::Begun(slot)) => {
                    self.frontier.close(model, slot).map_err(|stop| (stop, Some(at)))?;
                    self.returns -= 1;
                    self.looked = self.looked.saturating_sub(1);
                    true
                }
                (Event::Invoke(_), Fate::Vacant | Fate::Begun(_)) | (Event::Return(..), _) => {
                    unreachable!("a call is invoked once, and returns at most once after that")
                }
            };
            self.waiting.pop_front();
            if over {
                self.vacant.push(call);
            }
        }
        Ok(())
    }

    /// Everything that it holds, in pieces.
    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        self.frontier.held() + self.waiting.len() + self.calls.len() + self.vacant.len()
    }
}
