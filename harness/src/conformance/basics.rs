//! Questions to one program, one after the other, while all is well: what it says, in which form, and that
//! it goes on.

use super::{BTreeSet, Broken, Duration, Invocation, Report, Rule, Suite, Talk, told};
use duress_targets::exec::Answer;
use serde_json::json;

/// Operations in which every function of a workload occurs, by all chance.
const FEW: usize = 40;
/// As many as a program does in a run between two faults.
const MANY: usize = 200;
/// What no workload asks for.
const UNKNOWN: &str = "duress-no-such-function";
/// How long one looks whether more is said than was asked for.
const QUIET: Duration = Duration::from_millis(50);

/// Rules that every answer is held to.
const OF_ANSWERS: [Rule; 7] =
    [Rule::Stdout, Rule::Message, Rule::Id, Rule::Once, Rule::Flush, Rule::Value, Rule::Alive];

/// Asks until a rule is broken: what a program says after that means little.
pub(super) async fn ask(suite: &Suite, report: &mut Report) {
    let asked = async {
        let mut talk = suite.start().await?;
        report.kept(&[Rule::Start]);
        set_up(suite, &mut talk).await?;
        report.kept(&[Rule::Setup]);
        let mut never_ok = each(suite, &mut talk, FEW, "each").await?;
        unknown(suite, &mut talk).await?;
        report.kept(&[Rule::Unknown]);
        never_ok = &never_ok & &each(suite, &mut talk, MANY, "many").await?;
        tokio::time::sleep(QUIET).await;
        talk.quiet().await?;
        report.kept(&OF_ANSWERS);
        report
            .notes
            .extend(never_ok.into_iter().map(|f| format!("no `{f}` was `ok`: nothing is learned from it")));
        talk.close().await?;
        report.kept(&[Rule::Close]);
        Ok(())
    }
    .await;
    if let Err(broken) = asked {
        report.broken(broken);
    }
}

async fn set_up(suite: &Suite, talk: &mut Talk) -> Result<(), Broken> {
    // What a run before has made is there already.
    for _ in 0..2 {
        match tokio::time::timeout(suite.spec.start_timeout, talk.set_up()).await {
            Ok(Ok(Ok(()))) => {}
            Ok(Ok(Err(error))) => {
                return Err(Broken::new(Rule::Setup, format!("it refused: {}", told(&error))));
            }
            Ok(Err(broken)) => return Err(broken),
            Err(_) => {
                let why = format!("no answer to `setup` within {:?}", suite.spec.start_timeout);
                return Err(Broken::new(Rule::Setup, why));
            }
        }
    }
    Ok(())
}

/// Asks for so many operations; which functions never ended in `ok`.
async fn each(suite: &Suite, talk: &mut Talk, n: usize, label: &str) -> Result<BTreeSet<String>, Broken> {
    let workload = (suite.workload.make)();
    let mut never_ok: BTreeSet<String> = suite.workload.fs.iter().map(ToString::to_string).collect();
    for operation in suite.operations(n, label) {
        let (answer, line) = in_time(suite, talk, &operation).await?;
        let Invocation { f, value } = &operation;
        match answer {
            Answer::Ok(answered) => {
                let read = workload.answer(f, value, answered.as_ref());
                read.map_err(|why| Broken::at(Rule::Value, why, &line))?;
                never_ok.remove(f);
            }
            Answer::Fail(_) => {}
            Answer::Info(error) => {
                let why = format!(
                    "{f} {value} is in doubt although nothing was wrong ({}): then every operation is, and no \
                     run can be judged",
                    told(&error)
                );
                return Err(Broken::at(Rule::Doubt, why, &line));
            }
        }
    }
    Ok(never_ok)
}

async fn unknown(suite: &Suite, talk: &mut Talk) -> Result<(), Broken> {
    let operation = Invocation::new(UNKNOWN, json!([super::key(UNKNOWN), null]));
    let asked = in_time(suite, talk, &operation).await.map_err(|broken| {
        let why = format!("asked for the unknown function `{UNKNOWN}`, {}", broken.why);
        Broken { why, ..broken }
    });
    match asked? {
        (Answer::Ok(_), line) => {
            let why = format!("it answered the unknown function `{UNKNOWN}` with `ok`");
            Err(Broken::at(Rule::Unknown, why, &line))
        }
        (Answer::Fail(_) | Answer::Info(_), _) => Ok(()),
    }
}

async fn in_time(
    suite: &Suite,
    talk: &mut Talk,
    operation: &Invocation,
) -> Result<(Answer, Vec<u8>), Broken> {
    match tokio::time::timeout(suite.patience, talk.invoke(operation)).await {
        Ok(answered) => answered,
        Err(_) => {
            let Invocation { f, value } = operation;
            let why = format!("no answer to {f} {value} within {:?}", suite.patience);
            Err(talk.withheld().await.unwrap_or_else(|| Broken::new(Rule::Flush, why)))
        }
    }
}
