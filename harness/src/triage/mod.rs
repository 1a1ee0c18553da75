//! From a run that failed to what it takes to fail: how often it fails again ([`Repro`]), with how little
//! ([`Shrink`]), and in which versions ([`Bisect`]).
//!
//! Everything is learnt by making runs, each a [`Trial`](crate::trial::Trial) of its own. What was
//! sought, and what a run says about it, is decided in one place ([`Sought`]); how often is often enough, in
//! another ([`rate`]). Nothing is judged anew here: a run's own verdict counts.

mod batch;
mod bisect;
mod candidate;
mod core;
mod lab;
mod ledger;
mod narrative;
mod original;
pub mod rate;
mod repro;
mod shrink;
mod smaller;
mod sought;

pub use batch::Interrupted;
pub use bisect::{Bisect, Bisected, Build, Found, Tested};
pub use core::Core;
pub use original::{Original, Parse};
pub use repro::{Repro, Reproduced};
pub use shrink::{Ended, Row, Shrink, Shrunk, Size, Step};
pub use sought::{Answer, Sought};

/// Most runs of one kind that can be asked for.
pub const MAX_TIMES: u32 = 1_000;

/// Runs in a row that may come to no answer, before no more are made.
const GIVE_UP: usize = 3;
