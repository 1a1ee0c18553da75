//! Servers that end although nobody asked them to: by a bug of their own, by somebody else's hand, or
//! since a fault left them no choice.

use crate::engine::Clock;
use crate::env::{Environment, Exit};
use duress_reports::artifact::{RunInfo, ServerExit, last_words};
use duress_targets::Node;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How often servers are looked after.
const EXIT_POLL: Duration = Duration::from_millis(100);
/// Bytes at the end of a log in which a server says why it ends.
const LAST_WORDS: u64 = 64 << 10;
/// Ends that are noted one by one; more are a server that does nothing else.
const MAX_NOTED: usize = 200;
/// How a process ends that somebody else ends: no server sends itself these. The numbers above 128 are
/// how a container says the same, and of some nobody can say how they ended.
const BY_OTHERS: [&str; 7] = [
    "signal: 9 ",
    "signal: 15 ",
    "signal: 2 ",
    "signal: 1 ",
    "exit status: 137",
    "exit status: 143",
    "exit status: unknown",
];

/// Looks after the servers of a run.
pub(super) struct Exits {
    env: Arc<dyn Environment>,
    nodes: Arc<[Node]>,
    clock: Clock,
    /// A fault of the run damages or exchanges data: what follows from that, on any node, is not the
    /// server's fault.
    ruining: bool,
    noted: Mutex<Noted>,
}

#[derive(Default)]
struct Noted {
    /// For a reason of their own: a finding.
    crashes: Vec<ServerExit>,
    /// By somebody else, or after data was ruined: whatever the run shows then is in doubt.
    ended: Vec<String>,
    /// Since a fault left them no choice.
    excused: Vec<String>,
}

impl Exits {
    pub(super) fn new(env: Arc<dyn Environment>, nodes: Arc<[Node]>, clock: Clock, ruining: bool) -> Self {
        Self { env, nodes, clock, ruining, noted: Mutex::default() }
    }

    /// Looks after them until it is aborted.
    pub(super) async fn watch(&self) {
        loop {
            self.note();
            tokio::time::sleep(EXIT_POLL).await;
        }
    }

    /// Notes those that ended since the last time, and answers with them.
    pub(super) fn note(&self) -> Vec<Exit> {
        let exits = self.env.exits();
        for exit in &exits {
            self.note_one(exit);
        }
        exits
    }

    fn note_one(&self, exit: &Exit) {
        let at = self.clock.now();
        let seconds = Duration::from_nanos(at).as_secs_f64();
        let (name, status) = (&self.nodes[exit.node].name, &exit.status);
        let mut noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        if noted.crashes.len() + noted.ended.len() + noted.excused.len() >= MAX_NOTED {
            return;
        }
        match exit.excuse {
            Some(excuse) => {
                noted.excused.push(format!("{name} ended by itself at {seconds:.1} s: {status}; {excuse}"));
            }
            None if BY_OTHERS.iter().any(|by| status.starts_with(by)) => noted.ended.push(format!(
                "{name} was ended by somebody else at {seconds:.1} s: {status}; perhaps by the kernel, because \
                 memory ran out"
            )),
            None if self.ruining => noted.ended.push(format!(
                "{name} ended by itself at {seconds:.1} s: {status}; a fault of this run damages or exchanges \
                 data, which may be why"
            )),
            None => noted.crashes.push(ServerExit {
                node: name.clone(),
                at,
                status: status.clone(),
                said: self.env.log(exit.node).and_then(said),
            }),
        }
    }

    /// Has somebody else ended one, or a fault that ruined data? Then it is in doubt whose fault it is that the
    /// cluster does not come back.
    pub(super) fn leave_doubt(&self) -> bool {
        !self.noted.lock().unwrap_or_else(PoisonError::into_inner).ended.is_empty()
    }

    /// Looks a last time, and writes all of it down.
    pub(super) fn tell(&self, info: &mut RunInfo) {
        self.note();
        let mut noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        info.exits.append(&mut noted.crashes);
        info.doubts.append(&mut noted.ended);
        info.warnings.append(&mut noted.excused);
    }
}

/// Whoever ended has written its last line.
fn said(log: &Path) -> Option<String> {
    let mut file = File::open(log).ok()?;
    let length = file.metadata().ok()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(LAST_WORDS))).ok()?;
    let mut bytes = Vec::new();
    file.take(LAST_WORDS).read_to_end(&mut bytes).ok()?;
    last_words(&String::from_utf8_lossy(&bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::sim::Sim;
    use duress_targets::{Registry, Server, Settings};

    #[test]
    fn only_who_ends_for_a_reason_of_its_own_crashes() {
        let registry = Registry::builtin();
        let make = &registry.find("sim").expect("a target").make;
        let target = make(&Settings::default(), "register").expect("a cluster");
        let Server::InProcess(cluster) = target.server() else { unreachable!("it lives here") };
        let node = Node { name: "n1".to_owned(), addr: [127, 0, 0, 1].into() };
        for (status, excuse, crashes, doubt) in [
            ("exit status: 1", None, 1, false),
            ("exit status: 2 (Error)", None, 1, false),
            ("signal: 6 (SIGABRT)", None, 1, false),
            ("signal: 9 (SIGKILL)", None, 0, true),
            ("signal: 9 (SIGKILL) by its agent, since the line broke", None, 0, true),
            ("exit status: 137 (OOMKilled)", None, 0, true),
            ("exit status: unknown", None, 0, true),
            ("exit status: 1", Some("its disk had failed it"), 0, false),
        ] {
            let env: Arc<dyn Environment> = Arc::new(Sim::new(cluster));
            let exits = Exits::new(env, [node.clone()].into(), Clock::start(), false);
            exits.note_one(&Exit { node: 0, status: status.to_owned(), excuse });
            let noted = exits.noted.lock().expect("no panic").crashes.len();
            assert_eq!((noted, exits.leave_doubt()), (crashes, doubt), "{status}");
        }
    }
}
