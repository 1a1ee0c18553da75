//! The engine against an oracle, against itself, and against its limits.

mod agree;
mod anomalies;
mod blocks;
mod build;
mod collection;
mod components;
mod explained;
mod growing;
mod limits;
mod metamorphic;
mod model_agree;
mod model_exhaustive;
mod model_random;
mod model_specs;
mod model_windows;
mod online;
mod oracle;
mod pitfalls;
mod properties;
mod random;
mod small;
mod weak;
