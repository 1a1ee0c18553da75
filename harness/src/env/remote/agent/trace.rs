//! What an agent may leave behind, noted on its host before it does anything there, and removed again
//! by whoever comes: the agent itself, its watchdog, the next agent, or an operator.

use super::firewall::{self, Tool};
use super::packets;
use crate::env::local::start_time;
use nix::unistd::gethostname;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Rounds in which a folder is removed: the last processes end a moment after their agent.
const ROUNDS: u32 = 500;
/// Between two of them.
const POLL: Duration = Duration::from_millis(10);
/// Letters of a table's name that tell runs apart.
const TELLING: usize = 8;

/// Of one agent.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Trace {
    /// Where this is written.
    #[serde(skip)]
    pub(super) file: PathBuf,
    /// The host's name: several may share a folder.
    host: String,
    /// The agent.
    pid: u32,
    /// When it began, as the kernel counts.
    start_time: Option<u64>,
    /// Its table of rules, or by what its chains' names begin, if it may make some.
    table: Option<String>,
    /// What they are made with; agents that do not say had nftables.
    #[serde(default)]
    pub(super) tool: Tool,
    /// Where its files are.
    pub(super) dir: PathBuf,
}

impl Trace {
    /// Notes it, on disk: a folder of this name, which is made, and a table of rules.
    pub(super) fn leave(own: PathBuf, table: Option<String>) -> io::Result<Self> {
        let pid = std::process::id();
        let trace = Self {
            file: own.with_extension("json"),
            host: host_name(),
            pid,
            start_time: start_time(pid),
            table,
            tool: Tool::here(),
            dir: own,
        };
        let runs = trace.dir.parent().unwrap_or(&trace.dir);
        fs::create_dir_all(runs)?;
        let mut file = File::create(&trace.file)?;
        file.write_all(&serde_json::to_vec(&trace)?)?;
        file.sync_all()?;
        File::open(runs)?.sync_all()?;
        fs::create_dir_all(&trace.dir)?;
        Ok(trace)
    }

    /// What is written there; `None` when that is nothing of ours.
    pub(super) fn read(file: &Path) -> Option<Self> {
        let trace: Self = serde_json::from_slice(&fs::read(file).ok()?).ok()?;
        Some(Self { file: file.to_owned(), ..trace })
    }

    /// Removes all that it names, and itself; is all of it gone? What is still there stays noted, so that whoever
    /// comes next tries again.
    pub(super) fn clear(&self) -> bool {
        let remove_rules = || self.table.as_ref().is_none_or(|table| firewall::remove(self.tool, table));
        remove_rules();
        if let Some(table) = &self.table {
            packets::remove(table);
        }
        let has_no_folder = (0..ROUNDS).any(|_| match fs::remove_dir_all(&self.dir) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                std::thread::sleep(POLL);
                false
            }
            _ => true,
        });
        // What a killed agent had just told the kernel comes into force after it.
        let is_gone = remove_rules() && has_no_folder;
        if is_gone {
            let _ = fs::remove_file(&self.file);
        }
        is_gone
    }

    fn is_alive(&self) -> bool {
        self.start_time.is_some() && start_time(self.pid) == self.start_time
    }
}

/// The table of rules of whoever has this folder.
pub(super) fn table_of(own: &Path) -> String {
    let known = Sha256::digest(own.as_os_str().as_encoded_bytes());
    let known = crate::env::remote::binary::hex(&known);
    format!("duress_{}", &known[..TELLING])
}

fn host_name() -> String {
    gethostname().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// Removes what agents of this host have left in this folder that are no more; how many there were, and of how
/// many something is still there.
pub fn heal(dir: &Path) -> (usize, usize) {
    let Ok(entries) = fs::read_dir(dir.join("runs")) else { return (0, 0) };
    let files = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let traces = files.filter(|file| file.extension().is_some_and(|is| is == "json"));
    let own = host_name();
    let is_dead = |trace: &Trace| trace.host == own && !trace.is_alive();
    let dead = traces.filter_map(|file| Trace::read(&file)).filter(is_dead);
    dead.fold((0, 0), |(all, left), trace| (all + 1, left + usize::from(!trace.clear())))
}
