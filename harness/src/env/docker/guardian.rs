//! Containers are put right again, whoever has broken them and however that ended: they belong to the user,
//! and no kernel would do it. The run itself does so; a process of its own when the run has ended without;
//! `duress heal` when that has ended, too.

use super::engine::Engine;
use crate::env::local::{namespace_of, resume_all, start_time};
use crate::env::remote::agent::{Tool, remove_rules, tables};
use nix::sched::{CloneFlags, setns};
use nix::unistd::setsid;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::os::unix::process::CommandExt as _;
use std::panic::resume_unwind;
use std::process::{Child, Command, ExitCode, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// What the guardian is told, once, when nothing is left to be done.
const DONE: &[u8] = b"done";

/// What the dead one had asked of the engine may be done a moment later: one looks again then.
const AFTERTHOUGHT: Duration = Duration::from_secs(1);

/// How long the guardian of a dead run may take to its end.
const ENDS_WITHIN: Duration = Duration::from_secs(15);
/// How often one looks whether it has ended.
const POLL: Duration = Duration::from_millis(50);

/// Watches over containers.
pub(super) struct Guardian(Child);

impl Guardian {
    /// From now on nothing that is done to these containers outlives this process for long.
    pub(super) fn begin<'a>(
        engine: Engine,
        table: &str,
        containers: impl Iterator<Item = &'a str>,
    ) -> io::Result<Self> {
        let mut command = Command::new("/proc/self/exe");
        command.args(["agent", "--guard", engine.0, table]).args(containers).current_dir("/");
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        // The terminal's Ctrl-C is for the run.
        command.process_group(0);
        command.spawn().map(Self)
    }

    /// Nothing is left to be done.
    pub(super) fn dismiss(&mut self) {
        // If it cannot be told, it does again what has been done.
        let told = self.0.stdin.take().map(|mut input| input.write_all(DONE));
        let _ = told.unwrap_or(Ok(())).and_then(|()| self.0.wait().map(drop));
    }
}

/// The guardian: waits for who started it to end, and puts right what that one has left. `words`: the engine,
/// the table of rules, the containers.
pub fn guard(words: &[String]) -> ExitCode {
    // Out of the session: its end is told to all of it.
    let _ = setsid();
    let mut told = Vec::new();
    let _ = io::stdin().read_to_end(&mut told);
    let [engine, table, containers @ ..] = words else { return ExitCode::from(254) };
    let Some(engine) = Engine::named(engine).filter(|_| told != DONE) else { return ExitCode::SUCCESS };
    let all = || {
        thread::scope(|scope| {
            let start = |id| scope.spawn(move || put_right(engine, id, table).is_ok());
            let threads: Vec<_> = containers.iter().map(|id| start(id.as_str())).collect();
            threads.into_iter().all(|thread| thread.join().unwrap_or(false))
        })
    };
    let _ = all();
    thread::sleep(AFTERTHOUGHT);
    if all() { ExitCode::SUCCESS } else { ExitCode::from(3) }
}

/// It runs, all of it, and nothing is cut by rules in this table. Was it otherwise before?
pub(super) fn put_right(engine: Engine, id: &str, table: &str) -> Result<bool, String> {
    let before = engine.inspect(id)?;
    if before.state.paused {
        engine.run(&["unpause", id])?;
    } else if !before.state.running {
        engine.run(&["start", id])?;
    }
    let pid = engine.inspect(id)?.state.pid;
    let own = namespace_of(std::process::id());
    let resumed = match namespace_of(pid).filter(|ipc| Some(*ipc) != own) {
        Some(ipc) => resume_all(ipc),
        None => Ok(()),
    };
    let net = File::open(format!("/proc/{pid}/ns/net")).map_err(|error| format!("its network: {error}"))?;
    let cut = thread::scope(|scope| {
        let remove = move || {
            setns(net, CloneFlags::CLONE_NEWNET)
                .map_err(|error| format!("its network cannot be entered: {error}"))?;
            let there = tables()?.iter().any(|there| there == table);
            if there {
                remove_rules(Tool::Nft, table);
            }
            match tables()?.iter().any(|there| there == table) {
                false => Ok::<bool, String>(there),
                true => Err(format!("its rules are still there ({table})")),
            }
        };
        scope.spawn(remove).join().unwrap_or_else(|panic| resume_unwind(panic))
    })?;
    resumed.map(|()| cut || before.state.paused || !before.state.running)
}

/// Waits until no guardian of a dead run is left that has this container: it would put right what the next run
/// does to it, too. Was there one?
///
/// # Errors
/// When its run is alive, or it does not end.
pub(super) fn await_others(container: &str) -> Result<bool, String> {
    let deadline = Instant::now() + ENDS_WITHIN;
    let mut waited = false;
    while let Some(table) = others(container).pop() {
        if is_left_behind(&table) == Some(false) {
            return Err(format!("another run breaks it already ({table})"));
        }
        if Instant::now() > deadline {
            return Err(format!("what a dead run did to it ({table}) is still being put right"));
        }
        waited = true;
        thread::sleep(POLL);
    }
    Ok(waited)
}

/// The tables of the other runs whose guardians have this container.
fn others(container: &str) -> Vec<String> {
    let own = table();
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let told = processes.filter_map(|process| fs::read(process.path().join("cmdline")).ok());
    let tables = told.filter_map(|told| {
        let words: Vec<&[u8]> = told.split(|byte| *byte == 0).collect();
        let at = words.iter().position(|word| *word == b"--guard")?;
        let (table, containers) = (words.get(at + 2)?, words.get(at + 3..)?);
        let has = containers.contains(&container.as_bytes());
        has.then(|| String::from_utf8_lossy(table).into_owned())
    });
    tables.filter(|table| *table != own).collect()
}

/// Puts right what these marks in a dead run's journal name; how many containers that were.
pub fn sweep(marks: &[Value]) -> usize {
    let named = marks.iter().filter_map(Value::as_array).flatten();
    let text = |mark: &Value, name: &str| mark.get(name)?.as_str().map(str::to_owned);
    let wanted = named
        .filter_map(|mark| Some((text(mark, "engine")?, text(mark, "container")?, text(mark, "table")?)));
    let wanted: BTreeSet<_> = wanted.collect();
    let healed = |(engine, id, table): &(String, String, String)| {
        Engine::named(engine).is_some_and(|engine| put_right(engine, id, table) == Ok(true))
    };
    wanted.iter().filter(|mark| healed(mark)).count()
}

/// Who owns a table of this name: a process by its number, and when it began.
pub(super) fn table() -> String {
    let pid = std::process::id();
    format!("duress_{pid}_{}", start_time(pid).unwrap_or_default())
}

/// Is the owner of a table of ours gone? `None` when it is none of ours.
pub(super) fn is_left_behind(table: &str) -> Option<bool> {
    let (pid, born) = table.strip_prefix("duress_")?.split_once('_')?;
    let (pid, born): (u32, u64) = (pid.parse().ok()?, born.parse().ok()?);
    Some(start_time(pid) != Some(born))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_known_by_their_owner() {
        let own = table();
        assert_eq!(is_left_behind(&own), Some(false));
        assert_eq!(is_left_behind(&format!("{own}0")), Some(true), "a number that was given away again");
        for other in ["filter", "duress_ab12cd34", "duress_x_1"] {
            assert_eq!(is_left_behind(other), None, "{other}");
        }
    }
}
