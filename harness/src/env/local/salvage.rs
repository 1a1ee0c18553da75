//! What is saved of a node on this machine before it goes.

use super::{LocalNode, core_file, data};
use crate::env::salvage::Salvage;
use duress_targets::ServerFiles;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// Most logs of its own that are kept of one node.
const MAX_LOGS: usize = 32;
/// Names that are looked at in one folder of logs.
const MAX_NAMES: usize = 1_000;

/// All of it, with no more than so many bytes of its data; `None` when the data stays where it is.
pub(super) fn of(node: &LocalNode, most_data: Option<usize>) -> Salvage {
    let mut salvage = Salvage::default();
    let files = {
        let mut server = node.server();
        server.reap(node.disk.as_ref());
        salvage.exits.extend(server.past.exits.iter().cloned());
        salvage.pids.extend(server.past.pids.iter().copied());
        server.files.clone()
    };
    keep_logs(node, &files, &mut salvage);
    let data_dir = node.dir.join("data");
    let name = &node.node.name;
    let work_dir = files.dir.as_ref().unwrap_or(&node.work_dir);
    let cores = node.host.among_its_files(|| Ok(core_file::open_all(&[work_dir, &data_dir])));
    for (at, (core, from)) in cores.unwrap_or_default().into_iter().enumerate() {
        // The first may lie there already, under the same name.
        let kept = if at == 0 { core.clone() } else { format!("{core}-{at}") };
        match keep(from, &node.dir.join(&kept)) {
            Ok(()) => salvage.cores.push(kept),
            Err(error) => {
                salvage.notes.push(format!("the core file of {name}, {core}, was not kept: {error}"));
            }
        }
    }
    if let Some(most) = most_data {
        match node.host.among_its_files(|| data::read(&data_dir, most)) {
            Ok(files) => salvage.data = Some(files),
            Err(error) => salvage.notes.push(format!("the data of {name} was not kept: {error}")),
        }
    }
    salvage
}

/// Copies what the servers wrote logs into.
fn keep_logs(node: &LocalNode, files: &ServerFiles, salvage: &mut Salvage) {
    let opened = node.host.among_its_files(|| Ok(files.logs.iter().map(|at| open_logs(at)).collect()));
    let opened: Vec<io::Result<Vec<_>>> = opened.unwrap_or_else(|error| vec![Err(error)]);
    let mut kept = 0;
    for (at, opened) in files.logs.iter().zip(opened) {
        let copied = opened.and_then(|logs| {
            for (name, from) in logs {
                kept += 1;
                if kept > MAX_LOGS {
                    return Err(io::Error::other(format!("there are more than {MAX_LOGS}")));
                }
                salvage.logs.push(copy_beside(from, &node.dir, &name)?);
            }
            Ok(())
        });
        if let Err(error) = copied {
            let (name, at) = (&node.node.name, at.display());
            salvage.notes.push(format!("the log of {name}, {at}, was not kept: {error}"));
        }
    }
}

/// A file, or those in a folder, with their names.
fn open_logs(at: &Path) -> io::Result<Vec<(String, File)>> {
    let mut paths: Vec<PathBuf> = if at.is_dir() {
        let entries = fs::read_dir(at)?.take(MAX_NAMES).flatten();
        entries
            .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_file()))
            .map(|entry| entry.path())
            .collect()
    } else {
        vec![at.to_owned()]
    };
    paths.sort();
    let open = |path: PathBuf| {
        // A pipe would be waited for.
        let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(&path)?;
        if !file.metadata()?.is_file() {
            return Err(io::Error::other("it is no file"));
        }
        Ok((path.file_name().unwrap_or_default().to_string_lossy().into_owned(), file))
    };
    paths.into_iter().map(open).collect()
}

/// Under its name, or one like it when there is a file of that name; under which.
fn copy_beside(mut from: File, dir: &Path, name: &str) -> io::Result<String> {
    for at in 0..=MAX_LOGS {
        let name = if at == 0 { name.to_owned() } else { format!("{name}-{at}") };
        match File::create_new(dir.join(&name)) {
            Ok(mut to) => return io::copy(&mut from, &mut to).map(|_| name),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::other("there are many of its name"))
}

/// Does nothing when it is there.
fn keep(mut from: File, to: &std::path::Path) -> io::Result<()> {
    match File::create_new(to) {
        Ok(mut to) => io::copy(&mut from, &mut to).map(drop),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}
