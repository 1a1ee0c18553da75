//! A node's root file system when it is an image's and not this machine's: the image's files, which
//! nobody changes, below; what the node itself writes in memory above them (overlayfs).
//!
//! Not here: how an image becomes a folder (`targets`, `obtain::image`).

use super::Rootfs;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::unistd::{chdir, pivot_root};
use std::fs::{self, File};
use std::io;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

/// Where this machine's root is while the node's is made.
const OLD: &str = ".duress-old";

/// What every host takes over from this machine: without them few programs start. Of `/proc` another one
/// is mounted over it where that is allowed.
const MACHINE: [&str; 3] = ["/dev", "/proc", "/sys"];

/// What makes it possible.
pub(super) const FIX: &str = "Linux 5.11 or later; modprobe overlay; in a container: --privileged";

/// Makes it the root of the calling thread's mount namespace, which is its own and private. The data
/// directory is seen in it under the same name, with whatever is mounted there, and a file for `/etc/hosts`.
///
/// `staging` is an empty folder. It is empty again afterwards, and needed no longer.
pub(super) fn enter(rootfs: &Rootfs, staging: &Path, data_dir: &Path, hosts_file: &Path) -> io::Result<()> {
    // Links on the way would lead elsewhere once this machine's root is somewhere else.
    let machine = MACHINE.iter().map(Path::new).filter(|at| at.is_dir());
    let mut wanted: Vec<_> = machine.map(|at| (at.to_owned(), at, Place::Folder)).collect();
    // What lies in `/dev/shm` comes with `/dev`; mounting it there again would ask a disk for which nobody
    // answers yet whether it is a folder.
    if !MACHINE.iter().any(|at| data_dir.starts_with(at)) {
        wanted.push((above(data_dir)?, data_dir, Place::Folder));
    }
    wanted.push((hosts_file.canonicalize()?, Path::new("/etc/hosts"), Place::File));
    let lower = File::open(&rootfs.root).map_err(|e| step("open the image's root", e))?;

    mount(Some("tmpfs"), staging, Some("tmpfs"), MsFlags::empty(), Some("mode=0755"))
        .map_err(|e| step("mount a tmpfs for what the node writes", e))?;
    // Paths in the options of a mount must not have commas, so none of the user's is among them.
    chdir(staging)?;
    ["upper", "work", "root"].iter().try_for_each(fs::create_dir)?;
    let lower = format!("/proc/self/fd/{}", lower.as_raw_fd());
    // Another user's namespace may not set the attributes that overlayfs uses otherwise.
    let attributes = if in_first_user_namespace() { "" } else { ",userxattr" };
    let options = format!("lowerdir={lower},upperdir=upper,workdir=work{attributes}");
    mount(Some("overlay"), "root", Some("overlay"), MsFlags::empty(), Some(options.as_str()))
        .map_err(|e| step(&format!("mount the image's files ({FIX})"), e))?;

    let old = Path::new("root").join(OLD);
    fs::create_dir(&old)?;
    pivot_root("root", &old).map_err(|e| step("change the root", e))?;
    chdir("/")?;
    let old = Path::new("/").join(OLD);
    for (from, at, place) in &wanted {
        let from = old.join(from.strip_prefix("/").unwrap_or(from));
        bind(&from, at, *place).map_err(|e| step(&format!("mount {} in the image", at.display()), e))?;
    }
    umount2(&old, MntFlags::MNT_DETACH).map_err(|e| step("leave this machine's root", e))?;
    fs::remove_dir(old)
}

/// What is mounted on.
#[derive(Clone, Copy)]
enum Place {
    Folder,
    File,
}

/// The same path without links. The folder itself is not looked at: nobody answers yet for a disk of our own
/// that is mounted there.
fn above(folder: &Path) -> io::Result<PathBuf> {
    match (folder.parent(), folder.file_name()) {
        (Some(parent), Some(name)) => Ok(parent.canonicalize()?.join(name)),
        _ => Err(io::Error::other("the root is no place for data")),
    }
}

/// Where nothing is yet, a place is made. Links are the image's own by now, and lead nowhere else.
fn bind(from: &Path, at: &Path, place: Place) -> io::Result<()> {
    match place {
        Place::Folder => fs::create_dir_all(at)?,
        Place::File if at.exists() => {}
        Place::File => {
            at.parent().map_or(Ok(()), fs::create_dir_all)?;
            File::create(at)?;
        }
    }
    Ok(mount(Some(from), at, None::<&str>, MsFlags::MS_BIND | MsFlags::MS_REC, None::<&str>)?)
}

/// Its map is the whole range of numbers, each to itself.
fn in_first_user_namespace() -> bool {
    let map = fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    map.split_whitespace().eq(["0", "0", "4294967295"])
}

fn step(what: &str, error: impl Into<io::Error>) -> io::Error {
    let error = error.into();
    io::Error::new(error.kind(), format!("cannot {what}: {error}"))
}
