//! A node's disk that is on its host: whatever it is told or asked crosses the line to the agent.
//!
//! A line that breaks ends the server and its disk, so what nobody answers has befallen nothing.

use super::RemoteNode;
use super::wire::{Answer, Ask, DiskAsk};
use crate::env::disk::{Counters, Damage, FaultyDisk, Keep, Loss, Misdeed};

impl FaultyDisk for RemoteNode {
    /// That it began is seen by what it does.
    fn misbehave(&self, fault: u32, how: &Misdeed) {
        let _ = self.ask(Ask::Disk(DiskAsk::Misbehave { fault, how: how.clone() }));
    }

    fn behave(&self, fault: Option<u32>) -> u64 {
        self.count(DiskAsk::Behave { fault })
    }

    fn hits(&self, fault: u32) -> u64 {
        self.count(DiskAsk::Hits { fault })
    }

    fn crash(&self, keep: Keep, seed: u64) -> Loss {
        match self.ask(Ask::Disk(DiskAsk::Crash { keep, seed })) {
            Ok((Answer::Lost(loss), _)) => loss,
            _ => Loss::default(),
        }
    }

    fn damage(&self, damage: &Damage, seed: u64) -> Result<String, String> {
        self.told(Ask::Disk(DiskAsk::Damage { damage: damage.clone(), seed }))
    }

    fn counters(&self) -> Counters {
        match self.ask(Ask::Disk(DiskAsk::Counters)) {
            Ok((Answer::Disk(counters), _)) => counters,
            _ => Counters::default(),
        }
    }
}

impl RemoteNode {
    fn count(&self, what: DiskAsk) -> u64 {
        match self.ask(Ask::Disk(what)) {
            Ok((Answer::Count(calls), _)) => calls,
            _ => 0,
        }
    }
}
