//! What a user can get wrong, or a machine refuse: said in one sentence, with an exit code.
//!
//! Anything that is not here is our bug: it panics, and the process ends with 255.

use crate::env::EnvError;
use duress_checkers::HistoryError;
use duress_reports::artifact::{ArtifactError, RunFailure};
use duress_targets::problem::Problem;
use duress_targets::{TargetError, obtain::ObtainError};
use std::path::PathBuf;
use std::process::ExitCode;

/// Exit codes, as documented and as `duress list exit-codes` prints them.
pub const EXIT_CODES: [(u8, &str); 6] = [
    (
        0,
        "valid: no violation found, and the run exercised what it was asked to; or known: nothing but \
         violations that --known lists",
    ),
    (
        1,
        "violation: the history is not allowed, the cluster did not come back after the last fault, or a limit \
         set with --gate was passed; or crash: a server ended by itself",
    ),
    (2, "unknown: a checker gave up; the reason is printed"),
    (
        3,
        "infrastructure: the run itself failed (never healthy, disk full, nothing to be obtained); or inconclusive: \
         a fault did not bite, too few operations, a gate missed",
    ),
    (254, "usage: unknown names, impossible combinations, unreadable input"),
    (255, "a bug in Duress"),
];

/// An expected error: what, why, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The request cannot be: unknown names, impossible combinations.
    #[error("{what}: {why}; {fix}")]
    Usage {
        /// What was asked.
        what: String,
        /// Why it cannot be.
        why: String,
        /// What to ask instead.
        fix: String,
    },
    /// A setting of the target.
    #[error("{0} (`duress list targets` shows the settings)")]
    Target(#[from] TargetError),
    /// A file (TOML) that the user has written.
    #[error("{0}")]
    Declared(#[from] Problem),
    /// A history that is none.
    #[error("{}: {source}", path.display())]
    History {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: HistoryError,
    },
    /// A run directory that is none.
    #[error("{0}")]
    Artifact(ArtifactError),
    /// The server could not be obtained.
    #[error("{0}")]
    Obtain(#[from] ObtainError),
    /// The machine or a server refused.
    #[error("{}", environment(.0))]
    Environment(#[from] EnvError),
    /// A file of the run could not be written.
    #[error("{}: cannot be {what}: {source}; {}", path.display(), hint(source))]
    File {
        /// The file or directory.
        path: PathBuf,
        /// `written`, `created`, …
        what: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
    /// The run failed on its way, and its directory says so too.
    #[error("{}: {}; {}", .0.what, .0.why, .0.fix)]
    Run(RunFailure),
}

impl Failure {
    /// A request that cannot be.
    pub fn usage(what: impl Into<String>, why: impl Into<String>, fix: impl Into<String>) -> Self {
        Self::Usage { what: what.into(), why: why.into(), fix: fix.into() }
    }

    /// See [`EXIT_CODES`].
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.code())
    }

    /// The same as a number.
    pub fn code(&self) -> u8 {
        match self {
            Self::Usage { .. }
            | Self::Target(_)
            | Self::Declared(_)
            | Self::History { .. }
            | Self::Artifact(_) => 254,
            // What the user named is not there, or contradicts itself.
            Self::Obtain(
                ObtainError::Request(_) | ObtainError::Unfit { .. } | ObtainError::Missing { .. },
            ) => 254,
            Self::Obtain(_) | Self::Environment(_) | Self::File { .. } | Self::Run(_) => 3,
        }
    }

    /// The same, for `run.json`.
    pub fn to_run_failure(&self) -> RunFailure {
        let failure = |what: &str, why: String, fix: String| RunFailure { what: what.to_owned(), why, fix };
        match self {
            Self::Run(failure) => failure.clone(),
            Self::Environment(EnvError::Unable { what, why, fix }) => {
                failure(&format!("could not {what}"), why.clone(), fix.clone())
            }
            Self::Environment(EnvError::Node { node, what, why, log }) => {
                failure(&format!("{node} did not {what}"), why.clone(), format!("look at {}", log.display()))
            }
            Self::File { path, what, source } => failure(
                &format!("{} cannot be {what}", path.display()),
                source.to_string(),
                hint(source).to_owned(),
            ),
            other => failure("the run failed", other.to_string(), "see the message".to_owned()),
        }
    }
}

impl From<ArtifactError> for Failure {
    fn from(error: ArtifactError) -> Self {
        match error {
            // Not the user's mistake but the machine's refusal, which has hints of its own.
            ArtifactError::Io { what, path, source } => {
                let what = if what == "read" { "read" } else { "written" };
                Self::File { path, what, source }
            }
            other => Self::Artifact(other),
        }
    }
}

fn environment(error: &EnvError) -> String {
    match error {
        EnvError::Unable { fix, .. } => format!("{error}; {fix}"),
        EnvError::Node { log, .. } => format!("{error}; its log is {}", log.display()),
    }
}

fn hint(error: &std::io::Error) -> &'static str {
    match error.kind() {
        std::io::ErrorKind::StorageFull => "free some space, or choose another place with --dir or --out",
        std::io::ErrorKind::PermissionDenied => "choose a place that you may write to with --dir or --out",
        std::io::ErrorKind::NotFound => "check the path",
        _ => "choose another place with --dir or --out",
    }
}
