//! The run directory: its files and their formats.
//!
//! ```text
//! runs/<name>/<id>/
//!   run.json        what was asked, with everything resolved   [`RunInfo`]
//!   history.jsonl   every operation, as it happened            `duress_checkers::Op`
//!   faults.jsonl    the journal of the nemesis                 [`JournalEntry`]
//!   flows.jsonl     who talked to whom                         [`Flow`]
//!   nodes.jsonl     what each node was                         [`NodeSeen`]
//!   capture.pcapng  the last frames, if the run failed         for Wireshark
//!   verdict.json    what came of it                            [`crate::Conclusion`]
//!   report.html  junit.xml  plots/*.svg
//!   findings/<n>.jsonl  the few operations that prove a finding again
//!   summary.md      the end of a run, for the page of a CI job
//!   trace.json      operations, faults, nodes as tracks        for ui.perfetto.dev
//!   nodes/<node>/   logs of the servers, how they ended, core files, data if the run failed
//!   kernel.log      what the kernel said of them, if anything
//! ```

mod dir;
mod error;
mod fault;
mod flow;
mod last_words;
mod node;
mod run;
mod said;
mod stamp;

pub use dir::write_whole;
pub use dir::{Run, RunDir};
pub(crate) use dir::{file, write_streamed};
pub use error::ArtifactError;
pub use fault::{FaultWindow, JournalEntry, JournalEvent, windows};
pub use flow::{Flow, Taken, Volume};
pub use last_words::last_words;
pub(crate) use last_words::reduced;
pub use node::{NodeSeen, NodeState};
pub use run::{
    Binary, Declaration, LoadMachine, Machine, NodeInfo, Phase, RunFailure, RunInfo, RunStatus, ServerExit,
};
pub use said::{Excerpt, Said};

/// Version of the formats above; a reader refuses a newer one.
pub const FORMAT: u32 = 1;
