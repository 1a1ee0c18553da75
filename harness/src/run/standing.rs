//! The cluster as it stands when a violation shows: kept, copied, and open to whoever wants to look.
//!
//! Nothing is healed, and no more is asked of it. It ends with this process, like any other cluster; so
//! somebody has to want it to stand.

use super::phases::Phases;
use crate::engine::StopKind;
use crate::env::data::{Entry, Files};
use crate::env::{EnvError, ProcessState};
use crate::event::{Event, Stage};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::fs::{self, File};
use std::io::{self, IsTerminal, Read};
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::time::Instant;

/// Where the data of a node is copied to, in its folder of the run directory.
const COPY: &str = "data-at-violation";
/// How often one looks whether somebody has pressed Enter.
const KEY_POLL: Duration = Duration::from_millis(100);
/// The longest that a cluster stands.
const MAX_HOLD: Duration = Duration::from_secs(24 * 3600);

impl Phases<'_> {
    /// Copies what the nodes have on their disks, and lets the cluster stand for as long as it is wanted.
    pub(super) async fn stand(&mut self) {
        self.say(Stage::Heal, "a violation shows: nothing more is asked, and nothing is healed");
        self.copy_data().await;
        let terminal = io::stdin().is_terminal() && io::stderr().is_terminal();
        let (hold, keys) = match self.plan.options.hold {
            Some(hold) => (hold.min(MAX_HOLD), terminal),
            None if terminal => (MAX_HOLD, true),
            // Nobody is there to look.
            None => return,
        };
        self.tell(hold, keys);
        let until = Instant::now() + hold;
        while Instant::now() < until && !(keys && enter()) {
            tokio::select! {
                () = tokio::time::sleep(KEY_POLL) => {}
                () = self.stop.wait(StopKind::Now) => return,
            }
        }
    }

    fn tell(&self, hold: Duration, keys: bool) {
        let own = std::process::id();
        let enter = if keys { "Enter or Ctrl-C" } else { "Ctrl-C" };
        let hold = humantime::format_duration(hold);
        let user = if self.info.machine.privilege == "root" { "" } else { "--user --preserve-credentials " };
        let mut notes = vec![format!(
            "the cluster stands for {hold}, with its faults, or until {enter}; all of it ends with this process ({own})"
        )];
        for (at, node) in self.nodes.iter().enumerate() {
            notes.push(match self.env.state(at) {
                ProcessState::Running { pid } | ProcessState::Paused { pid } if pid == own => {
                    format!("{} lives inside this process", node.name)
                }
                ProcessState::Running { pid } | ProcessState::Paused { pid } => format!(
                    "{} at {}: nsenter --target {pid} {user}--mount --uts --ipc --net",
                    node.name, node.addr
                ),
                ProcessState::Gone | ProcessState::Orphaned { .. } => {
                    format!("{} at {} has no server", node.name, node.addr)
                }
            });
        }
        notes.iter().for_each(|note| self.listener.event(&Event::Note(note)));
    }

    /// All of one moment, as far as that can be had: whoever runs stands still meanwhile.
    async fn copy_data(&self) {
        let (env, nodes, dir) = (self.env.clone(), self.nodes.clone(), self.dir.clone());
        let listener = self.listener.clone();
        let copied = tokio::task::spawn_blocking(move || {
            let runs = |at: &usize| matches!(env.state(*at), ProcessState::Running { .. });
            let stopped: Vec<usize> =
                (0..nodes.len()).filter(runs).filter(|at| env.pause(*at).is_ok()).collect();
            for (at, node) in nodes.iter().enumerate() {
                let to = dir.node_dir(&node.name).join(COPY);
                let told = match env.copy_data(at).map(|files| (write(&to, &files), files.told())) {
                    Ok((Ok(()), files)) => {
                        format!("the data of {}, {files}, is in {}", node.name, to.display())
                    }
                    Ok((Err(error), _)) => format!("{}: cannot be written: {error}", to.display()),
                    // What lives inside Duress has none.
                    Err(EnvError::Unable { why, .. }) => format!("no data of {}: {why}", node.name),
                    Err(error) => format!("the data of {} cannot be copied: {error}", node.name),
                };
                listener.event(&Event::Note(&told));
            }
            for at in stopped {
                if let Err(error) = env.resume(at) {
                    listener.event(&Event::Note(&format!("{} stands still: {error}", nodes[at].name)));
                }
            }
        });
        copied.await.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()));
    }
}

/// Has somebody pressed Enter, or closed what is read from?
fn enter() -> bool {
    let stdin = io::stdin();
    let ready = poll(&mut [PollFd::new(stdin.as_fd(), PollFlags::POLLIN)], PollTimeout::ZERO);
    // A terminal hands over whole lines.
    ready.is_ok_and(|ready| ready > 0) && stdin.lock().read(&mut [0; 4096]).is_ok()
}

fn write(to: &Path, files: &Files) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for (path, entry) in &files.0 {
        let path: PathBuf = to.join(path);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        match entry {
            Entry::Folder { .. } => fs::create_dir_all(&path)?,
            Entry::File { length, blocks, .. } => {
                let file = File::create(&path)?;
                for (number, block) in blocks {
                    file.write_all_at(block, number * Entry::BLOCK as u64)?;
                }
                file.set_len(*length)?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_written_as_they_were_read() {
        let temporary = tempfile::tempdir().expect("a directory");
        let file = Entry::File {
            mode: 0o600,
            length: Entry::BLOCK as u64 + 5,
            blocks: [(1, b"hello".to_vec())].into(),
        };
        let files =
            Files([(PathBuf::from("wal"), Entry::Folder { mode: 0o700 }), ("wal/1".into(), file)].into());
        write(temporary.path(), &files).expect("written");
        let read = fs::read(temporary.path().join("wal/1")).expect("a file");
        assert_eq!((read.len(), &read[Entry::BLOCK..]), (Entry::BLOCK + 5, &b"hello"[..]));
        assert!(read[..Entry::BLOCK].iter().all(|byte| *byte == 0));
    }
}
