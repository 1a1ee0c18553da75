//! Commands that are run on a node's host to learn how the node is, or to ask its server to end.
//!
//! They are in the cluster's PID namespace, so that nothing of them outlives it, and in a process group of
//! their own, which is ended when its time is up.

use super::ServerCommand;
use super::node::LocalNode;
use super::server::{REAP_TIMEOUT, wait_until};
use super::spawner::{Spawner, Start};
use duress_targets::HostCommand;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Of what a command prints, so many bytes are read.
const MAX_OUTPUT: u64 = 1 << 16;
/// Of that, so many characters are repeated in errors.
const SHOWN: usize = 300;

/// Runs it to its end; what it printed on standard output.
pub(super) fn run(
    spawner: &Spawner,
    node: &LocalNode,
    command: &HostCommand,
    limit: Duration,
) -> Result<String, String> {
    let deadline = Instant::now() + limit;
    let unopened = |error: io::Error| format!("no file for what it prints: {error}");
    let (mut out, mut err) = (unnamed(node).map_err(unopened)?, unnamed(node).map_err(unopened)?);
    let start = Start {
        host: Arc::clone(&node.host),
        command: ServerCommand {
            program: command.program.clone(),
            args: command.args.clone(),
            env: command.env.clone(),
            user: None,
        },
        work_dir: node.dir.clone(),
        stdout: out.try_clone().map_err(unopened)?,
        stderr: err.try_clone().map_err(unopened)?,
        visits: true,
        // What asks takes nothing of the node's own.
        memory: None,
        user: None,
    };
    let mut child = spawner.start(start).map_err(|error| format!("it does not start: {error}"))?;
    let ended = wait_until(&mut child, deadline);
    if ended.is_none() {
        // Whatever it has started, too. The number is still its own, as nobody has waited for it.
        let _ = killpg(Pid::from_raw(child.id().cast_signed()), Signal::SIGKILL);
        let _ = wait_until(&mut child, Instant::now() + REAP_TIMEOUT);
    }
    let lost = |error: io::Error| format!("what it printed is lost: {error}");
    let (said, complained) = (printed(&mut out).map_err(lost)?, printed(&mut err).map_err(lost)?);
    match ended {
        Some(status) if status.success() => Ok(said),
        Some(status) => Err(format!("{status}{}", words(&complained, &said))),
        None => Err(format!("no end within {limit:?}{}", words(&complained, &said))),
    }
}

/// A file that is gone as soon as nobody holds it.
fn unnamed(node: &LocalNode) -> io::Result<File> {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let path = node.dir.join(format!(".helper-{}", NUMBER.fetch_add(1, Ordering::Relaxed)));
    let file = OpenOptions::new().read(true).append(true).create_new(true).open(&path)?;
    std::fs::remove_file(path)?;
    Ok(file)
}

/// All of it that counts, from its beginning.
pub(in crate::env) fn printed(file: &mut File) -> io::Result<String> {
    file.seek(SeekFrom::Start(0))?;
    let mut bytes = Vec::new();
    file.take(MAX_OUTPUT).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// What it complained about, or else what it said, on one line.
pub(in crate::env) fn words(complained: &str, said: &str) -> String {
    let text = if complained.trim().is_empty() { said } else { complained };
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.is_empty() { line } else { format!(": {}", line.chars().take(SHOWN).collect::<String>()) }
}
