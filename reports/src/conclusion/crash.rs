//! Did every server go on until somebody ended it? Whatever the clients saw, one that ends by itself has
//! a bug. Not here: servers that a fault left no choice, and those that somebody else ended.

use crate::artifact::{Run, ServerExit, reduced};
use crate::words;
use duress_checkers::{Finding, Valid, Verdict};

/// The anomaly of a server that ended by itself.
pub const CRASH: &str = "crash";
/// What the verdict is called.
pub(super) const CHECKER: &str = "alive";

/// A violation for servers that ended; nothing if none did.
pub(super) fn verdict(run: &Run) -> Option<Verdict> {
    let findings: Vec<Finding> = run.info.exits.iter().map(finding).collect();
    (!findings.is_empty()).then(|| Verdict { findings, ..Verdict::new(CHECKER, Valid::Violation) })
}

fn finding(exit: &ServerExit) -> Finding {
    let ServerExit { node, at, status, said } = exit;
    let said = said.as_ref().map_or(String::new(), |said| format!("; it said: {said}"));
    Finding {
        anomaly: CRASH.to_owned(),
        title: format!("{node} ended by itself, {status}"),
        sentence: format!("The server of {node} ended by itself at {}, {status}{said}", words::at(*at)),
        key: None,
        time: *at,
        counterexample: None,
    }
}

/// `exit status: 2, panic: index out of range [#] with length #`: what tells one crash from another.
pub(super) fn shape(run: &Run, verdict: &Verdict, finding: &Finding) -> Option<String> {
    let at = verdict.findings.iter().position(|other| other == finding)?;
    let exit = run.info.exits.get(at).filter(|_| verdict.checker == CHECKER)?;
    Some(match &exit.said {
        Some(said) => format!("{}, {}", exit.status, reduced(said)),
        None => exit.status.clone(),
    })
}
