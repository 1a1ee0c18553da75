//! Is what the clients saw allowed?
//!
//! A [`History`] goes in, a [`Verdict`] comes out. This package reads no clock, opens no
//! socket and knows no target: the same history and options give the same verdict, byte
//! for byte. Time limits reach it from outside, as a flag that somebody else raises
//! ([`Budget`]).
//!
//! Histories come from programs ([`History::new`]) or from files ([`history::read`], which knows
//! the formats of Jepsen, Knossos, Elle, Porcupine and etcd's robustness tests):
//!
//! ```
//! use duress_checkers::history::{ReadOptions, read};
//! use duress_checkers::{Budget, Checker, Keys, Linearizable, Valid};
//!
//! // Any `Read` will do: a file, standard input. Here process 1 reads 3, which was overwritten.
//! let file: &[u8] = b"
//! {:process 0, :type :invoke, :f :write, :value 3}
//! {:process 0, :type :ok,     :f :write, :value 3}
//! {:process 0, :type :invoke, :f :write, :value 4}
//! {:process 0, :type :ok,     :f :write, :value 4}
//! {:process 1, :type :invoke, :f :read,  :value nil}
//! {:process 1, :type :ok,     :f :read,  :value 3}
//! ";
//! let loaded = read(file, &ReadOptions::default())?;
//! let verdict = Linearizable::register(Keys::Auto).check(&loaded.history, &Budget::default());
//!
//! assert_eq!(verdict.valid, Valid::Violation);
//! assert_eq!(verdict.findings[0].anomaly, "stale read");
//! println!("{}", verdict.findings[0].sentence);
//! # Ok::<(), duress_checkers::HistoryError>(())
//! ```
//!
//! Sixteen other objects are in [`model`], by name in [`model::models`]; one of your own takes
//! thirty lines ([`Model`]).
//!
//! Reading order: [`history`] (what happened), [`verdict`] (what we say about it),
//! [`checker`] (who says it), [`model`] (what one object may do), [`linear`]
//! (linearizability).

pub mod checker;
mod ddmin;
pub mod history;
pub mod linear;
pub mod model;
mod reproduce;
pub mod verdict;
pub mod words;

pub use checker::{Budget, Checker, check_safely};
pub use ddmin::ddmin;
pub use history::{Call, History, HistoryError, Kind, Op, Process};
pub use linear::{Alarm, Deferral, Keys, Linearizable, Online, OnlineError, Tally, Watch};
pub use model::{Model, Register};
pub use reproduce::{Reproduction, reproduce, smallest};
pub use verdict::{Counterexample, Finding, Valid, Verdict};
