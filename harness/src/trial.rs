//! One run as a process of its own: for commands that make many runs.
//!
//! A run enters namespaces for good and owns its process, so whoever makes many starts `duress run`
//! again and again, and reads what each left on disk. Nothing is judged here.

#![expect(unsafe_code, reason = "the parent-death signal is set between fork and exec")]

use crate::failure::Failure;
use duress_reports::artifact::{Run, RunDir};
use duress_reports::conclusion::Conclusion;
use nix::sys::prctl;
use nix::sys::signal::Signal;
use std::ffi::OsString;
use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// No run takes longer: a day under faults, and what is before and after it.
pub const LONGEST: Duration = Duration::from_secs(36 * 3600);
/// How often it is looked whether a run has ended.
const LOOK: Duration = Duration::from_millis(20);

/// A run to be made.
#[derive(Clone, Debug)]
pub struct Trial {
    /// The arguments of `duress run`, without its directory.
    pub args: Vec<OsString>,
    /// The directory of the run: new, or empty.
    pub dir: PathBuf,
}

/// What a run left.
pub struct Ended {
    /// Its exit code; none when a signal ended it.
    pub code: Option<i32>,
    /// What is in its directory.
    pub run: Run,
    /// Its verdict, if it came to one.
    pub conclusion: Option<Conclusion>,
}

/// How the process of a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exit {
    /// Its exit code; none when a signal ended it.
    pub code: Option<i32>,
    /// It was killed, as its time was over.
    pub overdue: bool,
}

impl Trial {
    /// Makes the run and waits for it. It ends when the thread that calls this does, and its nodes with
    /// it. What it says is in [`Self::log`].
    ///
    /// # Errors
    /// When it cannot be started, or left nothing: then with the last line of what it said.
    pub fn go(&self) -> Result<Ended, Failure> {
        let exit = self.make(LONGEST)?;
        let Ok(run) = RunDir::open(&self.dir).and_then(|dir| dir.load()) else {
            let said = self.last_line().unwrap_or_else(|| "it left no run directory".to_owned());
            return Err(Failure::usage(format!("the run in {}", self.dir.display()), said, "see above"));
        };
        Ok(Ended { code: exit.code, run, conclusion: conclusion(&self.dir) })
    }

    /// The same without looking at what it left; a run that is not over by then is killed.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn make(&self, limit: Duration) -> Result<Exit, Failure> {
        let mut command = ourselves();
        command.arg("run").args(&self.args).arg("--dir").arg(&self.dir).args(["--progress", "plain"]);
        // CI is told by whoever makes the runs.
        command.args(["--ci", "none"]);
        let log = File::create(self.log()).map_err(failed(&self.dir, "created"))?;
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let parent = std::process::id();
        let ours = move || {
            prctl::set_pdeathsig(Signal::SIGKILL)?;
            // Whoever died before that sends no signal any more.
            let orphaned = u32::try_from(nix::unistd::getppid().as_raw()) != Ok(parent);
            if orphaned { Err(std::io::ErrorKind::BrokenPipe.into()) } else { Ok(()) }
        };
        // SAFETY: system calls only.
        unsafe { command.pre_exec(ours) };
        let mut child = command.spawn().map_err(failed(&self.dir, "run"))?;
        let begun = Instant::now();
        while begun.elapsed() < limit {
            if let Some(status) = child.try_wait().map_err(failed(&self.dir, "run"))? {
                return Ok(Exit { code: status.code(), overdue: false });
            }
            std::thread::sleep(LOOK);
        }
        child.kill().map_err(failed(&self.dir, "ended"))?;
        let code = child.wait().map_err(failed(&self.dir, "run"))?.code();
        Ok(Exit { code, overdue: true })
    }

    /// The last line of what the run said.
    pub fn last_line(&self) -> Option<String> {
        let said = fs::read_to_string(self.log()).ok()?;
        said.lines().last().map(str::to_owned)
    }

    /// What the run says on standard error, beside its directory.
    pub fn log(&self) -> PathBuf {
        self.dir.with_extension("log")
    }
}

/// This very program, also when another one was put in its place: a night that is updated in the middle is one
/// night all the same.
pub fn ourselves() -> Command {
    let mut command = Command::new("/proc/self/exe");
    command.arg0("duress");
    command
}

fn conclusion(dir: &Path) -> Option<Conclusion> {
    serde_json::from_slice(&fs::read(dir.join("verdict.json")).ok()?).ok()
}

fn failed(path: &Path, what: &'static str) -> impl FnOnce(std::io::Error) -> Failure {
    let path = path.to_owned();
    move |source| Failure::File { path, what, source }
}
