//! The engine against an oracle, against itself, and against its limits.

mod agree;
mod blocks;
mod build;
mod explained;
mod limits;
mod oracle;
mod pitfalls;
mod properties;
mod random;
