//! Sends probes until one has been treated as a fault is to treat packets.
//!
//! This host says what befell it; whether that shows at the other end is for who asks.

use super::{Agent, Trouble, trouble};
use crate::env::local::PROBE_PORT;
use crate::env::packet::Behavior;
use crate::env::remote::wire::{Answer, How};
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// Probes in a row that may not come by: the host may be busy.
const MOST_UNSEEN: u32 = 10;
/// Longest time for all of them, but for what comes and goes by turns.
const WITHIN: Duration = Duration::from_secs(20);

impl Agent {
    /// At most so many, the first of which has this number.
    pub(super) fn sample(
        &self,
        to: IpAddr,
        behavior: &Behavior,
        (first, most): (u64, u32),
    ) -> Result<Answer, Trouble> {
        let begun = Instant::now();
        let (mut sent, mut unseen) = (0, 0);
        while begun.elapsed() < WITHIN && sent < most || begun.elapsed() < behavior.turns() {
            let nonce = first + u64::from(sent);
            sent += 1;
            self.ears()?.send((to, PROBE_PORT), nonce, (How::default(), None))?;
            let fate = self.packets.fate(to, nonce).map_err(|why| trouble("see a probe go by", why))?;
            let Some(effects) = fate else {
                unseen += 1;
                if unseen >= MOST_UNSEEN {
                    let why = format!("of {sent} probes to {to} the last {unseen} did not come by");
                    return Err(trouble("see a probe go by", why));
                }
                continue;
            };
            unseen = 0;
            if behavior.shows(effects) {
                let arrives = !(effects.lost || effects.dropped || effects.held || effects.corrupted);
                return Ok(Answer::Befallen { sent, nonce, arrives });
            }
        }
        Ok(Answer::No)
    }
}
