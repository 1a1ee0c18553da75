//! Nodes whose memory runs out.

use super::Scene;
use super::processes::{self, Holders};
use crate::env::ProcessState;
use duress_reports::artifact::JournalEvent;

/// Lets the memory of every victim run out, and sees that the kernel ended it over that.
pub(super) fn run_out(scene: Scene<'_>, down: &mut Holders, victims: &[usize]) -> JournalEvent {
    processes::strike(scene, down, victims, |node| {
        let seen = scene.env.exhaust_memory(node)?;
        let gone = scene.env.state(node) == ProcessState::Gone;
        Ok((gone && seen.bit(), seen.to_string()))
    })
}
