//! What is saved of a node before it goes: how its servers ended, what they left when they crashed,
//! and its data.
//!
//! Nothing here fails a run: what could not be saved is said in a note.

use super::data::Files;

/// Of one node.
#[derive(Debug, Default)]
pub struct Salvage {
    /// A line for each server that was started and has ended: `process 4711: signal: 9 (SIGKILL), as asked`.
    pub exits: Vec<String>,
    /// The numbers that these and the present one had.
    pub pids: Vec<u32>,
    /// Core files, by their names in the folder of the node's log.
    pub cores: Vec<String>,
    /// Logs that its servers wrote themselves, by their names there.
    pub logs: Vec<String>,
    /// What is in its data directory, when that goes with the environment; `None` when it stays.
    pub data: Option<Files>,
    /// What could not be saved, in sentences.
    pub notes: Vec<String>,
}
