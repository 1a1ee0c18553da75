//! What happened: operations, the history that orders and pairs them, and how one is read from
//! files of ours and of others.
//!
//! Not here: how a history is produced (the harness) or judged (the checkers).

pub mod class;
mod error;
pub(crate) mod etcd;
mod op;
mod pairing;
mod read;

pub use error::HistoryError;
pub use op::{Kind, Op, Process};
pub use pairing::{Call, History};
pub use read::{Format, Loaded, Nil, ReadOptions, Repair, RepairKind, read, read_report};
