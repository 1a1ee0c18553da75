//! What a program says of a change when no server answers, and when the server ends in the middle of it: it
//! may wait, and it may say that it is in doubt; anything else is a guess, and will be wrong one day.

use super::{Broken, Duration, Failure, Report, Rule, Suite, told};
use crate::env::Stop;
use duress_targets::exec::{Answer, Talk};
use duress_workloads::Invocation;

/// How long a request is on its way before its server is ended.
const ON_ITS_WAY: Duration = Duration::from_millis(200);

/// Breaks the cluster twice, and makes it whole again.
pub(super) async fn ask(suite: &Suite, report: &mut Report) -> Result<(), Failure> {
    let (Some(one), Some(other)) = (suite.change("paused"), suite.change("killed")) else {
        report.not_tried(Rule::Doubt, "nothing that it is asked for changes anything");
        return Ok(());
    };
    if let Err(broken) = paused(suite, one).await? {
        report.broken(broken);
    }
    if let Err(broken) = killed(suite, other).await? {
        report.broken(broken);
    }
    report.kept(&[Rule::Doubt]);
    Ok(())
}

/// All servers stand still: their hosts take connections and requests, and nobody answers.
async fn paused(suite: &Suite, operation: Invocation) -> Result<Result<(), Broken>, Failure> {
    let mut talk = match begin(suite, &operation).await {
        Ok(begun) => begun,
        Err(broken) => return Ok(Err(broken)),
    };
    for node in 0..suite.nodes.len() {
        suite.env.pause(node)?;
    }
    let asked = tokio::time::timeout(suite.patience, talk.invoke(&operation)).await;
    for node in 0..suite.nodes.len() {
        suite.env.resume(node)?;
    }
    drop(talk);
    suite.await_healthy().await?;
    // Silence is right, too: it waits for longer than we do.
    Ok(asked.map_or(Ok(()), |answered| in_doubt(answered, &operation, "all servers stood still")))
}

/// The server ends while the request is on its way.
async fn killed(suite: &Suite, operation: Invocation) -> Result<Result<(), Broken>, Failure> {
    let mut talk = match begin(suite, &operation).await {
        Ok(begun) => begun,
        Err(broken) => return Ok(Err(broken)),
    };
    suite.env.pause(0)?;
    let answered = {
        let mut asked = std::pin::pin!(talk.invoke(&operation));
        match tokio::time::timeout(ON_ITS_WAY, asked.as_mut()).await {
            Ok(answered) => Some(answered),
            Err(_) => {
                suite.env.stop(0, Stop::Kill)?;
                tokio::time::timeout(suite.patience, asked).await.ok()
            }
        }
    };
    drop(talk);
    suite.env.resume(0)?;
    suite.env.start(0)?;
    suite.await_healthy().await?;
    let when = "its server was killed in the middle of it";
    Ok(answered.map_or(Ok(()), |answered| in_doubt(answered, &operation, when)))
}

/// A program that has done this operation once, so that its connection is there.
async fn begin(suite: &Suite, operation: &Invocation) -> Result<Talk, Broken> {
    let mut talk = suite.start().await?;
    let _ = tokio::time::timeout(suite.patience, talk.invoke(operation)).await;
    Ok(talk)
}

type Answered = Result<(Answer, Vec<u8>), Broken>;

fn in_doubt(answered: Answered, operation: &Invocation, when: &str) -> Result<(), Broken> {
    let Invocation { f, value } = operation;
    match answered? {
        (Answer::Info(_), _) => Ok(()),
        (Answer::Fail(error), line) => {
            let why =
                format!("it said that {f} {value} had certainly failed ({}), when {when}", told(&error));
            Err(Broken::at(Rule::Doubt, why, &line))
        }
        (Answer::Ok(_), line) => {
            Err(Broken::at(Rule::Ok, format!("it said that {f} {value} was done, when {when}"), &line))
        }
    }
}
