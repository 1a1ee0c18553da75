//! Sees to it that every program which a node starts asks the node for the time from its first
//! instruction on: servers, and what they run themselves.
//!
//! A process that becomes another program gets a new vDSO from the kernel. So the thread that starts
//! servers has a seccomp filter, which all of its children inherit: whoever asks to become another
//! program waits until it has been noticed here, and is traced for the moment that it takes. To
//! trace servers all the time instead would stop them at every signal, and one that looks for new
//! processes now and then would be too late for their first instructions.

use super::page::Page;
use super::tracee::Tracee;
use crate::env::local::asked::{Listener, Question};
use crate::env::local::host::NamespaceId;
use crate::env::local::processes::namespace_of;
use std::collections::BTreeSet;
use std::os::fd::AsFd;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How long a call may take before it is looked whether it has failed: programs look for others in
/// all directories of their `PATH`.
const EXEC_WITHIN: Duration = Duration::from_millis(3);

/// Different complaints kept, at most.
const MOST_COMPLAINTS: usize = 20;

/// A node's namespace, and its clocks.
pub(super) type Nodes = Arc<[(NamespaceId, Page)]>;

/// Who is told of new programs.
pub(super) struct Execs {
    nodes: Nodes,
    complaints: Mutex<BTreeSet<String>>,
    /// Held while a program is led to its clocks.
    busy: Mutex<()>,
}

impl Execs {
    /// Programs of these nodes get their clocks.
    pub(super) fn new(nodes: Nodes) -> Self {
        Self { nodes, complaints: Mutex::default(), busy: Mutex::default() }
    }

    /// Lets one become another program, with clocks if it is a node's.
    pub(super) fn admit(&self, listener: &Listener, question: &Question) {
        let _turn = self.busy.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(why) = admit(listener, question, &self.nodes) {
            let mut told = self.complaints.lock().unwrap_or_else(PoisonError::into_inner);
            if told.len() < MOST_COMPLAINTS {
                told.insert(why);
            }
        }
    }

    /// Waits until programs that have been started already run: they stand still for a moment.
    pub(super) fn settle(&self) {
        drop(self.busy.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Why programs were left with the machine's clocks, if any were.
    pub(super) fn complaints(&self) -> Vec<String> {
        self.complaints.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }
}

/// Lets one become another program, and leads that to its node's clocks.
fn admit(listener: &Listener, request: &Question, nodes: &Nodes) -> Result<(), String> {
    let go_ahead =
        || listener.let_pass(request.id).map_err(|errno| format!("cannot let a program start: {errno}"));
    let id = namespace_of(request.pid);
    let Some((_, page)) = nodes.iter().find(|(node, _)| Some(*node) == id) else {
        return go_ahead().map(drop);
    };
    let traced = Tracee::seize(request.pid)
        .and_then(|tracee| Ok((tracee, listener.lend(request.id, page.as_fd()).map_err(|e| e.to_string())?)));
    let (mut tracee, file) = match traced {
        Ok(traced) => traced,
        Err(why) => {
            return go_ahead().and_then(|there| if there { Err(why) } else { Ok(()) });
        }
    };
    let went = go_ahead().and_then(|_| tracee.await_exec(EXEC_WITHIN));
    let done = match went {
        Ok(true) => tracee.patch(file).map_err(|why| format!("{}: {why}", name_of(request.pid))),
        Ok(false) => tracee.close_file(file),
        Err(why) => Err(why),
    };
    let released = tracee.release();
    // The dead need no clocks.
    if namespace_of(request.pid).is_none() { Ok(()) } else { done.and(released) }
}

fn name_of(pid: u32) -> String {
    std::fs::read_link(format!("/proc/{pid}/exe"))
        .map_or_else(|_| format!("process {pid}"), |path| path.display().to_string())
}
