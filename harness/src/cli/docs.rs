//! `duress docs`: the guides of this very version, for whoever has nothing but the binary.

use super::print;
use crate::failure::Failure;
use clap::Args;
use duress_targets::nearest;
use std::fmt::Write as _;
use std::process::ExitCode;

/// `duress docs`
#[derive(Debug, Args)]
pub(super) struct DocsArgs {
    /// The page to print, as Markdown; a list of them when absent
    page: Option<String>,
}

/// Name, what it is about, all of it.
const PAGES: [(&str, &str, &str); 6] = [
    (
        "own-cluster",
        "testing your own system: every key of a target's file",
        include_str!("../../../targets/docs/own-cluster.md"),
    ),
    (
        "client-protocol",
        "what a client program reads and writes",
        include_str!("../../../targets/docs/client-protocol.md"),
    ),
    (
        "places",
        "nodes on hosts, in containers, in pods; clients elsewhere",
        include_str!("../../docs/places.md"),
    ),
    ("nightly", "many runs every night", include_str!("../../docs/nightly.md")),
    ("triage", "from a red run to its cause", include_str!("../../docs/triage.md")),
    ("verdict", "verdict.json, field by field", include_str!("../../../reports/docs/verdict.md")),
];

impl DocsArgs {
    pub(super) fn run(&self) -> Result<ExitCode, Failure> {
        let Some(asked) = &self.page else {
            let mut told = "pages\n".to_owned();
            for (name, about, _) in PAGES {
                let _ = writeln!(told, "  {name:<15}  {about}");
            }
            print(&told);
            return Ok(ExitCode::SUCCESS);
        };
        // As the pages name each other.
        let asked = asked.strip_suffix(".md").unwrap_or(asked);
        let Some((_, _, text)) = PAGES.iter().find(|(name, ..)| *name == asked) else {
            let fix = nearest::choose(asked, &PAGES.map(|(name, ..)| name), "`duress docs`");
            return Err(Failure::usage(format!("docs {asked}"), "there is no such page", fix));
        };
        print(text);
        Ok(ExitCode::SUCCESS)
    }
}
