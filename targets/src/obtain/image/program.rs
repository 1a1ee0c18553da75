//! A program of an image: found where the container would find it, without going into it.

use super::Image;
use crate::obtain::{ObtainError, Obtained, UNVERSIONED, binary, tools};
use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};

/// Where programs are looked for when the image does not say; as engines do.
const SEARCH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// Links that are followed on the way to one file, as the kernel's limit.
const MAX_LINKS: usize = 40;

/// Finds a program, a path in the image or a name on its own `PATH`. Its path is the one in the image.
/// `place` says who names it: `my-db.toml:12`.
///
/// # Errors
/// When it is not there, or cannot be executed.
pub fn program(image: &Image, program: &Path, place: &str) -> Result<Obtained, ObtainError> {
    let missing = |where_, fix| ObtainError::Missing {
        place: place.to_owned(),
        program: program.to_owned(),
        where_,
        fix,
    };
    let names: Vec<PathBuf> = if program.is_absolute() {
        vec![program.to_owned()]
    } else if program.components().count() == 1 {
        let path = image.defaults.env.iter().find(|(name, _)| name == "PATH");
        let search = path.map_or(SEARCH, |(_, search)| search);
        search.split(':').map(|dir| Path::new(dir).join(program)).collect()
    } else {
        return Err(missing(" in the image", "write its whole path there, or its name"));
    };
    let there = |name: PathBuf| Some((inside(&image.root, &name)?, name)).filter(|(file, _)| file.is_file());
    let found = names.into_iter().find_map(there);
    let (file, path) = found.ok_or_else(|| missing(" in the image", "see what is in it: tar -tf"))?;
    if !tools::is_executable(&file) {
        return Err(missing(" in the image that can be executed", "it has to be a file with permission"));
    }
    let unfit = |error: std::io::Error| ObtainError::Image { path: file.clone(), why: error.to_string() };
    let sha256 = binary::sha256(&file).map_err(unfit)?;
    let source = format!("in the files of an image, {}", image.root.display());
    Ok(Obtained { path, libraries: None, version: UNVERSIONED.to_owned(), sha256, source })
}

/// Where a path of the image is outside, with links followed as the container would; `None` when nothing
/// is there.
fn inside(root: &Path, path: &Path) -> Option<PathBuf> {
    let mut at = root.to_owned();
    let mut todo = parts(path);
    let mut links = 0;
    while let Some(part) = todo.pop() {
        if part == ".." {
            if at != root {
                at.pop();
            }
            continue;
        }
        at.push(part);
        if at.symlink_metadata().ok()?.is_symlink() {
            links += 1;
            let to = at.read_link().ok().filter(|_| links <= MAX_LINKS)?;
            at.pop();
            if to.is_absolute() {
                at = root.to_owned();
            }
            todo.extend(parts(&to));
        }
    }
    Some(at)
}

/// The parts of a path, the last one first.
pub(super) fn parts(path: &Path) -> Vec<OsString> {
    let part = |part: Component<'_>| match part {
        Component::Normal(_) | Component::ParentDir => Some(part.as_os_str().to_owned()),
        Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
    };
    path.components().rev().filter_map(part).collect()
}
