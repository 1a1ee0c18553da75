//! The command line: what can be typed, and who answers.
//!
//! stdout is data: verdicts, tables, JSON. stderr is talk: progress, notes, errors.

mod agent;
mod bisect;
mod check;
mod ci;
mod client_test;
mod compare;
mod docs;
mod doctor;
mod export;
mod fetch;
mod findings;
mod gc;
mod heal;
mod init;
mod issue;
mod list;
mod progress;
mod report;
mod repro;
mod run;
mod serve;
mod shrink;
mod soak;
mod sweep;
mod triage;

use crate::failure::Failure;
use clap::{CommandFactory, Parser, Subcommand};
use duress_reports::inert_json;
use duress_targets::Registry;
use progress::{Mode, View};
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

/// Longest line that is printed for people, in characters.
const LONGEST_LINE: usize = 1 << 20;

/// Runs real clusters under faults and checks what their clients saw.
#[derive(Debug, Parser)]
#[command(name = "duress", version, after_help = AFTER_HELP)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const AFTER_HELP: &str = "Exit codes: 0 valid, or only known violations, 1 violation or crash, 2 unknown, 3 infrastructure or inconclusive, \
254 usage, 255 a bug in Duress.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Start a cluster, run a workload under faults, check, report
    Run(Box<run::RunArgs>),
    /// Crash a server at each of its fsyncs, one after the other, and see whether it recovers
    Sweep(sweep::SweepArgs),
    /// Find a planted bug in a cluster inside Duress: no privileges, nothing to install
    Demo(run::DemoArgs),
    /// Check histories, ours and those of others, or runs again
    Check(check::CheckArgs),
    /// Write the reports of a run again; exits with 0 whatever the verdict
    Report(report::ReportArgs),
    /// List targets, workloads, models, faults, exit codes
    List(list::ListArgs),
    /// Obtain a target's server without running anything
    Fetch(fetch::FetchArgs),
    /// Say what this machine can do, and how to enable the rest
    Doctor(doctor::DoctorArgs),
    /// Remove what a killed run may have left
    Heal(heal::HealArgs),
    /// Set two runs side by side: what was asked differently, and what came of it
    Compare(compare::CompareArgs),
    /// Show the index of runs and their reports in a browser
    Serve(serve::ServeArgs),
    /// Write files to begin with, for a system of your own
    Init(init::InitArgs),
    /// Examine a client program: does it keep to the protocol?
    ClientTest(client_test::ClientTestArgs),
    /// Run a matrix of runs until time is up, each accounted for
    Soak(soak::SoakArgs),
    /// Join the shards of a soak that ran elsewhere
    Merge(soak::MergeArgs),
    /// Remove old runs; says what it would do, unless told to
    Gc(gc::GcArgs),
    /// Print the figures of all runs for other programs
    Export(export::ExportArgs),
    /// Break the host that this runs on, as a controller says
    #[command(hide = true)]
    Agent(agent::AgentArgs),
    /// List the findings of all runs: new, ongoing, not seen lately, resolved
    Findings(findings::FindingsArgs),
    /// Print the text of an issue on a finding, or on a run
    Issue(issue::IssueArgs),
    /// Make a run again, and again, and say how often its finding shows
    Repro(repro::ReproArgs),
    /// Find the few faults, nodes and operations that a finding takes
    Shrink(shrink::ShrinkArgs),
    /// Find the version of the server with which a finding came or went
    Bisect(bisect::BisectArgs),
    /// Print a guide: how to test a system of your own, the protocol of clients, nightlies, triage
    Docs(docs::DocsArgs),
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

/// Parses the command line, answers it with these targets, and gives the exit code.
#[expect(
    clippy::needless_pass_by_value,
    reason = "it is the program's one registry: `main(Registry::builtin())`"
)]
pub fn main(registry: Registry) -> ExitCode {
    match catch_unwind(AssertUnwindSafe(|| answer(&registry))) {
        Ok(code) => code,
        Err(_) => {
            // The default hook has printed message and place already.
            say("this is a bug in Duress: please report it with the message above and the command");
            ExitCode::from(255)
        }
    }
}

fn answer(registry: &Registry) -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { 254 } else { 0 });
        }
    };
    let mode = cli.command.progress();
    let answered = match cli.command {
        Command::Run(args) => args.run(registry),
        Command::Sweep(args) => args.run(registry),
        Command::Demo(args) => args.run(registry),
        Command::Check(args) => args.run(),
        Command::Report(args) => args.run(),
        Command::List(args) => args.run(registry),
        Command::Fetch(args) => args.run(registry),
        Command::Doctor(args) => args.run(),
        Command::Heal(args) => args.run(),
        Command::Compare(args) => args.run(),
        Command::Serve(args) => args.run(),
        Command::Init(args) => args.run(),
        Command::ClientTest(args) => args.run(registry),
        Command::Soak(args) => args.run(),
        Command::Merge(args) => args.run(),
        Command::Gc(args) => args.run(),
        Command::Export(args) => args.run(),
        Command::Agent(args) => args.run(registry),
        Command::Findings(args) => args.run(),
        Command::Issue(args) => args.run(),
        Command::Repro(args) => args.run(registry),
        Command::Shrink(args) => args.run(registry),
        Command::Bisect(args) => args.run(registry),
        Command::Docs(args) => args.run(),
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "duress", &mut std::io::stdout());
            Ok(ExitCode::SUCCESS)
        }
    };
    answered.unwrap_or_else(|failure: Failure| {
        View::new(mode).fail(&failure);
        failure.exit_code()
    })
}

impl Command {
    /// How it was asked to talk.
    fn progress(&self) -> Mode {
        match self {
            Self::Run(args) => args.progress(),
            Self::Demo(args) => args.progress(),
            Self::Sweep(args) => args.progress.mode,
            Self::Check(args) => args.progress.mode,
            Self::Fetch(args) => args.progress.mode,
            Self::ClientTest(args) => args.progress.mode,
            Self::Soak(args) => args.progress.mode,
            Self::Repro(args) => args.run.progress.mode,
            Self::Shrink(args) => args.run.progress.mode,
            Self::Bisect(args) => args.run.progress.mode,
            // These are over before there is progress to show.
            _ => Mode::Auto,
        }
    }
}

/// Data for people. A reader that has gone away (`duress list | head`) is not an error.
fn print(text: &str) {
    let _ = write(&mut std::io::stdout().lock(), &ci::fit(&fit(text)));
}

/// The same for programs: JSON, of which a terminal may be the reader all the same.
fn print_json(text: &str) {
    let _ = write(&mut std::io::stdout().lock(), &inert_json(text));
}

/// Talk.
fn say(text: &str) {
    print_error(&(fit(text.trim_end()) + "\n"));
}

/// Talk that is fit to be shown.
fn print_error(text: &str) {
    let _ = write(&mut std::io::stderr().lock(), &ci::fit(text));
}

fn write(out: &mut dyn Write, text: &str) -> std::io::Result<()> {
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// Lines in which nothing acts on a terminal, whoever wrote them.
fn fit(text: &str) -> String {
    let lines = text.split('\n').map(|line| duress_reports::visible(line, LONGEST_LINE));
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What makes a terminal act: escape sequences, also in one character, and direction.
    const HOSTILE: &str = "a\u{1b}]0;title\u{7} \u{9b}2J \u{202e}b\u{e0041} \u{7f}ü界\r";

    #[test]
    fn foreign_text_does_nothing_to_a_terminal() {
        let told = fit(&format!("{HOSTILE}\n{HOSTILE}\n"));
        assert_eq!(told.lines().count(), 2);
        let acts = |c: char| c != '\n' && (c.is_control() || "\u{202e}\u{e0041}".contains(c));
        assert!(!told.contains(acts), "{told:?}");
        assert!(told.contains("ü界"), "{told:?}");
        let json = inert_json(&serde_json::to_string_pretty(&[HOSTILE]).expect("JSON"));
        assert!(!json.contains(acts), "{json:?}");
        assert_eq!(serde_json::from_str::<Vec<String>>(&json).expect("JSON"), [HOSTILE]);
    }
}
