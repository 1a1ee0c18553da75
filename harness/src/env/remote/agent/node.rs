//! The node of an agent's host: a server made of files that were sent, as a cluster of one on this
//! machine's own network.

use super::store::Store;
use super::{Did, Trouble, trouble};
use crate::env::local::{self, Config, Data, Disks, Local, Network, Privilege, ServerCommand};
use crate::env::remote::files;
use crate::env::remote::wire::{self, Answer, Ask, DiskAsk, ProgramFile, Server};
use crate::env::trap::{Snare, Trap};
use crate::env::{EnvError, Environment as _, LIBRARY_PATH, Program};
use duress_targets::Node;
use std::fs;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::symlink;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};

/// Bytes of a log that are read at once.
const LOG_PART: u64 = 1 << 20;
/// Its position there: it is the only one.
const HERE: usize = 0;

/// A server that has its place.
pub(super) struct Placed {
    pub(super) cluster: Local,
    dir: PathBuf,
    log: PathBuf,
}

impl Placed {
    /// Makes the host's part of the cluster. No server runs yet.
    pub(super) fn make(node: &Node, dir: &Path, server: &Server, store: &Store) -> Result<Self, Trouble> {
        let Program { path, env, .. } = program(dir, &server.program, store)?;
        let command = ServerCommand { program: path, args: server.args.clone(), env, user: None };
        // Whose capabilities have been seen.
        let privilege: Privilege = local::acquire().map_err(|error| of(&error))?;
        let config = Config {
            work_dir: dir.to_owned(),
            servers: vec![command],
            log_name: server.log_name.clone(),
            data: Data::Disk,
            network: Network::Machine(node.clone()),
            calls: server.calls.clone(),
            clocks: server.clocks,
            disks: server.disk.map_or(Disks::Plain, |direct_reads| Disks::Faulty { direct_reads }),
            limited_memory: server.memory,
            rootfs: None,
        };
        let log = dir.join(&node.name).join(&server.log_name);
        let cluster = Local::create(privilege, config).map_err(|error| of(&error))?;
        Ok(Self { cluster, dir: dir.to_owned(), log })
    }

    /// Lays a snare for a system call.
    pub(super) fn lay(&self, snare: Snare) -> Result<Trap, Trouble> {
        self.cluster.trap(HERE, snare).map_err(|error| of(&error))
    }

    /// What is asked of a cluster of one.
    pub(super) fn act(&self, what: Ask, body: &[u8], store: &Store) -> Did {
        let cluster = &self.cluster;
        let answer = match what {
            Ask::Start => cluster.start(HERE).map(|()| Answer::Done),
            Ask::Stop { how } => cluster.stop(HERE, how).map(|()| Answer::Done),
            Ask::StopMain { how } => cluster.stop_main(HERE, how).map(|()| Answer::Done),
            Ask::SetStopping { how } => cluster.set_stopping(HERE, &how).map(|()| Answer::Done),
            Ask::SetArgs { args } => cluster.set_args(HERE, &|_| args.clone()).map(|()| Answer::Done),
            Ask::SetProgram { program: other } => {
                let program = program(&self.dir, &other, store)?;
                cluster.set_program(HERE, &program).map(|()| Answer::Done)
            }
            Ask::Run { command, limit } => {
                let printed = cluster.run(HERE, &command, limit).map_err(|error| of(&error))?;
                return Ok((Answer::Done, printed.into_bytes()));
            }
            Ask::Pause => cluster.pause(HERE).map(|()| Answer::Done),
            Ask::Resume => cluster.resume(HERE).map(|()| Answer::Done),
            Ask::Starve { percent } => cluster.starve(HERE, percent).map(|()| Answer::Done),
            Ask::Starved => Ok(Answer::Count(cluster.starved(HERE))),
            Ask::State => Ok(Answer::State(cluster.state(HERE))),
            Ask::SetClocks { skews } => cluster.set_clocks(HERE, &skews).map(|()| Answer::Done),
            Ask::ReadClocks { fault } => cluster.read_clocks(HERE, fault).map(Answer::Clocks),
            Ask::Disk(ask) => return self.about_its_disk(ask),
            Ask::PowerFailure { keep, seed } => {
                let told = cluster.power_failure(HERE, (keep, seed));
                let told = told.map_err(|why| trouble("let its power fail", why))?;
                Ok(Answer::Told(told))
            }
            Ask::ExhaustMemory => cluster.exhaust_memory(HERE).map(|seen| Answer::OutOfMemory {
                used: seen.used,
                kills: seen.kills,
                end: seen.end.map(ExitStatusExt::into_raw),
            }),
            Ask::Calls { call } => Ok(Answer::Count(cluster.calls(HERE, call))),
            Ask::CopyData => {
                let files = cluster.copy_data(HERE).map_err(|error| of(&error))?;
                return Ok((Answer::Done, files::write(&files)));
            }
            Ask::ReplaceData => {
                let files = files::read(body).map_err(|why| trouble("replace its data", why))?;
                cluster.replace_data(HERE, &files).map(|()| Answer::Done)
            }
            Ask::Log { from } => {
                let part = read_part(&self.log, from);
                return part
                    .map(|part| (Answer::Done, part))
                    .map_err(|error| trouble("read its log", error.to_string()));
            }
            other => return Err(trouble("do what it is asked", format!("{other:?} is not for a server"))),
        };
        answer.map(|answer| (answer, Vec::new())).map_err(|error| of(&error))
    }
}

impl Placed {
    fn about_its_disk(&self, ask: DiskAsk) -> Did {
        let disk = self.cluster.disk(HERE).map_err(|error| of(&error))?;
        let answer = match ask {
            DiskAsk::Misbehave { fault, how } => {
                disk.misbehave(fault, &how);
                Answer::Done
            }
            DiskAsk::Behave { fault } => Answer::Count(disk.behave(fault)),
            DiskAsk::Hits { fault } => Answer::Count(disk.hits(fault)),
            DiskAsk::Crash { keep, seed } => Answer::Lost(disk.crash(keep, seed)),
            DiskAsk::Damage { damage, seed } => {
                let told = disk.damage(&damage, seed);
                Answer::Told(told.map_err(|why| trouble("damage its files", why))?)
            }
            DiskAsk::Counters => Answer::Disk(disk.counters()),
        };
        Ok((answer, Vec::new()))
    }
}

/// A program as it is started. One that was sent has a folder of its own, since others have its name.
fn program(dir: &Path, program: &wire::Program, store: &Store) -> Result<Program, Trouble> {
    let failed = |error: io::Error| trouble("put its server in place", error.to_string());
    let mut env = program.env.clone();
    let path = match &program.file {
        ProgramFile::There(path) => path.clone(),
        ProgramFile::Sent { sha256, name, libraries } => {
            let dir = dir.join(sha256);
            let path = place(&dir.join("bin"), name, sha256, store).map_err(failed)?;
            let lib = dir.join("lib");
            for (name, sha256) in libraries {
                place(&lib, name, sha256, store).map_err(failed)?;
            }
            if !libraries.is_empty() {
                env.push((LIBRARY_PATH.to_owned(), lib.display().to_string()));
            }
            path
        }
    };
    Ok(Program { path, libraries: None, env })
}

/// Gives a file that was sent its name, by a link.
fn place(dir: &Path, name: &str, sha256: &str, store: &Store) -> io::Result<PathBuf> {
    if !store.has(sha256) || Path::new(name).file_name() != Some(name.as_ref()) {
        return Err(io::Error::other(format!("{name} has not been sent")));
    }
    fs::create_dir_all(dir)?;
    let path = dir.join(name);
    match symlink(store.path(sha256), &path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(path),
    }
}

fn read_part(log: &Path, from: u64) -> io::Result<Vec<u8>> {
    let mut part = Vec::new();
    let mut file = match fs::File::open(log) {
        // It has not been started.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(part),
        opened => opened?,
    };
    file.seek(SeekFrom::Start(from))?;
    file.take(LOG_PART).read_to_end(&mut part)?;
    Ok(part)
}

fn of(error: &EnvError) -> Trouble {
    let (what, why) = match error {
        EnvError::Unable { what, why, .. } | EnvError::Node { what, why, .. } => (what, why),
    };
    Trouble { what: what.clone(), why: why.clone() }
}
