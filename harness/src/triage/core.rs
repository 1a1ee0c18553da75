//! The few operations of a run that prove its finding again, as a file and in words.

use super::sought::Sought;
use crate::failure::Failure;
use duress_checkers::words::{at, at_bare};
use duress_checkers::{Budget, Call, Finding, Kind, Reproduction, smallest};
use duress_reports::artifact::{RunDir, write_whole};
use serde::Serialize;
use std::path::{Path, PathBuf};

/// Operations that prove a finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Core {
    /// A history of its own.
    pub file: PathBuf,
    /// The command that judges it.
    pub recheck: String,
    /// What is wrong with it, as the checker says it.
    pub sentence: String,
    /// The operations in words, by invocation.
    pub ops: Vec<String>,
}

impl Core {
    /// The smallest of all findings in this run that are the one that is sought, written to a file; `None`
    /// where nothing smaller than the history proves it.
    ///
    /// # Errors
    /// When the run cannot be read, or the file not written.
    pub(super) fn find(run: &Path, sought: &Sought, file: &Path) -> Result<Option<Self>, Failure> {
        let dir = RunDir::open(run)?;
        let Some(conclusion) = dir.load_conclusion()? else { return Ok(None) };
        let history = dir.load()?.history;
        let findings: Vec<&Finding> =
            conclusion.verdicts.iter().flat_map(|verdict| &verdict.findings).collect();
        let mut least: Option<(Reproduction, String)> = None;
        for placed in conclusion.findings.iter().filter(|placed| sought.is(placed)) {
            let number = usize::try_from(placed.number).unwrap_or(usize::MAX);
            let (Some(proof), Some(finding)) = (&placed.proof, findings.get(number.saturating_sub(1))) else {
                continue;
            };
            let Some(found) = smallest(&history, finding) else { continue };
            let fewer = |(least, ..): &(Reproduction, _)| {
                found.history.calls().count() < least.history.calls().count()
            };
            if least.as_ref().is_none_or(fewer) {
                let command = proof.recheck.strip_suffix(&proof.file).unwrap_or(&proof.recheck);
                least =
                    Some((found, format!("{command}{}", crate::plan::quote(&file.display().to_string()))));
            }
        }
        let Some((found, recheck)) = least else { return Ok(None) };
        let line = |op| serde_json::to_string(op).map(|text| text + "\n").unwrap_or_default();
        let text: String = found.history.ops().iter().map(line).collect();
        write_whole(file, text.as_bytes())?;
        // Of what is left alone the argument may be another one: what is said is about these operations.
        let Ok(checker) = found.model.checker(found.keys) else { return Ok(None) };
        let verdict = checker.check(&found.history, &Budget::default());
        let Some(finding) = verdict.findings.first() else { return Ok(None) };
        let ops = found.history.calls().map(|call| told(&call, finding)).collect();
        Ok(Some(Self { file: file.to_owned(), recheck, sentence: finding.sentence.clone(), ops }))
    }
}

/// `4.120 to 4.131 s  process 3 through n2: read → 4`.
fn told(call: &Call<'_>, finding: &Finding) -> String {
    let op = call.invoke;
    let shown = finding.counterexample.as_ref();
    let shown = shown.and_then(|example| example.ops.iter().find(|shown| shown.index == op.index));
    let what = shown.map_or_else(|| format!("{} {}", op.f, op.value), |shown| shown.label.clone());
    let when = match call.completion {
        Some(done) => format!("{} to {}", at_bare(op.time), at(done.time)),
        None => format!("{}, never over", at(op.time)),
    };
    let node = op.node.as_ref().map_or(String::new(), |node| format!(" through {node}"));
    let ended = match call.kind() {
        Kind::Ok => "",
        Kind::Fail => ", which failed",
        Kind::Info | Kind::Invoke => ", in doubt",
    };
    format!("{when}  process {}{node}: {what}{ended}", op.process)
}

#[cfg(test)]
mod tests {
    use duress_checkers::history::{ReadOptions, read};
    use duress_checkers::model::NamedModel;
    use duress_checkers::{Budget, Keys, Valid, reproduce, smallest};
    use std::fmt::Write as _;

    /// One call after the other.
    fn call(text: &mut String, process: usize, f: &str, argument: &str, result: &str) {
        for (kind, value) in [("invoke", argument), ("ok", result)] {
            let _ = writeln!(
                text,
                "{{\"process\":{process},\"type\":\"{kind}\",\"f\":\"{f}\",\"value\":{value}}}"
            );
        }
    }

    #[test]
    fn a_stale_read_takes_three_operations_and_not_those_around_it() {
        let mut text = String::new();
        for n in 1..=20 {
            call(&mut text, 0, "write", &n.to_string(), &n.to_string());
            call(&mut text, 1, "read", "null", &n.to_string());
            call(&mut text, 2, "read", "null", &n.to_string());
        }
        call(&mut text, 1, "read", "null", "19");
        let history = read(text.as_bytes(), &ReadOptions::default()).expect("a history").history;
        let model = NamedModel { name: "register".to_owned(), initial: None };
        let verdict = model.checker(Keys::Single).expect("a checker").check(&history, &Budget::default());
        assert_eq!(verdict.valid, Valid::Violation);
        let finding = &verdict.findings[0];
        let whole = reproduce(&history, finding).expect("it can be proven again");
        let least = smallest(&history, finding).expect("and with less");
        let count = least.history.calls().count();
        assert!(count <= 4 && count <= whole.history.calls().count(), "{count}");
        let again =
            least.model.checker(least.keys).expect("a checker").check(&least.history, &Budget::default());
        assert_eq!(again.findings[0].anomaly, finding.anomaly);
        let example = finding.counterexample.as_ref().expect("a counterexample");
        let kept = |at: &usize| least.history.calls().any(|call| call.invoke.index == example.ops[*at].index);
        assert!(example.core.iter().all(kept));
    }
}
