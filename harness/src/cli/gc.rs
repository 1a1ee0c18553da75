//! `duress gc`: removes runs that nobody needs any more.

use super::print;
use crate::failure::Failure;
use crate::retention::{self, Fate, Policy, What};
use clap::Args;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

/// `duress gc`
#[derive(Debug, Args)]
pub(super) struct GcArgs {
    /// Directories that hold runs, or soaks; of several nights give all, as what is still open shows in
    /// all of them together
    #[arg(default_value = "runs")]
    dirs: Vec<PathBuf>,
    /// Runs that passed are kept for so long, like 30d [default: for ever]
    #[arg(long, value_parser = humantime::parse_duration)]
    keep: Option<Duration>,
    /// The same for all others
    #[arg(long, value_parser = humantime::parse_duration)]
    keep_failed: Option<Duration>,
    /// Of all runs together, like 20GB: the oldest go first, those that passed before others
    #[arg(long, value_name = "SIZE", value_parser = bytes)]
    max_size: Option<u64>,
    /// Of runs that passed and are kept, keep only verdict, report and what repeats them
    #[arg(long)]
    thin: bool,
    /// Do it; otherwise it is only said what would be done
    #[arg(long)]
    yes: bool,
}

impl GcArgs {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        let policy = Policy {
            keep: self.keep,
            keep_failed: self.keep_failed,
            max_bytes: self.max_size,
            thin: self.thin,
        };
        let fates = retention::plan(&self.dirs, &policy, SystemTime::now())?;
        if self.yes {
            retention::apply(&self.dirs, &fates)?;
        }
        print(&told(&fates, self.yes));
        Ok(ExitCode::SUCCESS)
    }
}

fn told(fates: &[Fate], done: bool) -> String {
    let mut text = String::new();
    let word = |what| match (what, done) {
        (What::Remove, true) => "removed",
        (What::Remove, false) => "would remove",
        (What::Thin, true) => "thinned",
        (What::Thin, false) => "would thin",
        (What::Keep, _) => "kept",
    };
    for fate in fates {
        text.push_str(&format!(
            "{} {} ({}): {}\n",
            word(fate.what),
            fate.run.display(),
            size(fate.bytes),
            fate.why
        ));
    }
    let removed: Vec<u64> = fates.iter().filter(|f| f.what == What::Remove).map(|f| f.bytes).collect();
    let total = size(removed.iter().sum());
    text.push_str(&match (removed.len(), done) {
        (0, _) => "nothing to remove\n".to_owned(),
        (runs, true) => format!("{runs} runs removed, {total}\n"),
        (runs, false) => format!("{runs} runs to remove, {total}; --yes does it\n"),
    });
    text
}

const UNITS: [(&str, u64); 9] = [
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
    ("B", 1),
];

fn bytes(text: &str) -> Result<u64, String> {
    let wrong = || "write it as 500MB, 20GB or 1TiB".to_owned();
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let (_, unit) =
        UNITS.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit.trim())).ok_or_else(wrong)?;
    number.parse::<u64>().ok().and_then(|number| number.checked_mul(*unit)).ok_or_else(wrong)
}

fn size(bytes: u64) -> String {
    let unit = UNITS[4..8].iter().rev().find(|(_, unit)| bytes >= *unit);
    unit.map_or_else(
        || format!("{bytes} B"),
        |(name, unit)| format!("{:.1} {name}", bytes as f64 / *unit as f64),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_and_told() {
        assert_eq!((bytes("20GB"), bytes("1 KiB"), bytes("7b")), (Ok(20_000_000_000), Ok(1_024), Ok(7)));
        for text in ["20", "GB", "-1GB", "1.5GB", "99999999999TB", "1XB"] {
            assert!(bytes(text).is_err(), "{text}");
        }
        assert_eq!((size(999), size(1_500_000)), ("999 B".to_owned(), "1.5 MB".to_owned()));
    }
}
