//! Where control groups of memory can be made: version 1 or 2, whichever limits memory on this machine.
//!
//! Nothing of what is there is changed: where version 2 does not hand the control of memory down, it is
//! not told to.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// A version of control groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    One,
    Two,
}

/// A group below which there may be ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) version: Version,
    pub(super) dir: PathBuf,
}

/// Those of this process and above, the nearest first: who may not make groups in one may be allowed to
/// further up, or the other way round.
pub(super) fn places() -> io::Result<Vec<Place>> {
    let (mounts, own) =
        (fs::read_to_string("/proc/self/mountinfo")?, fs::read_to_string("/proc/self/cgroup")?);
    let hands_down = |place: &Place| match place.version {
        Version::One => true,
        Version::Two => fs::read_to_string(place.dir.join("cgroup.subtree_control"))
            .is_ok_and(|handed| handed.split_whitespace().any(|control| control == "memory")),
    };
    Ok(named(&mounts, &own).into_iter().filter(hands_down).collect())
}

/// What `mountinfo` and `cgroup` of a process say.
fn named(mounts: &str, own: &str) -> Vec<Place> {
    let place = |line: &str| {
        let (mount, kind) = line.split_once(" - ")?;
        let mut mount = mount.split(' ').skip(3);
        let (root, at) = (mount.next()?, Path::new(mount.next()?));
        let mut kind = kind.split(' ');
        let version = match (kind.next()?, kind.nth(1)?) {
            ("cgroup", options) if options.split(',').any(|option| option == "memory") => Version::One,
            ("cgroup2", _) => Version::Two,
            _ => return None,
        };
        let own = own.lines().find_map(|line| group(line, version))?;
        // One that is outside of what is mounted is not to be seen.
        let below = Path::new(own).strip_prefix(root).unwrap_or(Path::new(""));
        Some(at.join(below).ancestors().take_while(|dir| dir.starts_with(at)).map(Path::to_owned).collect())
            .map(|dirs: Vec<PathBuf>| (version, dirs))
    };
    let found = mounts.lines().filter_map(place);
    found.flat_map(|(version, dirs)| dirs.into_iter().map(move |dir| Place { version, dir })).collect()
}

/// The group that a line of `/proc/self/cgroup` is about, if it limits memory in this version.
fn group(line: &str, version: Version) -> Option<&str> {
    let (_, rest) = line.split_once(':')?;
    let (controls, path) = rest.split_once(':')?;
    let is_it = match version {
        Version::One => controls.split(',').any(|control| control == "memory"),
        Version::Two => controls.is_empty(),
    };
    is_it.then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_found_from_the_own_group_upwards() {
        let mounts = "30 23 0:28 / /sys rw shared:1 - sysfs sysfs rw\n\
                      35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n\
                      36 31 0:33 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu\n\
                      41 31 0:38 /user.slice /sys/fs/cgroup/unified rw shared:4 - cgroup2 cgroup2 rw\n";
        let own = "8:cpu:/\n4:memory:/a/b\n0::/user.slice/user-7.slice\n";
        let expected = [
            (Version::One, "/sys/fs/cgroup/memory/a/b"),
            (Version::One, "/sys/fs/cgroup/memory/a"),
            (Version::One, "/sys/fs/cgroup/memory"),
            (Version::Two, "/sys/fs/cgroup/unified/user-7.slice"),
            (Version::Two, "/sys/fs/cgroup/unified"),
        ];
        let expected = expected.map(|(version, dir)| Place { version, dir: dir.into() });
        assert_eq!(named(mounts, own), expected);
        assert_eq!(named(mounts, "1:cpu:/\n"), []);
        // The own group may be out of sight.
        let elsewhere = named(mounts, "0::/../other");
        assert_eq!(elsewhere, [expected[4].clone()]);
    }
}
