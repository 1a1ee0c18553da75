//! `duress doctor`: what this machine can do.

use super::{print, print_json};
use crate::env::doctor;
use crate::env::place::Place;
use crate::env::remote::HostAbilities;
use crate::env::remote::capability::Capability;
use crate::failure::Failure;
use clap::Args;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

/// `duress doctor`
#[derive(Debug, Args)]
pub(super) struct DoctorArgs {
    /// Print the table as JSON
    #[arg(long)]
    json: bool,
    /// Ask the hosts of this file instead, as for `duress run --on`
    #[arg(long, value_name = "FILE", conflicts_with = "json")]
    on: Option<PathBuf>,
}

impl DoctorArgs {
    pub(super) fn run(&self) -> Result<ExitCode, Failure> {
        if let Some(file) = &self.on {
            let place = Place::read(file)?;
            let hosts = place.abilities()?;
            let who = if place.has_servers() {
                ("container", ", for faults of processes")
            } else {
                ("agent", ", for faults of processes and of data")
            };
            print(&hosts.iter().map(|host| told(host, who)).collect::<String>());
            let failed = hosts.into_iter().find_map(|(_, found)| found.err());
            return failed.map_or(Ok(ExitCode::SUCCESS), |error| Err(error.into()));
        }
        let found = doctor::probe();
        if self.json {
            let rows: Vec<serde_json::Value> = found
                .iter()
                .map(|c| {
                    serde_json::json!({
                        "name": c.name, "available": c.available, "detail": c.detail,
                        "needed_for": c.needed_for, "fix": c.fix,
                    })
                })
                .collect();
            print_json(&format!("{}\n", serde_json::Value::from(rows)));
        } else {
            print(&table(&found));
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// One host. Processes are ended, stopped and starved wherever there is an agent, or a container.
fn told((host, found): &HostAbilities, (who, processes): (&str, &str)) -> String {
    let mut text = format!("{host}\n");
    let mut line = |can: bool, what: &str, why: &str| {
        let _ = writeln!(text, "  {}  {what}{why}", if can { "yes" } else { "no " });
    };
    match found {
        Err(error) => line(false, who, &format!(": {error}")),
        Ok(capabilities) => {
            line(true, who, processes);
            for Capability { name, missing } in capabilities {
                let why = missing.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
                line(missing.is_none(), name.name(), &format!(", for {}{why}", name.needed_for()));
            }
        }
    }
    text
}

/// Versions of tools come with the versions of all their libraries.
fn shortened(detail: &str) -> String {
    const WIDEST: usize = 90;
    if detail.chars().count() <= WIDEST {
        return detail.to_owned();
    }
    detail.chars().take(WIDEST).chain(['…']).collect()
}

fn table(found: &[doctor::Capability]) -> String {
    let width = found.iter().map(|c| c.name.len()).max().unwrap_or(0);
    let mut text = String::new();
    let can = |name: &str| found.iter().any(|c| c.name == name && c.available);
    let hosts = can("network namespaces") && (can("TUN device") || can("packet sockets"));
    text.push_str(if hosts {
        "duress run works here\n\n"
    } else {
        "duress run cannot make hosts here; duress demo works\n\n"
    });
    for c in found {
        let mark = if c.available { "yes" } else { "no " };
        let _ = writeln!(text, "{mark}  {:<width$}  {}", c.name, shortened(&c.detail));
        if !c.available {
            let _ = writeln!(text, "     {:<width$}  needed for: {}", "", c.needed_for);
            let _ = writeln!(text, "     {:<width$}  to enable: {}", "", c.fix);
        }
    }
    text
}
