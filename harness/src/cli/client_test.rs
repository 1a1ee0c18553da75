//! `duress client-test`: examines a client program on a real cluster.

use super::progress::{Progress, View};
use super::{print, print_json};
use crate::conformance::{Found, Report, Suite};
use crate::failure::Failure;
use crate::plan::{Plan, RunOptions};
use crate::{run, store};
use clap::Args;
use duress_targets::exec::{Rule, Spec};
use duress_targets::{Context, Registry, Server};
use serde_json::json;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// Nothing is broken, and not all of it was tried: as for runs.
const INCONCLUSIVE: u8 = 3;

/// `duress client-test`
#[derive(Debug, Args)]
pub(super) struct ClientTestArgs {
    /// The target: its file, or the name of one that Duress brings together with --client
    target: String,
    /// What the program is asked for; `duress list workloads`
    #[arg(long, short)]
    workload: Option<String>,
    /// The command that starts the program, for the shell; instead of the one in the target's file
    #[arg(long)]
    client: Option<String>,
    /// How many nodes
    #[arg(long, short)]
    nodes: Option<usize>,
    /// A setting of the target; `duress list targets`
    #[arg(long = "set", value_name = "NAME=VALUE")]
    settings: Vec<String>,
    /// How long the program may take to answer, or with --client to start
    #[arg(long, default_value = "2s", value_parser = humantime::parse_duration)]
    patience: Duration,
    /// Same seed: same questions
    #[arg(long, short, default_value_t = 1)]
    seed: u64,
    /// Version of the server
    #[arg(long)]
    version: Option<String>,
    /// The server's binary
    #[arg(long)]
    bin: Option<PathBuf>,
    /// Directory for logs and the history, new or empty [default: one that is removed if all is well]
    #[arg(long)]
    dir: Option<PathBuf>,
    /// Print the rules as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    pub(super) progress: Progress,
}

impl ClientTestArgs {
    pub(super) fn run(self, registry: &Registry) -> Result<ExitCode, Failure> {
        let dir = self.dir.clone().unwrap_or_else(|| {
            std::env::temp_dir().join(format!("duress-client-test-{}", std::process::id()))
        });
        if self.patience.is_zero() {
            return Err(Failure::usage("--patience 0s", "it leaves no time to answer", "use more than 0s"));
        }
        let plan = Plan::new(registry, self.options(dir.clone())?)?;
        let (spec, context) = self.program(&plan)?;
        // No second thread before the process is who it has to be.
        let mut view = View::new(self.progress.mode);
        let prepared = run::prepare(&plan, &*view.listener())?;
        view.tick();
        let claim = store::claim(&plan.options.out, &plan.name(), Some(&dir))?;
        let run::Cluster { env, nodes } = run::cluster(&plan, &prepared, &claim, &*view.listener())?;
        env.enter()?;
        let suite = Suite {
            spec,
            context,
            workload: plan.workload,
            target: plan.target,
            env,
            nodes,
            patience: self.patience,
            dir: std::path::absolute(&dir).unwrap_or(dir.clone()),
            seed: self.seed,
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let report = runtime.map_err(run::no_runtime)?.block_on(suite.examine())?;
        drop(suite);
        drop(view);
        let kept = self.dir.is_some() || report.is_broken();
        if !kept {
            // What cannot be removed is in the way of nobody.
            let _ = std::fs::remove_dir_all(&dir);
        }
        if self.json {
            print_json(&format!("{}\n", serde_json::to_string_pretty(&rows(&report)).unwrap_or_default()));
        } else {
            print(&table(&report));
            if kept {
                let said = dir.join("clients");
                let stays = if self.dir.is_some() { "" } else { "; the directory stays until you remove it" };
                print(&format!("\nwhat the program said on standard error: {}{stays}\n", said.display()));
            }
        }
        Ok(ExitCode::from(match (report.is_broken(), report.is_whole()) {
            (true, _) => 1,
            (false, true) => 0,
            (false, false) => INCONCLUSIVE,
        }))
    }

    fn options(&self, dir: PathBuf) -> Result<RunOptions, Failure> {
        let settings = self.settings.iter().map(|text| {
            let split = text.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()));
            split.ok_or_else(|| {
                Failure::usage(format!("--set {text}"), "it has no value", "write it as name=value")
            })
        });
        Ok(RunOptions {
            target: self.target.clone(),
            workload: self.workload.clone(),
            nodes: self.nodes,
            settings: settings.collect::<Result<_, _>>()?,
            version: self.version.clone(),
            bin: self.bin.clone(),
            faults: Some(vec!["none".to_owned()]),
            seed: Some(self.seed),
            dir: Some(dir),
            ..RunOptions::default()
        })
    }

    fn program(&self, plan: &Plan) -> Result<(Spec, Context), Failure> {
        if matches!(plan.target.server(), Server::InProcess(_)) {
            return Err(Failure::usage(
                format!("client-test {}", self.target),
                "it lives inside Duress: no program can talk to it",
                "choose a target with real servers",
            ));
        }
        let own = plan.target.client_program();
        match (&self.client, own) {
            (None, Some(own)) => Ok(own),
            (None, None) => Err(Failure::usage(
                format!("client-test {}", self.target),
                "its clients are no program",
                "name the command that starts one: --client 'python3 client.py'",
            )),
            (Some(command), own) => {
                let client = plan.entry.ports.first().map(|port| ("client".to_owned(), *port));
                let context = own.map_or_else(
                    || {
                        let settings = plan.options.settings.clone();
                        Context::new(plan.workload.name, settings, client.into_iter().collect())
                    },
                    |(_, context)| context,
                );
                // The shell is replaced by the program: one less that stands between.
                let mut spec = Spec::new(vec!["sh".to_owned(), "-c".to_owned(), format!("exec {command}")]);
                spec.start_timeout = self.patience;
                Ok((spec, context))
            }
        }
    }
}

fn table(report: &Report) -> String {
    let mut text = String::new();
    for rule in Rule::ALL {
        let _ = match report.of(rule) {
            Found::Kept => writeln!(text, "kept       {}", rule.title()),
            Found::NotTried(why) => not_tried(&mut text, report, rule, &why),
            Found::Broken(broken) => {
                writeln!(
                    text,
                    "BROKEN     {}\n           {}\n           hint: {}",
                    rule.title(),
                    broken.told(),
                    rule.hint()
                )
            }
        };
    }
    for note in &report.notes {
        let _ = writeln!(text, "note       {note}");
    }
    text
}

/// Those that were not tried for one reason stand together, where the first of them stands.
fn not_tried(text: &mut String, report: &Report, rule: Rule, why: &str) -> std::fmt::Result {
    let alike = |other: &Rule| matches!(report.of(*other), Found::NotTried(other) if other == why);
    let rules: Vec<Rule> = Rule::ALL.into_iter().filter(alike).collect();
    match rules[..] {
        [only] => writeln!(text, "not tried  {}\n           {why}", only.title()),
        [first, ..] if first == rule => {
            let numbers: Vec<String> = rules.iter().map(|rule| rule.number()).collect();
            writeln!(text, "not tried  {}\n           {why}", numbers.join(", "))
        }
        _ => Ok(()),
    }
}

fn rows(report: &Report) -> serde_json::Value {
    let row = |rule: Rule| {
        let (state, why, line) = match report.of(rule) {
            Found::Kept => ("kept", None, None),
            Found::NotTried(why) => ("not-tried", Some(why), None),
            Found::Broken(broken) => ("broken", Some(broken.why), broken.line),
        };
        let hint = (state == "broken").then(|| rule.hint());
        json!({ "rule": rule.number(), "title": rule.title(), "state": state, "why": why, "line": line, "hint": hint })
    };
    json!({ "rules": Rule::ALL.map(row), "notes": report.notes })
}
