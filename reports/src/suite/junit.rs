//! `junit.xml` of a suite: a case per trial, one per canary, and one that says whether all are there.

use super::{Canary, Suite, Trial};
use crate::conclusion::Outcome;
use crate::words;
use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};
use std::time::Duration;

/// The file. Characters that XML cannot hold are spelled out.
pub fn junit(suite: &Suite) -> String {
    let suite = words::presentable(suite);
    let mut trials = TestSuite::new("trials");
    for (name, value) in [("hash", &suite.facts.hash), ("accounting", &suite.accounting)] {
        trials.add_property((name, value.as_str()));
    }
    trials.add_property(("seed", suite.facts.seed.to_string().as_str()));
    trials.add_test_case(case("all trials are accounted for", "soak", accounted(&suite)));
    for trial in &suite.facts.trials {
        let name = format!("trial {}: {}, {}", trial.number, trial.test, trial.faults);
        let mut case = case(&name, &trial.test, judged(trial));
        case.set_time(Duration::from_millis(trial.ms));
        trials.add_test_case(case);
    }
    let mut canaries = TestSuite::new("canaries");
    for canary in &suite.facts.canaries {
        canaries.add_test_case(case(&canary.name, "canary", caught(canary)));
    }
    let mut report = Report::new("duress soak");
    report.set_time(Duration::from_millis(suite.facts.elapsed_ms));
    report.add_test_suites([trials, canaries]);
    match report.to_string() {
        Ok(xml) => xml,
        Err(e) => unreachable!("JUnit is written into memory: {e}"),
    }
}

fn case(name: &str, class: &str, status: TestCaseStatus) -> TestCase {
    let mut case = TestCase::new(name, status);
    case.set_classname(class);
    case
}

fn wrong(kind: NonSuccessKind, of: &str, message: &str) -> TestCaseStatus {
    let mut status = TestCaseStatus::non_success(kind);
    status.set_type(of).set_message(message);
    status
}

fn accounted(suite: &Suite) -> TestCaseStatus {
    let facts = &suite.facts;
    if suite.ran >= facts.expected && suite.ran > 0 {
        return TestCaseStatus::success();
    }
    wrong(NonSuccessKind::Error, "missing", &suite.reasons.join("; "))
}

/// A failure is about the target; an error is about the test.
fn judged(trial: &Trial) -> TestCaseStatus {
    let mut status = match trial.outcome {
        Some(Outcome::Valid) => return TestCaseStatus::success(),
        Some(Outcome::Known) => {
            let mut status = TestCaseStatus::skipped();
            status.set_type("known").set_message(trial.headline.as_str());
            return status;
        }
        Some(outcome) if outcome.is_finding() => {
            wrong(NonSuccessKind::Failure, outcome.word(), &trial.headline)
        }
        Some(outcome) => wrong(NonSuccessKind::Error, outcome.word(), &trial.headline),
        None => wrong(NonSuccessKind::Error, "not ended", "it was begun and did not end"),
    };
    let run = trial.run.as_deref().unwrap_or("it left no run directory");
    let findings = trial.findings.iter().map(|f| format!("{} {}\n", f.fingerprint, f.signature));
    status.set_description(format!("{}{run}\n{}", findings.collect::<String>(), trial.command));
    status
}

fn caught(canary: &Canary) -> TestCaseStatus {
    if canary.caught {
        return TestCaseStatus::success();
    }
    wrong(NonSuccessKind::Failure, "canary", &format!("not caught: {}", canary.told))
}
