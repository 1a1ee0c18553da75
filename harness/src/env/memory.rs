//! What it looks like when a node's memory runs out.
//!
//! Not here: how that is brought about (the environment).

use duress_checkers::words::counted;
use std::fmt;
use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;

/// What was seen when a node got no more memory than it had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutOfMemory {
    /// So much it had, in bytes; with what its files take, where they are in memory.
    pub used: u64,
    /// Processes of the node that the kernel ended over it, as the kernel counts.
    pub kills: u64,
    /// How its server ended, if it did.
    pub end: Option<ExitStatus>,
}

impl OutOfMemory {
    /// Did the kernel end the server over it?
    pub fn bit(&self) -> bool {
        self.kills > 0 && self.end.is_some_and(|end| end.signal() == Some(libc::SIGKILL))
    }
}

impl fmt::Display for OutOfMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mib = self.used.div_ceil(1 << 20);
        let kills = counted(self.kills, "process", "processes");
        write!(f, "out of memory at {mib} MiB, the kernel killed {kills}")?;
        match self.end {
            Some(end) => write!(f, ", the server ended with {end}"),
            None => f.write_str(", the server runs on"),
        }
    }
}
