//! Sends a server's files to a host, those that it does not have.

use super::Server;
use super::connection::Connection;
use super::wire::{self, Answer, Ask, Trouble};
use crate::env::remote::binary::hex;
use sha2::{Digest as _, Sha256};
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

/// Bytes in one message.
const PART: usize = 1 << 20;

/// Sends a server's files; what the host has to know of them.
pub(super) fn server(agent: &Connection, server: &Server) -> Result<wire::Server, Trouble> {
    let program = send(agent, &server.program)?;
    let name = server.program.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let mut libraries = Vec::new();
    for library in in_folder(server.libraries.as_deref())? {
        let name = library.file_name().unwrap_or_default().to_string_lossy().into_owned();
        libraries.push((name, send(agent, &library)?));
    }
    Ok(wire::Server {
        program,
        name,
        libraries,
        args: server.args.clone(),
        env: server.env.clone(),
        log_name: String::new(),
        clocks: false,
    })
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
