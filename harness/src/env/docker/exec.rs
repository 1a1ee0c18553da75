//! Commands in a container's own files, network and processes, as its first process sees them: root there,
//! with its environment variables.
//!
//! Not by the engine's `exec`: what that starts is one of the container's processes, stands still with them,
//! goes on when who asked has given up, and takes a tenth of a second to begin.

#![expect(unsafe_code, reason = "a child has to enter namespaces before it becomes the program")]

use crate::env::local::{printed, words};
use duress_targets::HostCommand;
use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::{Pid, chdir};
use std::fs::File;
use std::io;
use std::os::unix::process::CommandExt as _;
use std::panic::resume_unwind;
use std::process::{Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// How often one looks whether it has ended.
const POLL: Duration = Duration::from_millis(2);

/// Runs it to its end in the container with this first process and these environment variables; what it
/// printed on standard output.
pub(super) fn run(
    (pid, environment): (u32, &[(String, String)]),
    command: &HostCommand,
    limit: Duration,
) -> Result<String, String> {
    let lost = |error: io::Error| format!("what it prints has no place: {error}");
    let (mut out, mut err) = (unnamed().map_err(lost)?, unnamed().map_err(lost)?);
    let outputs = (out.try_clone().map_err(lost)?, err.try_clone().map_err(lost)?);
    // On a thread of its own, since a thread's children are born where it says, and end with it.
    let ended = thread::scope(|scope| {
        let thread = thread::Builder::new().name("command".into());
        let thread =
            thread.spawn_scoped(scope, || to_its_end((pid, environment), command, outputs, limit))?;
        thread.join().unwrap_or_else(|panic| resume_unwind(panic))
    });
    let ended =
        ended.map_err(|error| format!("{} does not start there: {error}", command.program.display()))?;
    let (said, complained) = (printed(&mut out).map_err(lost)?, printed(&mut err).map_err(lost)?);
    match ended {
        Some(status) if status.success() => Ok(said),
        Some(status) => Err(format!("{status}{}", words(&complained, &said))),
        None => Err(format!("no end within {limit:?}{}", words(&complained, &said))),
    }
}

/// `None` when its time was up.
fn to_its_end(
    (pid, environment): (u32, &[(String, String)]),
    command: &HostCommand,
    (out, err): (File, File),
    limit: Duration,
) -> io::Result<Option<ExitStatus>> {
    let deadline = Instant::now() + limit;
    let open = |name: &str| File::open(format!("/proc/{pid}/ns/{name}"));
    let others = [
        (open("net")?, CloneFlags::CLONE_NEWNET),
        (open("ipc")?, CloneFlags::CLONE_NEWIPC),
        (open("uts")?, CloneFlags::CLONE_NEWUTS),
        (open("mnt")?, CloneFlags::CLONE_NEWNS),
    ];
    let mut child = Command::new(&command.program);
    child.args(&command.args).env_clear().envs(environment.iter().cloned()).envs(command.env.iter().cloned());
    child.stdin(Stdio::null()).stdout(out).stderr(err).process_group(0);
    // SAFETY: after fork, only system calls are made, on what was made before.
    unsafe {
        child.pre_exec(move || {
            set_pdeathsig(Signal::SIGKILL)?;
            unshare(CloneFlags::CLONE_FS)?;
            others.iter().try_for_each(|(namespace, kind)| setns(namespace, *kind))?;
            Ok(chdir("/")?)
        });
    }
    // This is for children only.
    setns(open("pid")?, CloneFlags::CLONE_NEWPID)?;
    let mut child = child.spawn()?;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if Instant::now() >= deadline {
            // Whatever it has started, too. The number is still its own, as nobody has waited for it.
            let _ = killpg(Pid::from_raw(child.id().cast_signed()), Signal::SIGKILL);
            child.wait()?;
            return Ok(None);
        }
        thread::sleep(POLL);
    }
}

fn unnamed() -> io::Result<File> {
    Ok(memfd_create(c"output", MFdFlags::MFD_CLOEXEC)?.into())
}
