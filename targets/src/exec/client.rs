//! One connection of the engine's that is a program: its answers, and what becomes of those that break a
//! rule.

use super::protocol::{Answer, Broken, Rule};
use super::talk::Talk;
use crate::{Client, ClientError, Completion, Context, Stoppable};
use async_trait::async_trait;
use duress_checkers::history::class;
use duress_workloads::{Invocation, Workload};
use std::sync::Arc;

/// It ended although nobody had asked it to.
const EXITED: &str = "client-exited";

/// A program as a client.
pub(super) struct ExecClient {
    talk: Talk,
    /// Knows which answers there are.
    workload: Box<dyn Workload>,
    context: Context,
}

impl ExecClient {
    pub(super) fn new(talk: Talk, workload: Box<dyn Workload>, context: Context) -> Self {
        Self { talk, workload, context }
    }

    /// In doubt, whichever rule it is: what the program did before it broke it, nobody knows.
    fn doubt(&self, broken: &Broken) -> Completion {
        self.context.note(broken.rule.title(), &broken.told());
        let class = if broken.rule == Rule::Alive { EXITED } else { class::PROTOCOL };
        Completion::Info(ClientError::new(class, broken.to_string()))
    }
}

#[async_trait]
impl Client for ExecClient {
    async fn invoke(&mut self, invocation: &Invocation) -> Completion {
        match self.talk.invoke(invocation).await {
            Ok((Answer::Ok(value), line)) => {
                let Invocation { f, value: asked } = invocation;
                match self.workload.answer(f, asked, value.as_ref()) {
                    Ok(value) => Completion::Ok(value),
                    Err(why) => self.doubt(&Broken::at(Rule::Value, why, &line)),
                }
            }
            // Believed: what a system promises when it refuses is known to who wrote the program alone.
            Ok((Answer::Fail(error), _)) => Completion::Fail(error),
            Ok((Answer::Info(error), _)) => Completion::Info(error),
            Err(broken) => self.doubt(&broken),
        }
    }

    fn stoppable(&self) -> Option<Arc<dyn Stoppable>> {
        Some(self.talk.stoppable())
    }
}
