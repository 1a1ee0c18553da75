//! Is what the clients saw allowed?
//!
//! A [`History`] goes in, a [`Verdict`] comes out. This package reads no clock, opens no
//! socket and knows no target: the same history and options give the same verdict, byte
//! for byte. Time limits reach it from outside, as a flag that somebody else raises
//! ([`Budget`]).
//!
//! Reading order: [`history`] (what happened), [`verdict`] (what we say about it),
//! [`checker`] (who says it), [`model`] (what one object may do), [`linear`]
//! (linearizability).

pub mod checker;
pub mod history;
pub mod linear;
pub mod model;
pub mod verdict;
pub mod words;

pub use checker::{Budget, Checker, check_safely};
pub use history::{Call, History, HistoryError, Kind, Op, Process};
pub use linear::{Alarm, Deferral, Keys, Linearizable, Online, OnlineError, Tally, Watch};
pub use model::{Model, Register};
pub use verdict::{Counterexample, Finding, Valid, Verdict};
