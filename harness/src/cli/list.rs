//! `duress list`: what there is, from the registries themselves.

use super::print;
use crate::env::place::Place;
use crate::failure::{EXIT_CODES, Failure};
use crate::nemesis::catalogue::{FAULTS, FaultEntry};
use crate::plan::find_target;
use clap::{Args, ValueEnum};
use duress_checkers::model::models;
use duress_targets::{Registry, TargetEntry};
use std::fmt::Write as _;
use std::process::ExitCode;

/// `duress list`
#[derive(Debug, Args)]
pub(super) struct ListArgs {
    /// What to list; everything when absent
    #[arg(value_enum)]
    what: Option<What>,
    /// The file of a target of your own, instead of all targets
    #[arg(requires = "what")]
    file: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum What {
    Targets,
    Workloads,
    Models,
    Faults,
    ExitCodes,
}

impl ListArgs {
    pub(super) fn run(&self, registry: &Registry) -> Result<ExitCode, Failure> {
        let all = [What::Targets, What::Workloads, What::Models, What::Faults, What::ExitCodes];
        let asked: Vec<What> = self.what.map_or_else(|| all.to_vec(), |what| vec![what]);
        let own = self.file.as_ref().map(|file| find_target(registry, file, &Place::Here)).transpose()?;
        if own.is_some() && self.what != Some(What::Targets) {
            return Err(Failure::usage("a file", "only targets have one", "duress list targets my-db.toml"));
        }
        let texts: Vec<String> = match own {
            Some(own) => vec![targets(std::iter::once(&*own))],
            None => asked.into_iter().map(|what| list(registry, what)).collect(),
        };
        print(&texts.join("\n"));
        Ok(ExitCode::SUCCESS)
    }
}

fn list(registry: &Registry, what: What) -> String {
    match what {
        What::Targets => targets(registry.targets().iter().map(|entry| &**entry)),
        What::Workloads => {
            let rows = duress_workloads::registry::WORKLOADS
                .iter()
                .map(|entry| (entry.name.to_owned(), format!("{} ({})", entry.doc, entry.fs.join(", "))));
            table("workloads", rows)
        }
        What::Models => {
            table("models", models().iter().map(|entry| (entry.name.to_owned(), entry.doc.to_owned())))
        }
        What::Faults => {
            let doc = |entry: &FaultEntry| match (entry.takes_majority, entry.min_nodes) {
                (true, _) => format!("{} (needs --allow-majority-loss)", entry.doc),
                (false, 0 | 1) => entry.doc.to_owned(),
                (false, n) => format!("{} (at least {n} nodes)", entry.doc),
            };
            table("faults", FAULTS.iter().map(|entry| (entry.name.to_owned(), doc(entry))))
        }
        What::ExitCodes => {
            table("exit codes", EXIT_CODES.iter().map(|(code, doc)| (code.to_string(), (*doc).to_owned())))
        }
    }
}

fn targets<'a>(entries: impl Iterator<Item = &'a TargetEntry>) -> String {
    let mut text = String::new();
    for entry in entries {
        let nodes = match (entry.default_nodes, entry.max_nodes) {
            (_, Some(1)) => "1 node".to_owned(),
            (n, _) => format!("{n} nodes by default"),
        };
        let doc = format!("{} ({nodes}; workloads: {})", entry.doc, entry.workloads.join(", "));
        let settings = entry.options.iter().map(|option| {
            (format!("  --set {}=", option.name), format!("{} [default: {}]", option.doc, option.default))
        });
        let rows = std::iter::once((entry.name.clone(), doc)).chain(settings);
        let rows = rows.collect::<Vec<_>>();
        text.push_str(&body(&rows));
    }
    format!("targets\n{text}")
}

fn table(title: &str, rows: impl Iterator<Item = (String, String)>) -> String {
    format!("{title}\n{}", body(&rows.collect::<Vec<_>>()))
}

fn body(rows: &[(String, String)]) -> String {
    let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let mut text = String::new();
    for (name, doc) in rows {
        let _ = writeln!(text, "  {name:<width$}  {doc}");
    }
    text
}
