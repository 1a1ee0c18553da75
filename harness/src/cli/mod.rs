//! The command line: what can be typed, and who answers.
//!
//! stdout is data: verdicts, tables, JSON. stderr is talk: progress, notes, errors.

mod check;
mod doctor;
mod fetch;
mod heal;
mod list;
mod progress;
mod report;
mod run;
mod sweep;

use crate::failure::Failure;
use clap::{CommandFactory, Parser, Subcommand};
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

/// Runs real clusters under faults and checks what their clients saw.
#[derive(Debug, Parser)]
#[command(name = "duress", version, after_help = AFTER_HELP)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const AFTER_HELP: &str = "Exit codes: 0 valid, 1 violation, 2 unknown, 3 the run failed or is inconclusive, \
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
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

/// Parses the command line, answers it, and gives the exit code.
pub fn main() -> ExitCode {
    match catch_unwind(AssertUnwindSafe(answer)) {
        Ok(code) => code,
        Err(_) => {
            // The default hook has printed message and place already.
            say("this is a bug in Duress: please report it with the message above and the command");
            ExitCode::from(255)
        }
    }
}

fn answer() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { 254 } else { 0 });
        }
    };
    let answered = match cli.command {
        Command::Run(args) => args.run(),
        Command::Sweep(args) => args.run(),
        Command::Demo(args) => args.run(),
        Command::Check(args) => args.run(),
        Command::Report(args) => args.run(),
        Command::List(args) => Ok(args.run()),
        Command::Fetch(args) => args.run(),
        Command::Doctor(args) => Ok(args.run()),
        Command::Heal(args) => args.run(),
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "duress", &mut std::io::stdout());
            Ok(ExitCode::SUCCESS)
        }
    };
    answered.unwrap_or_else(|failure: Failure| {
        say(&format!("error: {failure}"));
        failure.exit_code()
    })
}

/// Data. A reader that has gone away (`duress list | head`) is not an error.
fn print(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes());
    let _ = out.flush();
}

/// Talk.
fn say(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}
