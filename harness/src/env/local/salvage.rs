//! What is saved of a node on this machine before it goes.

use super::{LocalNode, core_file, data};
use crate::env::salvage::Salvage;
use std::fs::File;
use std::io;

/// All of it, with no more than so many bytes of its data; `None` when the data stays where it is.
pub(super) fn of(node: &LocalNode, most_data: Option<usize>) -> Salvage {
    let mut salvage = Salvage::default();
    {
        let mut server = node.server();
        server.reap(node.disk.as_ref());
        salvage.exits.extend(server.past.exits.iter().cloned());
        salvage.pids.extend(server.past.pids.iter().copied());
    }
    let data_dir = node.dir.join("data");
    let name = &node.node.name;
    let cores = node.host.among_its_files(|| Ok(core_file::open_all(&[&node.work_dir, &data_dir])));
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

/// Does nothing when it is there.
fn keep(mut from: File, to: &std::path::Path) -> io::Result<()> {
    match File::create_new(to) {
        Ok(mut to) => io::copy(&mut from, &mut to).map(drop),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}
