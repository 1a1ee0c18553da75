//! The host's own programs that change its network: `nft`, `iptables`, `ip`. They end with whoever runs them: one
//! that waits for its turn, as those of iptables do, would change rules when nobody is left to remove them.

#![expect(
    unsafe_code,
    reason = "a child has to say that it ends with its parent before it becomes the program"
)]

use nix::errno::Errno;
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use nix::unistd::{getpid, getppid};
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Who becomes root by sudo may not have them on `PATH`.
const USUAL: [&str; 3] = ["/usr/local/sbin", "/usr/sbin", "/sbin"];

/// Runs one with this input; what it printed, or its first complaint.
pub(super) fn run(program: &str, args: &[&str], input: &str) -> Result<String, String> {
    let Some(path) = find(program) else {
        let package = match program {
            "nft" => "nftables",
            "ip" => "iproute2",
            _ => "iptables",
        };
        return Err(format!("{package} is not installed ({program})"));
    };
    let trouble = |error: std::io::Error| format!("{program}: {error}");
    let mut command = Command::new(path);
    command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let parent = getpid();
    // SAFETY: system calls only.
    unsafe {
        command.pre_exec(move || {
            set_pdeathsig(Signal::SIGKILL)?;
            // It may be gone already.
            if getppid() == parent { Ok(()) } else { Err(Errno::ESRCH.into()) }
        });
    }
    let mut child = command.spawn().map_err(trouble)?;
    let written = child.stdin.take().map_or(Ok(()), |mut pipe| pipe.write_all(input.as_bytes()));
    let output = child.wait_with_output().map_err(trouble)?;
    if output.status.success() {
        written.map_err(trouble)?;
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let first = said.lines().find(|line| !line.trim().is_empty());
    Err(format!("{program}: {}", first.unwrap_or("it failed and did not say why")))
}

/// Is there this one?
pub(super) fn has(program: &str) -> bool {
    find(program).is_some()
}

fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let dirs: Vec<PathBuf> = std::env::split_paths(&path).chain(USUAL.map(PathBuf::from)).collect();
    dirs.into_iter().map(|dir| dir.join(program)).find(|file| is_program(file))
}

fn is_program(file: &Path) -> bool {
    fs::metadata(file).is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}
