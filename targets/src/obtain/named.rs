//! A program that has to be there: a path, or a name on `PATH`. It is not fetched, and nobody asks it for
//! its version: what would make it say that is not known.

use super::tools::Tools;
use super::{ObtainError, Obtained, Request, binary};
use std::path::{Path, PathBuf};

/// The version of a program that is not asked for it.
pub const UNVERSIONED: &str = "unversioned";

/// Finds the program, or the one of the request instead. `place` says who names it: `my-db.toml:12`.
///
/// # Errors
/// When it is not there, or cannot be executed.
pub fn named(program: &Path, place: &str, request: &Request) -> Result<Obtained, ObtainError> {
    if request.version.is_some() || request.url.is_some() {
        return Err(ObtainError::Request(format!(
            "`{}` is a program that has to be there, in one version: give another by `--bin`",
            program.display()
        )));
    }
    let (program, place, source) = match &request.bin {
        Some(bin) => (std::path::absolute(bin).unwrap_or_else(|_| bin.clone()), "--bin", "given by --bin"),
        None => (program.to_owned(), place, "named by the target"),
    };
    let path = find(&program, place, request)?;
    let unfit = |error: std::io::Error| ObtainError::Unfit {
        path: path.clone(),
        server: "server".to_owned(),
        why: error.to_string(),
    };
    let sha256 = binary::sha256(&path).map_err(unfit)?;
    let version = UNVERSIONED.to_owned();
    Ok(Obtained { path, libraries: None, version, sha256, source: source.to_owned() })
}

/// Where a program is: a name without `/` is looked for on the request's `PATH`.
///
/// # Errors
/// When it is not there, or cannot be executed.
pub fn find(program: &Path, place: &str, request: &Request) -> Result<PathBuf, ObtainError> {
    let missing = |where_, fix| ObtainError::Missing {
        place: place.to_owned(),
        program: program.to_owned(),
        where_,
        fix,
    };
    if program.components().count() == 1 {
        let found = program.to_str().and_then(|name| Tools::new(&request.search).find(name));
        return found.ok_or_else(|| missing(" on PATH", "install it, or write its path"));
    }
    let path = std::path::absolute(program).map_err(|_| missing("", "check the path"))?;
    if !path.exists() {
        return Err(missing("", "check the path"));
    }
    if !super::tools::is_executable(&path) {
        return Err(missing(" that can be executed", "it has to be a file with permission: chmod +x"));
    }
    Ok(path)
}
