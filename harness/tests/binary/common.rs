//! Runs the real binary, and looks at what it left.

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A directory of its own for the runs of one test, and the binary to run in it.
pub(crate) struct Bench {
    pub(crate) dir: tempfile::TempDir,
}

/// What a command printed, and how it ended.
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self { dir: tempfile::tempdir().expect("a temporary directory") }
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_duress"));
        command.args(args).current_dir(self.dir.path()).stdin(Stdio::null());
        // Tests may run on a CI host; what they run does not.
        for host in ["GITHUB_ACTIONS", "GITLAB_CI", "JENKINS_URL"] {
            command.env_remove(host);
        }
        command
    }

    pub(crate) fn duress(&self, args: &[&str]) -> Ended {
        ended(&self.command(args).output().expect("duress starts"))
    }

    pub(crate) fn spawn(&self, args: &[&str]) -> Child {
        let mut command = self.command(args);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("duress starts")
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn text(&self, name: &str) -> String {
        let path = self.path(name);
        std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
    }

    pub(crate) fn json(&self, name: &str) -> Value {
        read_json(&self.path(name))
    }

    /// The invocations of clients, as `f` and `value`, in the order in which they were handed out.
    pub(crate) fn invocations(&self, run: &str) -> Vec<(String, Value)> {
        let text = std::fs::read_to_string(self.path(run).join("history.jsonl")).expect("a history");
        text.lines()
            .map(|line| serde_json::from_str::<Value>(line).expect("an operation"))
            .filter(|op| op["type"] == "invoke" && op["process"].is_u64())
            .map(|op| (op["f"].as_str().unwrap_or_default().to_owned(), op["value"].clone()))
            .collect()
    }
}

impl Ended {
    /// Fails with everything that was printed.
    #[track_caller]
    pub(crate) fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }
}

pub(crate) fn ended(output: &Output) -> Ended {
    Ended {
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

pub(crate) fn read_json(path: &Path) -> Value {
    let text = std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// Real clusters are obtained over the network and take minutes: only where they are asked for.
pub(crate) fn clusters_wanted(test: &str) -> bool {
    let wanted = std::env::var_os("DURESS_CLUSTERS").is_some_and(|value| value == "1");
    if !wanted {
        eprintln!("{test}: skipped, set DURESS_CLUSTERS=1 to run real clusters");
    }
    wanted
}

/// For as long as it is held, no other test runs a cluster: each wants the machine.
pub(crate) fn alone() -> MutexGuard<'static, ()> {
    static MACHINE: Mutex<()> = Mutex::new(());
    MACHINE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A passing run, looked at closely: every fault that was applied bit, and enough was done.
#[track_caller]
pub(crate) fn assert_exercised(verdict: &Value, min_ok: u64) {
    assert_eq!(verdict["outcome"], "valid", "{verdict:#}");
    let ok = verdict["evidence"]["total"]["ok"].as_u64().expect("a count");
    assert!(ok >= min_ok, "only {ok} ok operations");
    let faults = verdict["faults"].as_array().expect("faults");
    assert!(faults.iter().any(|fault| fault["state"] == "bit"), "{verdict:#}");
    assert!(faults.iter().all(|fault| fault["state"] == "bit" || fault["state"] == "skipped"), "{verdict:#}");
}
