//! What the commands of a target's file need where its nodes are, or its clients, when that is not this machine:
//! programs that have to be there, and files beside the file, which are brought there.
//!
//! A file is brought if a command names it, by `{here}/FILE` or as a program `./FILE`; so the same file of a
//! target does on hosts what it does here. Clients work in the directory of the file, so what is a file when it
//! is seen from there is one that their command names, too.

use super::probe::{Health, Question};
use super::template::Scene;
use super::{Clients, Command, Meaning, Stop};
use crate::{Named, Needs};
use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

/// What `{here}` is filled with, to be found again: no path has it.
const MARK: &str = "\0";

/// What all commands of the nodes need, and the variables of their environment.
pub(super) fn of(meaning: &Meaning, settings: &BTreeMap<String, String>) -> Needs {
    let mut needs = Needs { folder: meaning.here.clone(), ..Needs::default() };
    if meaning.rootfs.is_some() {
        return needs;
    }
    let scene = Scene { cluster: &[], node: None, data: Path::new(""), here: Path::new(MARK), settings };
    let (helpers, servers) = (helpers(meaning), [Some(&meaning.start), meaning.first.as_ref()]);
    for command in servers.into_iter().flatten().chain(helpers.iter().copied()) {
        for word in command.words.iter().flat_map(|word| word.words(scene)) {
            needs.files.extend(named(&word, &command.place));
        }
        let program = command.words.first().map(|word| word.fill(scene)).unwrap_or_default();
        if program.contains('/') && !program.starts_with(['/', '\0']) {
            needs.files.push(Named { path: plain(Path::new(&program)), place: command.place.clone() });
        } else if helpers.iter().any(|helper| std::ptr::eq(*helper, command)) && !program.starts_with(MARK) {
            needs.programs.push(Named { path: program.into(), place: command.place.clone() });
        }
    }
    for (name, value) in &meaning.env {
        needs.files.extend(named(&value.fill(scene), &format!("`{name}` in [server] env")));
    }
    needs
}

/// What client programs need. Their program is looked for where they are.
pub(super) fn of_clients(meaning: &Meaning, settings: &BTreeMap<String, String>) -> Needs {
    let mut needs = Needs { folder: meaning.here.clone(), ..Needs::default() };
    let Clients::Programs { command, env, files, .. } = &meaning.clients else { return needs };
    let scene = Scene { cluster: &[], node: None, data: Path::new(""), here: Path::new(MARK), settings };
    for (at, word) in command.words.iter().map(|word| word.fill(scene)).enumerate() {
        needs.files.extend(named(&word, &command.place));
        // A program without `/` is looked for on `PATH`, whatever is beside the file.
        let is_path = at > 0 || word.contains('/');
        if is_path && is_beside(&meaning.here, &word) {
            needs.files.push(Named { path: plain(Path::new(&word)), place: command.place.clone() });
        }
    }
    for (name, value) in env {
        needs.files.extend(named(&value.fill(scene), &format!("`{name}` in [client] env")));
    }
    needs.files.extend(files.iter().cloned());
    needs
}

/// Is it a file or a folder, seen from this folder, and in it?
fn is_beside(folder: &Path, word: &str) -> bool {
    let path = plain(Path::new(word));
    let inside = path.components().all(|part| matches!(part, Component::Normal(_)));
    inside && path != Path::new("") && folder.join(path).exists()
}

/// The commands besides the servers' own.
fn helpers(meaning: &Meaning) -> Vec<&Command> {
    let stop = match &meaning.stop {
        Some(Stop::Command(command)) => Some(command),
        _ => None,
    };
    let health = match &meaning.health {
        Health::Answers { question, .. } => asks(question),
        Health::Connects(_) => None,
    };
    let leader = meaning.leader.as_ref().and_then(|leader| asks(&leader.question));
    [stop, meaning.version.as_ref(), health, leader].into_iter().flatten().collect()
}

const fn asks(question: &Question) -> Option<&Command> {
    match question {
        Question::Command(command) => Some(command),
        Question::Url(_) | Question::Sent { .. } => None,
    }
}

/// The files that a word names, in which [`MARK`] stands for the directory of the file. A path ends where a
/// shell or a list would end it.
fn named(word: &str, place: &str) -> Vec<Named> {
    let part_of_path = |c: char| c.is_alphanumeric() || "/._-+@%~".contains(c);
    let paths = word.split(MARK).skip(1).map(|rest| {
        let end = rest.find(|c| !part_of_path(c)).unwrap_or(rest.len());
        Named { path: plain(Path::new(rest[..end].trim_start_matches('/'))), place: place.to_owned() }
    });
    paths.collect()
}

/// Without what leads nowhere: `./x` is `x`.
pub(super) fn plain(path: &Path) -> PathBuf {
    path.components().filter(|part| *part != Component::CurDir).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_beside_the_file_are_found_in_words() {
        for (word, files) in [
            ("--config=\0/conf/a.toml", vec!["conf/a.toml"]),
            ("exec python3 \0/serve.py --x=\0/y,\0/./z", vec!["serve.py", "y", "z"]),
            ("\0", vec![""]),
            ("/etc/passwd", vec![]),
        ] {
            let found: Vec<PathBuf> = named(word, "").into_iter().map(|named| named.path).collect();
            assert_eq!(found, files.iter().map(PathBuf::from).collect::<Vec<_>>(), "{word}");
        }
    }
}
