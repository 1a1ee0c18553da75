//! A process of its own, that waits for an agent to end, however it does, and removes what the kernel
//! would leave.

use super::trace::Trace;
use nix::unistd::setsid;
use std::io::{self, Read as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{ChildStdin, Command, ExitCode, Stdio};
use std::sync::Mutex;

/// What the watchdog waits for: until this process ends, nobody lets go of it.
static LIFELINE: Mutex<Option<ChildStdin>> = Mutex::new(None);

/// Starts the watchdog of this process.
pub(super) fn start(trace: &Path) -> io::Result<()> {
    let mut watchdog = Command::new("/proc/self/exe");
    watchdog.args(["agent", "--watch"]).arg(trace).current_dir("/");
    watchdog.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    // Whoever ends the agent's group, as a terminal does, spares it.
    watchdog.process_group(0);
    let mut child = watchdog.spawn()?;
    let lifeline = child.stdin.take();
    *LIFELINE.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = lifeline;
    Ok(())
}

/// The watchdog: waits for the end of its input, and removes what the trace names.
pub fn watch(trace: &Path) -> ExitCode {
    // Out of the session, too: its end is told to all of it.
    let _ = setsid();
    // Nobody writes.
    let _ = io::stdin().read_to_end(&mut Vec::new());
    // The agent has removed it when it ended in order.
    if let Some(trace) = Trace::read(trace) {
        trace.clear();
    }
    ExitCode::SUCCESS
}
