//! What happened: operations, and the history that orders and pairs them.
//!
//! Not here: how a history is produced (the harness) or judged (the checkers).

pub mod class;
mod jsonl;
mod op;
mod pairing;

pub use jsonl::{Loaded, read_jsonl};
pub use op::{Kind, Op, Process};
pub use pairing::{Call, History, HistoryError};
