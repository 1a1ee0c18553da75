//! What a run shows and leaves behind.
//!
//! A [`artifact`] is the run directory: what is in it, and how it is read. Everything else
//! prints it. Nothing here runs a test, and nothing here votes: a report that fails to render
//! never changes a verdict.

pub mod artifact;
