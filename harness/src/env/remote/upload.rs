//! Sends files to a host, those that it does not have: a server's, and those that commands name.

use super::ServerProgram;
use super::connection::Connection;
use super::files;
use super::wire::{self, Answer, Ask, ProgramFile, Trouble};
use crate::env::LIBRARY_PATH;
use crate::env::local;
use crate::env::remote::binary::hex;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

/// Bytes in one message.
const PART: usize = 1 << 20;
/// Most files of a folder that are sent.
const MOST_FILES: usize = 1_000;
/// Most bytes that are packed: each load machine gets all of them in each run.
const MOST_PACKED: u64 = 64 << 20;

/// Sends a program's files, if it has any; what the host has to know of it.
pub(super) fn program(
    agent: &Connection,
    program: ServerProgram,
    mut env: Vec<(String, String)>,
) -> Result<wire::Program, Trouble> {
    let file = match program {
        ServerProgram::There(path) => ProgramFile::There(path),
        ServerProgram::Sent { path, libraries } => {
            // Where they are here means nothing there.
            env.retain(|(name, _)| libraries.is_none() || name != LIBRARY_PATH);
            let libraries = in_folder(libraries.as_deref())?;
            let named = |file: PathBuf| Ok((name(&file), send(agent, &file)?));
            let libraries = libraries.into_iter().map(named).collect::<Result<_, Trouble>>()?;
            ProgramFile::Sent { sha256: send(agent, &path)?, name: name(&path), libraries }
        }
    };
    Ok(wire::Program { file, env })
}

/// Sends these files of a folder, and all that is in those that are folders themselves; where the folder is
/// there.
pub(super) fn folder(agent: &Connection, folder: &Path, files: &[PathBuf]) -> Result<PathBuf, Trouble> {
    let mut found = BTreeSet::new();
    for file in files {
        gather(folder, file, &mut found)?;
    }
    let mut all = Sha256::new();
    let mut sent = Vec::with_capacity(found.len());
    for file in found {
        let sha256 = send(agent, &folder.join(&file))?;
        all.update(serde_json::to_vec(&(&file, &sha256)).unwrap_or_default());
        sent.push((file, sha256));
    }
    match agent.ask(Ask::Arrange { name: hex(&all.finalize()), files: sent })? {
        (Answer::At(place), _) => Ok(place),
        _ => Err(Trouble {
            what: "arrange files".to_owned(),
            why: "its agent answered something else".to_owned(),
        }),
    }
}

/// These files of a folder, and all that is in those that are folders themselves, as bytes that are sent at once.
///
/// # Errors
/// When they cannot be read, or are too many.
pub(crate) fn pack(folder: &Path, files: &[PathBuf]) -> Result<Vec<u8>, Trouble> {
    let mut found = BTreeSet::new();
    for file in files {
        gather(folder, file, &mut found)?;
    }
    let length = |file: &PathBuf| fs::metadata(folder.join(file)).map(|file| file.len());
    let size = found.iter().map(length).sum::<io::Result<u64>>().map_err(|error| failed(folder, error))?;
    if size > MOST_PACKED {
        return Err(failed(folder, too_much(size)));
    }
    let files = local::read_files(folder, &found).map_err(|error| failed(folder, error))?;
    Ok(files::write(&files))
}

/// A file, or all that is in a folder.
fn gather(folder: &Path, file: &Path, found: &mut BTreeSet<PathBuf>) -> Result<(), Trouble> {
    let path = folder.join(file);
    let told = |error| failed(&path, error);
    let kind = fs::metadata(&path).map_err(told)?;
    if kind.is_file() {
        found.insert(file.to_owned());
        return if found.len() <= MOST_FILES { Ok(()) } else { Err(failed(folder, too_many())) };
    }
    if !kind.is_dir() {
        return Err(failed(&path, io::Error::other("it is neither a file nor a folder")));
    }
    for entry in fs::read_dir(&path).map_err(told)? {
        gather(folder, &file.join(entry.map_err(told)?.file_name()), found)?;
    }
    Ok(())
}

fn too_much(size: u64) -> io::Error {
    let (size, most) = (size.div_ceil(1 << 20), MOST_PACKED >> 20);
    io::Error::other(format!("what is named of it has {size} MiB, and {most} are sent at most"))
}

fn too_many() -> io::Error {
    io::Error::other(format!("it has more than {MOST_FILES} files: name those that are needed"))
}

fn name(file: &Path) -> String {
    file.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// Sends one, if it is not there; its hash.
fn send(agent: &Connection, path: &Path) -> Result<String, Trouble> {
    let failed = |error| failed(path, error);
    let sha256 = hash(path).map_err(failed)?;
    if matches!(agent.ask(Ask::HasFile { sha256: sha256.clone() })?, (Answer::Yes, _)) {
        return Ok(sha256);
    }
    let mut file = File::open(path).map_err(failed)?;
    let mut left = file.metadata().map_err(failed)?.len();
    loop {
        let mut part = Vec::with_capacity(PART);
        file.by_ref().take(PART as u64).read_to_end(&mut part).map_err(failed)?;
        left = left.saturating_sub(part.len() as u64);
        let last = left == 0 || part.is_empty();
        agent.send(Ask::File { sha256: sha256.clone(), last }, &part)?.wait()?;
        if last {
            return Ok(sha256);
        }
    }
}

fn hash(path: &Path) -> io::Result<String> {
    let mut hash = Sha256::new();
    let mut file = File::open(path)?;
    let mut part = vec![0; PART];
    loop {
        match file.read(&mut part)? {
            0 => return Ok(hex(&hash.finalize())),
            length => hash.update(&part[..length]),
        }
    }
}

fn in_folder(folder: Option<&Path>) -> Result<Vec<PathBuf>, Trouble> {
    let Some(folder) = folder else { return Ok(Vec::new()) };
    let entries = fs::read_dir(folder).map_err(|error| failed(folder, error))?;
    let mut files: Vec<PathBuf> =
        entries.flatten().map(|entry| entry.path()).filter(|path| path.is_file()).collect();
    files.sort();
    Ok(files)
}

#[expect(clippy::needless_pass_by_value, reason = "for `map_err`")]
fn failed(path: &Path, error: io::Error) -> Trouble {
    Trouble { what: format!("send {}", path.display()), why: error.to_string() }
}
