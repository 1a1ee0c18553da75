//! What befalls packets between hosts, and the proof of it, which takes both ends: the sender's host says
//! what it did to a datagram, and the other one whether it came, and not sooner than it could.

use super::RemoteNode;
use super::links::{ATTEMPTS, Links, next, taken};
use super::wire::{Answer, Ask, Trouble};
use crate::env::local::PROBE_PORT;
use crate::env::packet::{Behavior, Traffic};
use crate::env::{EnvError, Link};
use std::time::{Duration, Instant};

/// Longest wait for one that is late, beyond the time by which it is.
const LATER_BY: Duration = Duration::from_secs(2);
/// Longest wait for one that is late, whatever it is behind.
const LATEST: Duration = Duration::from_secs(30);

impl Links {
    /// Sends datagrams over a link until this has befallen one: how many; `None` when it has befallen none.
    pub(super) fn sample(
        &self,
        nodes: &[RemoteNode],
        (from, to): Link,
        behavior: &Behavior,
    ) -> Result<Option<u32>, EnvError> {
        let (Some(sender), Some(hearer)) = (nodes.get(from), nodes.get(to)) else {
            return Err(super::cannot(behavior.kind()));
        };
        let mut turn = self.turn();
        let before = taken(hearer)?;
        let most = behavior.certain_within();
        // Also of those that come to nothing: what is late, or was not listened for, is taken for no other.
        let nonce = next(&mut turn);
        *turn += u64::from(u32::MAX);
        let begun = Instant::now();
        let ask = Ask::Sample { to: hearer.node.addr, behavior: behavior.clone(), nonce, most };
        let answer = sender.ask(ask)?.0;
        let (sent, nonce, arrives) = match answer {
            Answer::Befallen { sent, nonce, arrives } => (sent, nonce, arrives),
            Answer::No => return Ok(None),
            _ => return Err(sender.confused()),
        };
        if arrives {
            arrived((sender, hearer), nonce, (behavior, begun), before)?;
        } else {
            stayed_away((sender, hearer), &mut turn, nonce, before)?;
        }
        Ok(Some(sent))
    }

    /// What befell packets on a link so far.
    pub(super) fn traffic(&self, nodes: &[RemoteNode], (from, to): Link) -> Traffic {
        let (Some(sender), Some(hearer)) = (nodes.get(from), nodes.get(to)) else {
            return Traffic::default();
        };
        match sender.ask(Ask::Traffic { to: hearer.node.addr }) {
            Ok((Answer::Traffic(traffic), _)) => traffic,
            _ => Traffic::default(),
        }
    }
}

/// Sees that one comes that was to, and not too soon. On a link that is cut it comes as far as the rule.
fn arrived(
    (sender, hearer): (&RemoteNode, &RemoteNode),
    nonce: u64,
    (behavior, begun): (&Behavior, Instant),
    before: u64,
) -> Result<(), EnvError> {
    let (least, most) = behavior.lateness();
    let deadline = begun + (most + LATER_BY).min(LATEST);
    let mut copies = if matches!(behavior, Behavior::Duplicate { .. }) { 2 } else { 1 };
    let came = loop {
        match hearer.ask(Ask::Heard { port: PROBE_PORT, nonce, taken: before })?.0 {
            Answer::From(_) if copies > 1 => copies -= 1,
            Answer::From(_) => break begun.elapsed(),
            // What was taken may have been another one: when it came shows nothing.
            Answer::Count(_) => return Ok(()),
            _ if Instant::now() < deadline => {}
            _ => {
                return Err(unproven(
                    sender,
                    "its agent sent it on, and it did not arrive as it was to".to_owned(),
                ));
            }
        }
    };
    if came < least {
        let why = format!("it was to be {least:?} late, and was there after {came:?}");
        return Err(unproven(sender, why));
    }
    Ok(())
}

/// Sees that one does not come: another one that is sent later, and that nothing befalls, is there without it.
fn stayed_away(
    (sender, hearer): (&RemoteNode, &RemoteNode),
    turn: &mut u64,
    nonce: u64,
    before: u64,
) -> Result<(), EnvError> {
    for _ in 0..ATTEMPTS {
        let witness = next(turn);
        sender.ask(Ask::SendPast { to: hearer.node.addr, nonce: witness })?;
        match hearer.ask(Ask::Missed { nonce, witness })?.0 {
            Answer::Yes => return Ok(()),
            Answer::No => return Err(unproven(sender, "its agent kept it, and it arrived".to_owned())),
            // A cut takes both; the sender's word has to do.
            _ if taken(hearer)? > before => return Ok(()),
            _ => {}
        }
    }
    Err(unproven(sender, "its agent kept it, and what was sent later did not arrive either".to_owned()))
}

fn unproven(node: &RemoteNode, why: String) -> EnvError {
    node.error(Trouble { what: "prove what befalls packets".to_owned(), why })
}
