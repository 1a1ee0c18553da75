//! Other programs: found on the search path, run for a limited time.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// How often a running program is looked at.
const POLL: Duration = Duration::from_millis(20);
/// A fresh program is "busy" while some other thread's child still holds the file open for
/// writing, between its fork and its exec.
const BUSY_TRIES: usize = 50;
/// Of what a program prints, as much as is read.
const MAX_OUTPUT: u64 = 1 << 20;

/// The programs on a search path.
#[derive(Clone, Copy)]
pub(super) struct Tools<'a> {
    search: &'a OsStr,
}

impl<'a> Tools<'a> {
    pub(super) fn new(search: &'a OsStr) -> Self {
        Self { search }
    }

    /// The first executable file of that name.
    pub(super) fn find(&self, name: &str) -> Option<PathBuf> {
        std::env::split_paths(self.search)
            // An empty or relative entry means the working directory: not ours to run from.
            .filter(|dir| dir.is_absolute())
            .map(|dir| dir.join(name))
            .find(|path| is_executable(path))
    }

    /// A command for the first of these programs that is there.
    pub(super) fn command(&self, names: &[&str]) -> Result<Command, String> {
        let path = names.iter().find_map(|name| self.find(name));
        let path = path.ok_or_else(|| format!("no `{}` on PATH", names.join("` or `")))?;
        let mut command = Command::new(path);
        // Messages in the language in which we read them.
        command.env("PATH", self.search).env("LC_ALL", "C");
        Ok(command)
    }
}

pub(super) fn is_executable(path: &Path) -> bool {
    path.metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

/// Runs a program to its end; what it printed, when it succeeds. It is killed after `limit`.
///
/// It writes into an unnamed file, since a pipe would have to be drained by a thread.
pub(super) fn run(command: &mut Command, limit: Duration) -> Result<String, String> {
    let name = Path::new(command.get_program()).file_name().unwrap_or_default().display().to_string();
    let mut output = tempfile::tempfile().map_err(|e| format!("no temporary file: {e}"))?;
    let (out, err) = match (output.try_clone(), output.try_clone()) {
        (Ok(out), Ok(err)) => (out, err),
        (Err(e), _) | (_, Err(e)) => return Err(format!("no temporary file: {e}")),
    };
    command.stdin(Stdio::null()).stdout(out).stderr(err);
    let mut child = spawn(command).map_err(|e| format!("`{name}` does not start: {e}"))?;
    let ended = wait(&mut child, limit).map_err(|e| format!("`{name}` was lost: {e}"))?;
    let printed = printed(&mut output).map_err(|e| format!("what `{name}` printed was lost: {e}"))?;
    match ended {
        None => Err(format!("`{name}` did not end within {} s{}", limit.as_secs(), last_words(&printed))),
        Some(status) if !status.success() => {
            Err(format!("`{name}` failed ({status}){}", last_words(&printed)))
        }
        Some(_) => Ok(printed),
    }
}

fn spawn(command: &mut Command) -> io::Result<Child> {
    for _ in 1..BUSY_TRIES {
        match command.spawn() {
            Err(e) if e.kind() == io::ErrorKind::ExecutableFileBusy => std::thread::sleep(POLL),
            other => return other,
        }
    }
    command.spawn()
}

/// `None` when it had to be killed.
fn wait(child: &mut Child, limit: Duration) -> io::Result<Option<ExitStatus>> {
    let end = Instant::now() + limit;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if Instant::now() >= end {
            child.kill()?;
            child.wait()?;
            return Ok(None);
        }
        std::thread::sleep(POLL);
    }
}

fn printed(output: &mut File) -> io::Result<String> {
    let length = output.seek(SeekFrom::End(0))?;
    output.seek(SeekFrom::Start(length.saturating_sub(MAX_OUTPUT)))?;
    let mut bytes = Vec::new();
    output.take(MAX_OUTPUT).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The end of what a program printed, on one line.
fn last_words(printed: &str) -> String {
    const LINES: usize = 3;
    const CHARS: usize = 300;
    let lines: Vec<_> = printed.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let text = lines[lines.len().saturating_sub(LINES)..].join("; ");
    if text.is_empty() {
        String::new()
    } else {
        format!(": {}", text.chars().take(CHARS).collect::<String>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sh(script: &str) -> Command {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn both_outputs_of_a_success_are_returned() {
        let text = run(&mut sh("echo one; echo two >&2"), Duration::from_secs(10)).expect("runs");
        assert_eq!(text, "one\ntwo\n");
    }

    #[test]
    fn a_failure_comes_with_its_last_words() {
        let error = run(&mut sh("echo a; echo b; echo c; echo d; exit 3"), Duration::from_secs(10));
        let error = error.expect_err("fails");
        assert!(error.contains("exit status: 3") && error.ends_with("b; c; d"), "{error}");
    }

    #[test]
    fn what_does_not_end_is_killed() {
        let error = run(&mut sh("echo here; exec sleep 600"), Duration::from_millis(200));
        let error = error.expect_err("is killed");
        assert!(error.contains("did not end") && error.ends_with("here"), "{error}");
    }

    #[test]
    fn more_output_than_a_pipe_holds_blocks_nobody() {
        let text = run(&mut sh("yes | head -c 3000000"), Duration::from_secs(30)).expect("ends");
        assert_eq!(text.len() as u64, MAX_OUTPUT);
    }

    #[test]
    fn missing_tools_are_named() {
        let error = Tools::new(OsStr::new("/nonexistent:")).command(&["curl", "wget"]).expect_err("none");
        assert_eq!(error, "no `curl` or `wget` on PATH");
    }
}
