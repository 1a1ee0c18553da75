//! What a run shows and leaves behind.
//!
//! A [`artifact`] is the run directory: what is in it, and how it is read. A [`Conclusion`]
//! is everything there is to say about it, as data. Everything else prints that. Nothing here
//! runs a test, and nothing here votes: a report that fails to render never changes a verdict.

pub mod artifact;
pub mod ci;
pub mod compare;
pub mod conclusion;
pub mod export;
mod figure;
mod html;
pub mod index;
pub mod issue;
mod junit;
mod markdown;
mod measure;
mod pack;
mod palette;
mod plots;
mod regression;
pub mod suite;
pub mod text;
mod trace;
mod words;
mod write;

pub use artifact::{ArtifactError, Run, RunDir};
pub use compare::Comparison;
pub use conclusion::Known;
pub use conclusion::{Conclusion, Gates, Outcome, conclude};
pub use html::{Judged, compare_page, index_page, index_policy, judged_page};
pub use index::Index;
pub use pack::EMBED_OPS;
pub use plots::PlotFormat;
pub use words::{inert_json, visible};
pub use write::{write, write_embedding};
