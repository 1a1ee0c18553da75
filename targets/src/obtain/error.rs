//! Why a binary could not be had, and what to do.

use std::fmt;
use std::path::PathBuf;

/// A search that found nothing.
#[derive(Debug, thiserror::Error)]
pub enum ObtainError {
    /// The request contradicts itself.
    #[error("{0}")]
    Request(String),
    /// The binary that the user names will not do.
    #[error("{} cannot be used as {server}: {why}", path.display())]
    Unfit {
        /// As given.
        path: PathBuf,
        /// What it should be.
        server: String,
        /// What is wrong with it.
        why: String,
    },
    /// The image that the user names will not do.
    #[error("{} cannot be used as a root file system: {why}", path.display())]
    Image {
        /// As given.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// A program that has to be there is not.
    #[error("{place}: there is no program `{}`{where_}; {fix}", program.display())]
    Missing {
        /// Who names it.
        place: String,
        /// As named.
        program: PathBuf,
        /// ` on PATH`, or nothing.
        where_: &'static str,
        /// What to do.
        fix: &'static str,
    },
    /// No source has it.
    #[error("{}", nowhere(server, version.as_deref(), tried))]
    Nowhere {
        /// What was looked for.
        server: String,
        /// The version, if one was asked for.
        version: Option<String>,
        /// Every source, in order.
        tried: Vec<Tried>,
    },
    /// There is no place for a cache.
    #[error(
        "there is no place for Duress's cache, since neither DURESS_CACHE nor XDG_CACHE_HOME nor HOME names an absolute path: set DURESS_CACHE to a directory"
    )]
    NoCache,
}

/// A source that did not have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tried {
    /// Where.
    pub place: String,
    /// Why not.
    pub why: String,
}

impl fmt::Display for Tried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.why)
    }
}

fn nowhere(server: &str, version: Option<&str>, tried: &[Tried]) -> String {
    let version = version.map(|v| format!(" {v}")).unwrap_or_default();
    let tried: String = tried.iter().map(|tried| format!("\n  - {tried}")).collect();
    format!(
        "no {server}{version} could be had; tried:{tried}\n\
         Give a binary with `duress run --bin PATH`; `duress fetch --url URL --sha256 SUM` makes one \
         of an archive of the project."
    )
}
