//! `duress fetch`: obtains a server without running it.

use super::progress::{Progress, View};
use super::{print, print_json};
use crate::env::place::Place;
use crate::event::Stage;
use crate::failure::Failure;
use clap::Args;
use duress_targets::obtain::{self, Request};
use duress_targets::{Registry, Server, Settings, Source};
use std::process::ExitCode;

/// `duress fetch`
#[derive(Debug, Args)]
pub(super) struct FetchArgs {
    /// The target; `duress list targets`
    target: String,
    /// This version of its server
    #[arg(long)]
    version: Option<String>,
    /// A release archive instead; file:// works too
    #[arg(long, requires = "sha256")]
    url: Option<String>,
    /// SHA-256 of that archive, in hexadecimal
    #[arg(long)]
    sha256: Option<String>,
    /// Print path, libraries, version, SHA-256 and source as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    pub(super) progress: Progress,
}

impl FetchArgs {
    pub(super) fn run(self, registry: &Registry) -> Result<ExitCode, Failure> {
        let entry = crate::plan::find_target(registry, &self.target, &Place::Here)?;
        let workload = entry.workloads.first().map_or("", String::as_str);
        let target = (entry.make)(&Settings::default(), workload)?;
        let source = match target.server() {
            Server::Processes(launch) => Some(launch.source()),
            Server::InProcess(_) => None,
        };
        let Some(Source::Recipe(recipe)) = source else {
            return Err(Failure::usage(
                format!("fetch {}", entry.name),
                if source.is_some() {
                    "its program has to be there already"
                } else {
                    "it lives inside Duress: there is nothing to obtain"
                },
                format!("run it: duress run {}", entry.name),
            ));
        };
        let request = Request {
            version: self.version,
            url: self.url,
            sha256: self.sha256,
            ..Request::new(obtain::default_cache()?)
        };
        let view = View::begin(self.progress.mode, Stage::SetUp, &format!("fetching {}", entry.name));
        let obtained = obtain::obtain(recipe, &request, &mut |told: &str| view.note(told))?;
        drop(view);
        if self.json {
            let value = serde_json::json!({
                "path": obtained.path,
                "libraries": obtained.libraries,
                "version": obtained.version,
                "sha256": obtained.sha256,
                "source": obtained.source.to_string(),
            });
            print_json(&format!("{value}\n"));
        } else {
            let libraries = obtained.libraries.map(|folder| format!("  libs    {}\n", folder.display()));
            print(&format!(
                "{} {}\n  path    {}\n{}  sha256  {}\n  source  {}\n",
                entry.name,
                obtained.version,
                obtained.path.display(),
                libraries.unwrap_or_default(),
                obtained.sha256,
                obtained.source
            ));
        }
        Ok(ExitCode::SUCCESS)
    }
}
