//! A program file: what it says it is, and its digest.

use super::{Recipe, libraries, tools};
use sha2::{Digest as _, Sha256};
use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// A program that takes longer to say its version is not the one.
const VERSION_LIMIT: Duration = Duration::from_secs(10);
/// Longer than any version.
const MAX_VERSION: usize = 64;

/// Asks the program, which may have libraries of its own, for its version. `Err` says why it will
/// not do.
pub(super) fn version(recipe: &Recipe, program: &Path, folder: Option<&Path>) -> Result<String, String> {
    let mut command = Command::new(program);
    command.args(recipe.version_args).envs(recipe.env.iter().copied()).envs(libraries::env(folder));
    let printed = tools::run(&mut command, VERSION_LIMIT).map_err(|why| match foreign(program) {
        Some(machine) => {
            format!("it is built for {machine}, and this machine is {}", std::env::consts::ARCH)
        }
        None => why,
    })?;
    printed
        .lines()
        .find_map(|line| line.trim().strip_prefix(recipe.version_prefix))
        .and_then(|rest| rest.split_whitespace().next())
        .filter(|version| is_version(version))
        .map(str::to_owned)
        .ok_or_else(|| {
            let asked = recipe.version_args.join(" ");
            format!("asked `{asked}`, it does not answer `{}<version>`", recipe.version_prefix)
        })
}

/// Can this be a version? It becomes part of file names and URLs.
pub(super) fn is_version(text: &str) -> bool {
    text.len() <= MAX_VERSION
        && text.starts_with(|c: char| c.is_ascii_digit())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b".-+~".contains(&b))
}

/// SHA-256 of a file, in hexadecimal.
pub(super) fn sha256(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        match file.read(&mut buffer)? {
            0 => break,
            n => hash.update(&buffer[..n]),
        }
    }
    Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

/// The processor that an ELF file is built for, if it is not ours.
///
/// Only asked once the program has failed: the kernel may well run foreign ones (binfmt).
fn foreign(program: &Path) -> Option<String> {
    let mut header = [0; 20];
    File::open(program).ok()?.read_exact(&mut header).ok()?;
    if !header.starts_with(b"\x7fELF") {
        return None;
    }
    // `e_machine`, in the byte order that `EI_DATA` names.
    let machine = [header[18], header[19]];
    let machine = if header[5] == 2 { u16::from_be_bytes(machine) } else { u16::from_le_bytes(machine) };
    let name = match machine {
        3 => "x86",
        21 => "powerpc64",
        22 => "s390x",
        40 => "arm",
        62 => "x86_64",
        183 => "aarch64",
        243 => "riscv64",
        other => return Some(format!("ELF machine {other}")),
    };
    (name != std::env::consts::ARCH).then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_told_from_paths() {
        for good in ["3.5.1", "3.4.23", "3.6.0-rc.1", "7"] {
            assert!(is_version(good), "{good}");
        }
        for bad in ["", "../3", "3/4", "latest", "3 4", "3.5.1\n", "-3", &"3".repeat(65)] {
            assert!(!is_version(bad), "{bad}");
        }
    }

    #[test]
    fn the_digest_is_that_of_sha256sum() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), "abc").expect("written");
        assert_eq!(
            sha256(file.path()).expect("read"),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }
}
