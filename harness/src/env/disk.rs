//! What disks can do wrong.
//!
//! Not here: who does it (the environment), and on which nodes and when (the nemesis).

use duress_checkers::words::counted;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Why a server ends whose calls failed, if it does.
pub const EXCUSE: &str = "its disk had failed it";

/// A node's disk that can be told to go wrong.
pub trait FaultyDisk: Send + Sync {
    /// Begins to do something wrong, under the number of a fault. Does nothing when that has begun.
    fn misbehave(&self, fault: u32, how: &Misdeed);

    /// Ends that; all of it when no fault is named. How many calls did it befall?
    fn behave(&self, fault: Option<u32>) -> u64;

    /// How many calls a fault that is in force has befallen so far.
    fn hits(&self, fault: u32) -> u64;

    /// The power fails and comes back. No process of the node may be left.
    fn crash(&self, keep: Keep, seed: u64) -> Loss;

    /// Damages files. No process of the node may be left. In words what it did, or why nothing.
    ///
    /// # Errors
    /// When there was nothing to damage.
    fn damage(&self, damage: &Damage, seed: u64) -> Result<String, String>;

    /// What it did so far.
    fn counters(&self) -> Counters;
}

/// What the disks of nodes are, for faults of disks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Layer {
    /// A file system of our own making: it can do all that is in this file.
    #[default]
    Own,
    /// The kernel's ext4: its power can fail, and nothing else.
    Ext4,
}

/// What a disk does wrong while it lasts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Misdeed {
    /// It says that data is safe, and keeps it in its cache: a power failure takes it.
    Lie,
    /// Calls fail.
    Error {
        /// How.
        error: Failing,
        /// Which.
        #[serde(default)]
        calls: Calls,
    },
    /// Calls take longer.
    Slow {
        /// By so many milliseconds.
        ms: u32,
        /// Which.
        #[serde(default)]
        calls: Calls,
    },
    /// Reads give half of what was asked for and is there.
    ShortRead {
        /// Which.
        #[serde(default)]
        calls: Calls,
    },
    /// One bit of what is read or written is flipped; what was written stays so.
    BitFlip {
        /// Which.
        #[serde(default)]
        calls: Calls,
    },
}

/// How a call fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Failing {
    /// The medium does not answer.
    Eio,
    /// No room is left, as on a volume where overwriting takes room as well.
    Enospc,
}

/// Some of a server's calls.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default, deny_unknown_fields)]
pub struct Calls {
    /// Of which kind.
    pub on: Operation,
    /// On files whose path under the data directory looks like this; `*` stands for anything, also for
    /// several folders, and `?` for one character.
    pub files: String,
    /// So many in a hundred, each for itself.
    pub percent: u32,
    /// Only this one, counted from 1 when the fault begins.
    pub nth: Option<u64>,
}

impl Default for Calls {
    /// All.
    fn default() -> Self {
        Self { on: Operation::Any, files: "*".to_owned(), percent: 100, nth: None }
    }
}

/// Kinds of calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Operation {
    /// Those that a [`Misdeed`] can befall.
    Any,
    /// `read`; only what the page cache of the node's host does not hold gets as far as the disk.
    Read,
    /// `write`, and giving a file its length.
    Write,
    /// `fsync` and `fdatasync`, of directories as well.
    Fsync,
}

/// What a power failure leaves of that which was not fsynced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Keep {
    /// Nothing.
    None,
    /// The first changes of names and lengths, as a journal keeps them, and any of the pages.
    Random {
        /// So many pages in a hundred.
        percent: u32,
    },
    /// As `random`; of the pages that are kept, some only in part, by sectors of 512 bytes.
    Torn {
        /// So many pages in a hundred.
        percent: u32,
    },
}

/// What befalls files while no server runs on them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Damage {
    /// Bits of a file are flipped.
    BitFlips {
        /// As in [`Calls`].
        files: String,
        /// So many, over all files together.
        count: u32,
    },
    /// Files lose their end.
    Truncate {
        /// As in [`Calls`].
        files: String,
        /// Each keeps so much of its length, in percent.
        percent: u32,
    },
    /// A stretch of each file becomes zero.
    Zero {
        /// As in [`Calls`].
        files: String,
        /// So long; KiB.
        kib: u32,
    },
    /// The whole directory is what it was a few seconds of the server's work ago.
    Rollback,
}

/// What a power failure took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Loss {
    /// Pages of files that had been written and not fsynced, and are gone.
    pub pages: u64,
    /// Such pages that are there all the same.
    pub kept: u64,
    /// Of those, pages of which only a part is.
    pub torn: u64,
    /// Changes of names, lengths and rights that are undone.
    pub changes: u64,
    /// Files that had been fsynced, while the disk lied, and that lost something by this.
    pub betrayed: u64,
}

/// What a node's disk did so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// Calls of `read` that got as far as the disk.
    pub reads: u64,
    /// Calls of `write`.
    pub writes: u64,
    /// Calls of `fsync` and `fdatasync`.
    pub fsyncs: u64,
    /// Pages that a power failure would take now.
    pub dirty_pages: u64,
}

/// A delay above this counts as a disk that a server cannot work with: the heartbeats of consensus
/// protocols come every 100 ms.
const MOST_PATIENT_MS: u32 = 50;

/// Longest delay of a call, in milliseconds: a server whose call does not return cannot be told from
/// one that hangs.
const MAX_SLOW_MS: u32 = 60_000;

impl Misdeed {
    /// The word for it in journals and tables.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Lie => "disk-lies",
            Self::Error { error: Failing::Eio, .. } => "disk-eio",
            Self::Error { error: Failing::Enospc, .. } => "disk-enospc",
            Self::Slow { .. } => "disk-slow",
            Self::ShortRead { .. } => "disk-short-read",
            Self::BitFlip { .. } => "disk-bit-flip",
        }
    }

    /// The calls that it befalls; none for one that only shows when the power fails.
    pub fn calls(&self) -> Option<&Calls> {
        match self {
            Self::Lie => None,
            Self::Error { calls, .. }
            | Self::Slow { calls, .. }
            | Self::ShortRead { calls }
            | Self::BitFlip { calls } => Some(calls),
        }
    }

    /// Does a call of this kind count as one of [`Misdeed::calls`]?
    pub fn befalls(&self, operation: Operation) -> bool {
        let possible = match self {
            Self::Lie => operation == Operation::Fsync,
            Self::Error { error: Failing::Eio, .. } | Self::Slow { .. } => true,
            Self::Error { error: Failing::Enospc, .. } => operation == Operation::Write,
            Self::ShortRead { .. } => operation == Operation::Read,
            Self::BitFlip { .. } => operation != Operation::Fsync,
        };
        let asked = self.calls().is_none_or(|calls| calls.on == Operation::Any || calls.on == operation);
        possible && asked
    }

    /// Does the server work on as if nothing were wrong, so that the node is not lost to the cluster?
    pub fn is_bearable(&self) -> bool {
        match self {
            Self::Lie => true,
            Self::Slow { ms, .. } => *ms <= MOST_PATIENT_MS,
            Self::Error { .. } | Self::BitFlip { .. } | Self::ShortRead { .. } => false,
        }
    }

    /// Does it leave files that are not what the server wrote, or let it believe so?
    pub fn may_ruin(&self) -> bool {
        match self {
            Self::Lie | Self::BitFlip { .. } | Self::ShortRead { .. } => true,
            Self::Slow { .. } | Self::Error { .. } => false,
        }
    }

    /// Does it befall nothing but reads? A server reads when it starts, and hardly ever afterwards.
    pub fn is_of_reads(&self) -> bool {
        self.befalls(Operation::Read) && !self.befalls(Operation::Write) && !self.befalls(Operation::Fsync)
    }

    /// Must reads get as far as the disk, past the page cache?
    pub fn needs_direct_reads(&self) -> bool {
        !matches!(self, Self::Slow { .. }) && self.calls().is_some() && self.befalls(Operation::Read)
    }

    /// Why it makes no sense, if it does not.
    pub fn nonsense(&self) -> Option<&'static str> {
        if let Self::Slow { ms, .. } = self
            && !(1..=MAX_SLOW_MS).contains(ms)
        {
            return Some("a slow disk takes 1 to 60000 ms longer");
        }
        let any = [Operation::Read, Operation::Write, Operation::Fsync];
        if !any.into_iter().any(|operation| self.befalls(operation)) {
            return Some("it cannot befall such calls");
        }
        let calls = self.calls()?;
        if !(1..=100).contains(&calls.percent) {
            return Some("a percentage is 1 to 100");
        }
        if calls.files.is_empty() {
            return Some("no file has an empty path; `*` is all of them");
        }
        match calls.nth {
            Some(0) => Some("calls are counted from 1"),
            Some(_) if calls.percent != 100 => Some("a single call has no percentage"),
            _ => None,
        }
    }

    /// With its victims: `disk-eio on 10 % of fsync calls of n3`.
    pub fn told(&self, who: &str) -> String {
        let kind = self.kind();
        match self {
            Self::Lie => format!("{kind} about fsync on {who}"),
            Self::Slow { ms, calls } => format!("{kind} {ms} ms on {calls} of {who}"),
            Self::Error { calls, .. } | Self::ShortRead { calls } | Self::BitFlip { calls } => {
                format!("{kind} on {calls} of {who}")
            }
        }
    }
}

impl fmt::Display for Calls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let operation = self.on.word();
        match (self.nth, self.percent) {
            (Some(nth), _) => write!(f, "{operation} call {nth}")?,
            (None, 100) => write!(f, "{operation} calls")?,
            (None, percent) => write!(f, "{percent} % of {operation} calls")?,
        }
        if self.files == "*" { Ok(()) } else { write!(f, " on {}", self.files) }
    }
}

impl Operation {
    fn word(self) -> &'static str {
        match self {
            Self::Any => "all",
            Self::Read => "read",
            Self::Write => "write",
            Self::Fsync => "fsync",
        }
    }
}

impl Keep {
    /// Why it makes no sense, if it does not.
    pub fn nonsense(&self) -> Option<&'static str> {
        match self {
            Self::Random { percent } | Self::Torn { percent } if !(1..=100).contains(percent) => {
                Some("a percentage is 1 to 100")
            }
            _ => None,
        }
    }

    /// With its victims: `disk-power-failure of n3, nothing unsynced kept`.
    pub fn told(&self, who: &str) -> String {
        let how = match self {
            Self::None => "nothing unsynced kept".to_owned(),
            Self::Random { percent } => format!("{percent} % of unsynced pages kept"),
            Self::Torn { percent } => format!("{percent} % of unsynced pages kept, some torn"),
        };
        format!("disk-power-failure of {who}, {how}")
    }
}

impl Damage {
    /// Why it makes no sense, if it does not.
    pub fn nonsense(&self) -> Option<&'static str> {
        match self {
            Self::BitFlips { count: 0, .. } => Some("no bit flipped is no damage"),
            Self::Truncate { percent, .. } if *percent > 99 => {
                Some("what is truncated keeps 0 to 99 percent")
            }
            Self::Zero { kib: 0, .. } => Some("a stretch of 0 KiB is none"),
            Self::BitFlips { files, .. } | Self::Truncate { files, .. } | Self::Zero { files, .. } => {
                files.is_empty().then_some("no file has an empty path; `*` is all of them")
            }
            Self::Rollback => None,
        }
    }

    /// With its victims: `disk-corrupt 3 bits of *.wal on n3`.
    pub fn told(&self, who: &str) -> String {
        let every = |files: &str| if files == "*" { "every file".to_owned() } else { files.to_owned() };
        match self {
            Self::BitFlips { files, count } => {
                format!("disk-corrupt {count} bits of {} on {who}", every(files))
            }
            Self::Truncate { files, percent } => {
                format!("disk-corrupt {} cut to {percent} % on {who}", every(files))
            }
            Self::Zero { files, kib } => {
                format!("disk-corrupt {kib} KiB of {} zeroed on {who}", every(files))
            }
            Self::Rollback => format!("disk-corrupt data rolled back on {who}"),
        }
    }
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::default() {
            return f.write_str("nothing was unsynced");
        }
        let pages = counted(self.pages, "unsynced page", "unsynced pages");
        let changes = counted(self.changes, "change of metadata", "changes of metadata");
        write!(f, "{pages} and {changes} lost")?;
        if self.kept > 0 {
            write!(f, ", {} kept, {} of them torn", counted(self.kept, "page", "pages"), self.torn)?;
        }
        if self.betrayed > 0 {
            write!(f, "; {} had been fsynced", counted(self.betrayed, "file", "files"))?;
        }
        Ok(())
    }
}

/// Does a path look like this?
pub(super) fn looks_like(path: &str, pattern: &str) -> bool {
    let (path, pattern): (Vec<char>, Vec<char>) = (path.chars().collect(), pattern.chars().collect());
    // Only the last `*` has to be taken back: what an earlier one matched can stay the shortest.
    let (mut at, mut next, mut star) = (0, 0, None);
    while at < path.len() {
        match pattern.get(next) {
            Some('*') => {
                star = Some((at, next));
                next += 1;
            }
            Some(&c) if c == '?' || c == path[at] => {
                at += 1;
                next += 1;
            }
            _ => match star {
                Some((from, position)) => {
                    star = Some((from + 1, position));
                    at = from + 1;
                    next = position + 1;
                }
                None => return false,
            },
        }
    }
    pattern[next..].iter().all(|&c| c == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_whole_paths() {
        for (path, pattern, expected) in [
            ("member/wal/0.wal", "*.wal", true),
            ("member/wal/0.wal", "member/*/?.wal", true),
            ("member/wal/10.wal", "member/*/?.wal", false),
            ("db", "*", true),
            ("db", "d", false),
            ("db", "?b*", true),
            ("a.wal.tmp", "*.wal", false),
            ("aab", "*a*b", true),
            ("", "*", true),
        ] {
            assert_eq!(looks_like(path, pattern), expected, "{path} {pattern}");
        }
    }

    #[test]
    fn nonsense_is_seen() {
        let calls = |on| Calls { on, ..Calls::default() };
        let short = |on| Misdeed::ShortRead { calls: calls(on) };
        assert_eq!(short(Operation::Any).nonsense(), None);
        assert!(short(Operation::Fsync).nonsense().is_some());
        let full = Misdeed::Error { error: Failing::Enospc, calls: calls(Operation::Read) };
        assert!(full.nonsense().is_some());
        let both = Misdeed::Slow { ms: 5, calls: Calls { percent: 5, nth: Some(1), ..Calls::default() } };
        assert!(both.nonsense().is_some());
        assert!(Keep::Torn { percent: 0 }.nonsense().is_some());
        assert!(Damage::Truncate { files: "*".into(), percent: 100 }.nonsense().is_some());
    }
}
