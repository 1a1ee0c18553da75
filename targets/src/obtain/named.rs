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
        Some(bin) => (bin.as_path(), "--bin", "given by --bin"),
        None => (program, place, "named by the target"),
    };
    let missing = |where_, fix| ObtainError::Missing {
        place: place.to_owned(),
        program: program.to_owned(),
        where_,
        fix,
    };
    let path = if request.bin.is_none() && program.components().count() == 1 {
        let found = program.to_str().and_then(|name| Tools::new(&request.search).find(name));
        found.ok_or_else(|| missing(" on PATH", "install it, or write its path"))?
    } else {
        let path: PathBuf = std::path::absolute(program).map_err(|_| missing("", "check the path"))?;
        if !path.exists() {
            return Err(missing("", "check the path"));
        }
        if !super::tools::is_executable(&path) {
            return Err(missing(" that can be executed", "it has to be a file with permission: chmod +x"));
        }
        path
    };
    let unfit = |error: std::io::Error| ObtainError::Unfit {
        path: path.clone(),
        server: "server".to_owned(),
        why: error.to_string(),
    };
    let sha256 = binary::sha256(&path).map_err(unfit)?;
    let version = UNVERSIONED.to_owned();
    Ok(Obtained { path, libraries: None, version, sha256, source: source.to_owned() })
}
