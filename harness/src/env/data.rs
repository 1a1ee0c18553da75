//! The files of a node's data directory, and what they can be exchanged for.
//!
//! Not here: who reads and writes them (the environment), and when (the nemesis).

use duress_checkers::words::counted;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// What a server finds when it is started again, under its old name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OtherData {
    /// Nothing.
    Wiped,
    /// What it had when the fault began; it is killed in the middle of it.
    Older,
    /// That of the next victim; the last finds that of the first.
    Swapped,
}

impl OtherData {
    /// The word for it in journals and tables.
    pub const fn kind(self) -> &'static str {
        match self {
            Self::Wiped => "start-wiped",
            Self::Older => "start-older",
            Self::Swapped => "start-swapped",
        }
    }

    /// `start n1 without its data`.
    pub fn told(self, nodes: &str) -> String {
        match self {
            Self::Wiped => format!("start {nodes} without the data"),
            Self::Older => format!("start {nodes} with older data"),
            Self::Swapped => format!("start {nodes} with each other's data"),
        }
    }
}

/// All that is in a data directory, by path in it. Whom it belongs to and when it was written is not
/// kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Files(pub BTreeMap<PathBuf, Entry>);

/// One name in a data directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// A folder.
    Folder {
        /// Permissions.
        mode: u32,
    },
    /// A file.
    File {
        /// Permissions.
        mode: u32,
        /// In bytes.
        length: u64,
        /// Its blocks that are not all zeros, by number: logs are allocated long before they are
        /// written.
        blocks: BTreeMap<u64, Vec<u8>>,
    },
}

impl Entry {
    /// Bytes in a block; the last one of a file may be shorter.
    pub const BLOCK: usize = 4096;
}

impl Files {
    /// `3 files, 71 KiB`; what is all zeros is not counted.
    pub fn told(&self) -> String {
        let mut files = 0;
        let mut blocks = 0;
        for entry in self.0.values() {
            if let Entry::File { blocks: here, .. } = entry {
                files += 1;
                blocks += here.len();
            }
        }
        let kib = blocks * Entry::BLOCK / 1024;
        format!("{}, {kib} KiB", counted(files, "file", "files"))
    }
}
