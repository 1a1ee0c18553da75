//! The user's own `kubectl`: what is asked of it, within a time.
//!
//! A command and no library for the API: it finds the cluster and proves who one is the way the user's own
//! commands do.

use duress_targets::hosts::Kube;
use serde::de::DeserializeOwned;
use std::io::{self, Read, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// How long what is one request may take. Not by `--request-timeout`: with that, `kubectl` in a pod takes no
/// notice of the pod's service account, and looks for a cluster at localhost.
pub(super) const QUICK: Duration = Duration::from_secs(20);
/// How often one looks whether a command has ended.
const POLL: Duration = Duration::from_millis(5);
/// Of what it prints, as much as is read, bytes.
const MOST_OUTPUT: u64 = 64 << 20;

/// The command, and where its cluster is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Kubectl {
    program: PathBuf,
    /// `--context`, `--namespace`
    common: Vec<String>,
}

impl Kubectl {
    pub(super) fn new(kube: &Kube) -> Self {
        let option = |name: &str, value: &Option<String>| Some(format!("--{name}={}", value.as_ref()?));
        let common = [option("context", &kube.context), option("namespace", &kube.namespace)];
        Self { program: kube.kubectl.clone(), common: common.into_iter().flatten().collect() }
    }

    /// As the user would type it.
    pub(super) fn told(&self, what: &str) -> String {
        let common: String = self.common.iter().map(|option| format!(" {option}")).collect();
        format!("{}{common} {what}", self.program.display())
    }

    /// What it prints when it is asked for something as JSON.
    pub(super) fn get<T: DeserializeOwned>(&self, what: &[&str]) -> Result<T, String> {
        let told = self.run(&[&["get"], what, &["--output=json"]].concat(), "")?;
        serde_json::from_str(&told).map_err(|error| format!("kubectl says it in another way: {error}"))
    }

    /// What it prints, when it succeeds; it is one request, with this to read.
    pub(super) fn run(&self, args: &[&str], input: &str) -> Result<String, String> {
        self.run_for(args, input, QUICK)
    }

    /// The same, for as long as this.
    pub(super) fn run_for(&self, args: &[&str], input: &str, limit: Duration) -> Result<String, String> {
        let told = format!("`{} {}`", self.program.display(), verb(args));
        let mut child = self.start(args).map_err(|error| format!("{told} does not start: {error}"))?;
        let (out, err) = (reader(child.stdout.take()), reader(child.stderr.take()));
        if let Some(mut to) = child.stdin.take() {
            // Why it does not read, it says itself.
            let _ = to.write_all(input.as_bytes());
        }
        let status = wait(&mut child, limit, &told)?;
        let text = |thread: io::Result<JoinHandle<String>>| {
            thread.ok().and_then(|thread| thread.join().ok()).unwrap_or_default()
        };
        let (out, err) = (text(out), text(err));
        if status.success() {
            return Ok(out);
        }
        // Warnings come first, and how to get help last.
        let lines = || err.lines().map(str::trim).filter(|line| !line.is_empty());
        let is_error = |line: &&str| line.starts_with("error") || line.starts_with("Error");
        let why = lines().find(is_error).or_else(|| lines().next_back()).unwrap_or("it does not say why");
        Err(format!("{told}: {why}"))
    }

    /// Starts it, with pipes.
    pub(super) fn start(&self, args: &[&str]) -> io::Result<Child> {
        let mut command = Command::new(&self.program);
        command.args(&self.common).args(args);
        // Ctrl-C is for Duress, which needs its agents to end the run in order.
        command.process_group(0);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()
    }
}

/// The command's word for what it is asked.
fn verb<'a>(args: &[&'a str]) -> &'a str {
    args.iter().find(|arg| !arg.starts_with('-')).unwrap_or(&"")
}

/// Its end; it is killed when it takes too long.
fn wait(child: &mut Child, limit: Duration, told: &str) -> Result<ExitStatus, String> {
    let deadline = Instant::now() + limit;
    loop {
        match child.try_wait().map_err(|error| format!("{told} was lost: {error}"))? {
            Some(status) => return Ok(status),
            None if Instant::now() < deadline => thread::sleep(POLL),
            None => {
                let _ = child.kill().and_then(|()| child.wait());
                return Err(format!("{told} did not end within {} s", limit.as_secs()));
            }
        }
    }
}

fn reader(from: Option<impl Read + Send + 'static>) -> io::Result<JoinHandle<String>> {
    thread::Builder::new().name("kubectl".into()).spawn(move || {
        let mut bytes = Vec::new();
        // What could be read is what there is.
        let _ = from.map(|from| from.take(MOST_OUTPUT).read_to_end(&mut bytes));
        String::from_utf8_lossy(&bytes).into_owned()
    })
}
