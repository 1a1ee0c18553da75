//! `junit.xml`: one suite per run, one case per checker, and one for the run itself.

use crate::artifact::Run;
use crate::conclusion::{Conclusion, Outcome, excused, with_findings};
use crate::words;
use duress_checkers::{Valid, Verdict};
use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};
use std::time::Duration;

/// The file. Characters that XML cannot hold are spelled out.
pub(crate) fn junit(run: &Run, conclusion: &Conclusion) -> String {
    let info = words::presentable(&run.info);
    let conclusion = words::presentable(conclusion);
    let took = Duration::from_nanos(conclusion.evidence.duration_ns);
    let mut suite = TestSuite::new(info.name.as_str());
    suite.set_time(took);
    for (name, value) in [
        ("id", info.id.as_str()),
        ("target", &info.target),
        ("workload", &info.workload),
        ("repeat", &info.repeat),
    ] {
        suite.add_property((name, value));
    }
    suite.add_property(("seed", info.seed.to_string().as_str()));
    suite.add_test_case(case("the run itself", &info.name, itself(&conclusion)));
    for (verdict, findings) in with_findings(&conclusion.verdicts, &conclusion.findings) {
        let status = if excused(verdict, findings) { known(verdict) } else { judged(verdict) };
        suite.add_test_case(case(&verdict.checker, &info.name, status));
    }
    let mut report = Report::new("duress");
    report.set_time(took);
    report.add_test_suite(suite);
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

/// An error when the run is not one to learn from, whatever else came of it.
fn itself(conclusion: &Conclusion) -> TestCaseStatus {
    match conclusion.outcome {
        Outcome::Inconclusive | Outcome::Infrastructure => {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
            status.set_type(conclusion.outcome.word()).set_message(conclusion.headline.as_str());
            status.set_description(conclusion.reasons.join("\n"));
            status
        }
        Outcome::Valid | Outcome::Violation | Outcome::Crash | Outcome::Known | Outcome::Unknown => {
            TestCaseStatus::success()
        }
    }
}

/// Neither a failure, which would end what it was to let go on, nor a success.
fn known(verdict: &Verdict) -> TestCaseStatus {
    let mut status = TestCaseStatus::skipped();
    let first = verdict.findings.first().map_or("violation", |f| f.title.as_str());
    status.set_type("known").set_message(format!("only known violations: {first}"));
    status
}

fn judged(verdict: &Verdict) -> TestCaseStatus {
    match verdict.valid {
        Valid::Valid => TestCaseStatus::success(),
        Valid::Unknown => {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
            status
                .set_type("unknown")
                .set_message(verdict.reason.as_deref().unwrap_or("the checker gave up"));
            status
        }
        Valid::Violation => {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
            let first = verdict.findings.first();
            status.set_type(first.map_or("violation", |f| f.anomaly.as_str()));
            status.set_message(first.map_or("violation", |f| f.title.as_str()));
            let lines: Vec<String> = verdict
                .findings
                .iter()
                .map(|f| format!("{} at {}: {}", f.title, words::at(f.time), f.sentence))
                .collect();
            status.set_description(lines.join("\n"));
            status
        }
    }
}
