//! `duress agent`: what runs on a host while a controller breaks it. Not for people, but for `--heal`.

use super::print;
use crate::engine::fleet;
use crate::env::remote::agent;
use crate::env::{EnvError, docker};
use crate::failure::Failure;
use clap::Args;
use duress_checkers::words::counted;
use duress_targets::Registry;
use std::path::PathBuf;
use std::process::ExitCode;

/// `duress agent`
#[derive(Debug, Args)]
pub(super) struct AgentArgs {
    /// Wait until the agent that started this has ended, and remove what this file names
    #[arg(long, value_name = "FILE", conflicts_with = "heal")]
    watch: Option<PathBuf>,
    /// Hold clients and perform what a controller asks them for, and break nothing
    #[arg(long, conflicts_with_all = ["watch", "heal"])]
    load: bool,
    /// Remove what dead agents have left in this folder, as in [ssh] `dir`
    #[arg(long, value_name = "FOLDER")]
    heal: Option<PathBuf>,
    /// Wait until the run that started this has ended, and put its containers right: engine, table, containers
    #[arg(long, num_args = 3.., value_name = "WORD", conflicts_with_all = ["heal", "watch"])]
    guard: Vec<String>,
}

impl AgentArgs {
    pub(super) fn run(&self, registry: &Registry) -> Result<ExitCode, Failure> {
        if self.load {
            return Ok(fleet::agent::serve(registry));
        }
        if !self.guard.is_empty() {
            return Ok(docker::guard(&self.guard));
        }
        if let Some(trace) = &self.watch {
            return Ok(agent::watch(trace));
        }
        let Some(dir) = &self.heal else { return Ok(agent::serve()) };
        if !dir.is_dir() {
            return Err(Failure::usage(
                dir.display().to_string(),
                "there is no such folder",
                "give the `dir` of the [ssh] table",
            ));
        }
        let (agents, left) = agent::heal(dir);
        if left > 0 {
            let agents = counted(left as u64, "dead agent", "dead agents");
            return Err(Failure::Environment(EnvError::Unable {
                what: format!("remove all that was left in {}", dir.display()),
                why: format!("something of {agents} is still there"),
                fix: "try it again as the user that the agents were, root by default".to_owned(),
            }));
        }
        print(&match agents {
            0 => "nothing to heal\n".to_owned(),
            agents => {
                format!("what {} left is removed\n", counted(agents as u64, "dead agent", "dead agents"))
            }
        });
        Ok(ExitCode::SUCCESS)
    }
}
