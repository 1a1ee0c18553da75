//! What befalls files while no server runs on them.

use super::content::Content;
use super::tree::{Ino, Tree};
use super::volume::Volume;
use crate::env::disk::{Damage, looks_like};
use duress_workloads::Rng;

/// Does the damage. In words what came of it; an error when there was nothing to damage.
pub(super) fn inflict(volume: &mut Volume, damage: &Damage, rng: &Rng) -> Result<String, String> {
    let mut rng = rng.split("damage");
    // What was in the page cache is not what is damaged, and must not come back later.
    volume.write_back();
    let before = volume.now();
    let mut after = before.clone();
    let told = match damage {
        Damage::BitFlips { files, count } => {
            let files = nonempty(before, files)?;
            let total: u64 = files.iter().map(|(_, _, size)| size).sum();
            for _ in 0..*count {
                let (mut at, bit) = (rng.below(total), rng.bits() as u32);
                for &(_, ino, size) in &files {
                    if at < size {
                        on(&mut after, ino, |content| content.flip(at, bit));
                        break;
                    }
                    at -= size;
                }
            }
            format!("{count} bits flipped in {}", names(&files))
        }
        Damage::Truncate { files, percent } => {
            let files = nonempty(before, files)?;
            for &(_, ino, size) in &files {
                on(&mut after, ino, |content| content.resize(size * u64::from(*percent) / 100));
            }
            format!("{} cut to {percent} %", names(&files))
        }
        Damage::Zero { files, kib } => {
            let files = nonempty(before, files)?;
            for &(_, ino, size) in &files {
                let len = (u64::from(*kib) * 1024).min(size);
                let (from, zeros) = (rng.below(size - len + 1), vec![0; len as usize]);
                on(&mut after, ino, |content| content.write(from, &zeros));
            }
            format!("{kib} KiB zeroed in {}", names(&files))
        }
        Damage::Rollback => {
            after = volume.snapshot().clone();
            "the directory is as it was a few seconds of work ago".to_owned()
        }
    };
    if contents(&after) == contents(before) {
        return Err(format!("{told}: that changed nothing"));
    }
    volume.restart_from(after);
    Ok(told)
}

/// The files that look like this and hold something that is not zero, with how far that goes: servers
/// reserve files of which most is never written, and damage there is none.
fn nonempty(tree: &Tree, pattern: &str) -> Result<Vec<(String, Ino, u64)>, String> {
    let size = |ino| tree.content(ino).map_or(0, Content::written);
    let files: Vec<_> = tree
        .files()
        .into_iter()
        .filter(|(path, _)| looks_like(path, pattern))
        .map(|(path, ino)| (path, ino, size(ino)))
        .filter(|&(_, _, size)| size > 0)
        .collect();
    if files.is_empty() { Err(format!("no file like {pattern} holds anything")) } else { Ok(files) }
}

fn on(tree: &mut Tree, ino: Ino, damage: impl FnOnce(&mut Content)) {
    if let Some(content) = tree.content_mut(ino) {
        damage(content);
    }
}

fn contents(tree: &Tree) -> Vec<(String, Option<&Content>)> {
    tree.files().into_iter().map(|(path, ino)| (path, tree.content(ino))).collect()
}

fn names(files: &[(String, Ino, u64)]) -> String {
    files.iter().map(|(path, _, _)| path.as_str()).collect::<Vec<_>>().join(" ")
}
