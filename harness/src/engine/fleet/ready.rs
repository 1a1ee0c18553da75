//! What a load machine has before the first call: the target as the controller has it, and a folder of the run's
//! own with what clients need.
//!
//! What cannot be had there is told in one sentence, and nothing has been started by then but the client program,
//! which is told nothing.

use super::wire::{Declared, FromLoad, Hello, PROTOCOL};
use crate::env::remote::agent::Folder;
use duress_targets::declared::{self, Declaration};
use duress_targets::{Apart, Numbers, Registry, Settings, Surroundings, Target, TargetEntry, exec};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::runtime::Runtime;

/// The folder of client programs' logs, and where files are, in the run's own.
const LOGS: &str = "clients";
const FILES: &str = "files";

/// All that calls need. The folder is removed with it.
pub(super) struct Ready {
    /// Whom clients speak to.
    pub(super) target: Arc<dyn Target>,
    /// The same with its keys where those of the run begin.
    pub(super) apart: Arc<dyn Target>,
    folder: Folder,
}

/// Why there are no clients here, and what to do.
pub(super) type Refused = (String, String);

impl Ready {
    /// As the first word says, with the files behind it.
    pub(super) fn new(
        registry: &Registry,
        (hello, files): (&Hello, &[u8]),
        runtime: &Runtime,
    ) -> Result<Self, Refused> {
        let same = || "start the same duress there as here".to_owned();
        if hello.protocol != PROTOCOL {
            return Err(("its agent is of another version".to_owned(), same()));
        }
        let (at, of) = hello.which;
        let folder =
            Folder::make(&hello.dir, &hello.run, &format!("load{}", at + 1)).map_err(|why| no_room(&why))?;
        let entry = match &hello.declared {
            Some(declared) => {
                let here = folder.fill(FILES, files).map_err(|why| no_room(&why))?;
                Arc::new(declares(declared, &here)?)
            }
            None => {
                let unknown = || (format!("it knows no target `{}`", hello.target), same());
                registry.find(&hello.target).cloned().ok_or_else(unknown)?
            }
        };
        let made = (entry.make)(&Settings(hello.settings.clone()), &hello.workload);
        let target = made.map_err(|error| (error.to_string(), same()))?;
        // 0 is the controller's, which sets up.
        let numbers = Numbers { first: at as u64 + 1, step: of as u64 };
        target.enter(&Surroundings { nodes: hello.nodes.clone(), logs: folder.path().join(LOGS), numbers });
        if let (Some(declared), Some((program, _))) = (&hello.declared, target.client_program()) {
            runs(&program, declared, &folder.path().join("told-nothing.log"), runtime)?;
        }
        let apart = match hello.first_key {
            Some(first_key) => Arc::new(Apart::new(Arc::clone(&target), first_key)),
            None => Arc::clone(&target),
        };
        Ok(Self { target, apart, folder })
    }

    /// What client programs have said besides answers.
    pub(super) fn logs(&self) -> Vec<FromLoad> {
        let logs = fs::read_dir(self.folder.path().join(LOGS)).into_iter().flatten().flatten();
        let read = |path: PathBuf| {
            let connection = path.file_stem()?.to_str()?.parse().ok()?;
            let text = String::from_utf8_lossy(&fs::read(&path).ok()?).into_owned();
            Some(FromLoad::Log { connection, text })
        };
        logs.filter_map(|entry| read(entry.path())).collect()
    }
}

fn no_room(why: &impl ToString) -> Refused {
    (
        format!("the run cannot have a folder there: {}", why.to_string()),
        "choose another `dir` in [load]".to_owned(),
    )
}

/// What is right where the controller is lacks only what is not here.
fn declares(declared: &Declared, here: &Path) -> Result<TargetEntry, Refused> {
    let declaration = Declaration { path: declared.path.clone(), text: declared.text.clone() };
    declared::clients_of(&declaration, here).map_err(|problem| {
        let fix =
            "install it there, or put it beside the file and let [client] name it: it is brought along then";
        (format!("{}: {}", problem.place(), problem.why), fix.to_owned())
    })
}

/// A program that is told nothing ends with 0, or here as it does where the controller is: unless it lacks
/// something here.
fn runs(program: &exec::Spec, declared: &Declared, log: &Path, runtime: &Runtime) -> Result<(), Refused> {
    let command = program.command.join(" ");
    let fix = "install there what it needs, or name it in `files` of [client]".to_owned();
    let ended = runtime.block_on(program.told_nothing(Some(log.to_owned())));
    let ended = ended.map_err(|error| (format!("`{command}` could not be started: {error}"), fix.clone()))?;
    // One that takes its time is not known to lack anything.
    let lacks = |status: &i32| *status != 0 && declared.told_nothing != Some(*status);
    let Some(status) = ended.filter(lacks) else { return Ok(()) };
    let said = fs::read_to_string(log).unwrap_or_default();
    let last = said.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("it does not say why");
    Err((format!("`{command}` ends with status {status} before it is told anything: {}", last.trim()), fix))
}
