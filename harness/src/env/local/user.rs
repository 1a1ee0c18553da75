//! Whom a server runs as, where Duress is root: looked up among the node's own files, since an image has users
//! of its own, and given what the server has to write.
//!
//! Not here: who has which number (`targets`, `account`), and servers of an ordinary user's Duress, which run as
//! that user.

use duress_targets::Account;
use nix::unistd::{Gid, Uid, setgid, setgroups, setuid};
use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::fs::{MetadataExt as _, fchown, lchown};
use std::path::Path;

/// Most files in one data directory.
const MAX_FILES: usize = 1 << 20;

/// Whom a server runs as.
#[derive(Clone, Debug)]
pub(super) struct User(Account);

impl User {
    /// Whom `name` means to who sees these files.
    pub(super) fn find(name: &str, root: &Path) -> io::Result<Self> {
        Account::find(name, root).map(Self).map_err(io::Error::other)
    }

    /// Gives this user a data directory, with all that is in it, and the working directory, whose other files stay
    /// as they are.
    pub(super) fn give(&self, data: &Path, work: Option<&Path>) -> io::Result<()> {
        let may_not = |at: &&Path| at.metadata().is_ok_and(|folder| !self.may_enter(&folder));
        // The first on the way down is the one to be told.
        if let Some(closed) = data.ancestors().skip(1).filter(may_not).last() {
            let closed = closed.display();
            return Err(io::Error::other(format!(
                "user {} may not enter {closed}, on the way to its data; put the run elsewhere with --out",
                self.0.uid
            )));
        }
        work.map_or(Ok(()), |work| self.own(work))?;
        let mut left = vec![data.to_owned()];
        let mut seen = 0;
        while let Some(at) = left.pop() {
            seen += 1;
            if seen > MAX_FILES {
                return Err(io::Error::other(format!("its data has more than {MAX_FILES} files")));
            }
            self.own(&at)?;
            if at.symlink_metadata()?.is_dir() {
                left.extend(
                    fs::read_dir(&at)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?,
                );
            }
        }
        Ok(())
    }

    /// Gives this user a file that is open: what is opened by `/dev/stdout` is opened anew.
    pub(super) fn give_open(&self, file: &File) -> io::Result<()> {
        fchown(file, Some(self.0.uid), Some(self.0.gid))
    }

    /// The calling process becomes this user. System calls only, for a child between fork and exec.
    pub(super) fn assume(&self, groups: &[Gid]) -> nix::Result<()> {
        setgroups(groups)?;
        setgid(Gid::from_raw(self.0.gid))?;
        setuid(Uid::from_raw(self.0.uid))
    }

    /// All groups, for [`Self::assume`], which may not allocate.
    pub(super) fn groups(&self) -> Vec<Gid> {
        self.0.groups.iter().chain([&self.0.gid]).copied().map(Gid::from_raw).collect()
    }

    /// Never through a link, which may lead out of the directory.
    fn own(&self, at: &Path) -> io::Result<()> {
        let is = at.symlink_metadata()?;
        if (is.uid(), is.gid()) == (self.0.uid, self.0.gid) {
            return Ok(());
        }
        lchown(at, Some(self.0.uid), Some(self.0.gid))
    }

    fn may_enter(&self, folder: &Metadata) -> bool {
        let shift = if folder.uid() == self.0.uid {
            6
        } else if folder.gid() == self.0.gid || self.0.groups.contains(&folder.gid()) {
            3
        } else {
            0
        };
        self.0.uid == 0 || folder.mode() >> shift & 1 == 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_may_not_come_to_the_data_is_told_where_the_way_ends() {
        use std::os::unix::fs::PermissionsExt as _;
        let top = tempfile::tempdir().expect("a directory");
        let closed = top.path().join("closed");
        fs::create_dir_all(closed.join("data/sub")).expect("made");
        fs::set_permissions(top.path(), fs::Permissions::from_mode(0o755)).expect("a mode");
        fs::set_permissions(&closed, fs::Permissions::from_mode(0o700)).expect("a mode");
        let stranger = User(Account { uid: 54_321, gid: 54_321, groups: Vec::new() });
        let error = stranger.give(&closed.join("data"), None).expect_err("closed").to_string();
        assert!(error.contains(&format!("may not enter {}", closed.display())), "{error}");
        // What is given to who has it already needs no rights, and follows no links.
        let me =
            Account { uid: Uid::effective().as_raw(), gid: Gid::effective().as_raw(), groups: Vec::new() };
        std::os::unix::fs::symlink("/etc/passwd", closed.join("data/sub/link")).expect("a link");
        User(me).give(&closed.join("data"), Some(&closed)).expect("given");
    }
}
