//! Users of a root file system, this machine's or an image's, as its `/etc` knows them.

use std::fs;
use std::io;
use std::path::Path;

/// Most bytes of a file of users or groups that are read.
const MAX_BYTES: u64 = 1 << 20;

/// A user, as the kernel has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// The user's number.
    pub uid: u32,
    /// The group's.
    pub gid: u32,
    /// Groups that count besides.
    pub groups: Vec<u32>,
}

impl Account {
    /// Whom `name` means where this is the root directory: `postgres`, `999`, `postgres:daemon` or `999:1`, as in
    /// an image's `USER`.
    ///
    /// # Errors
    /// When there is none, with what to do, or the files cannot be read.
    pub fn find(name: &str, root: &Path) -> Result<Self, String> {
        let read = |file: &str| {
            let path = root.join(file);
            match fs::metadata(&path) {
                Ok(metadata) if metadata.len() > MAX_BYTES => {
                    Err(format!("/{file} has more than {MAX_BYTES} bytes; give numbers, 999:999"))
                }
                Ok(_) => fs::read_to_string(path).map_err(|error| format!("/{file} cannot be read: {error}")),
                // An image need not have it: there are numbers.
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
                Err(error) => Err(format!("/{file} cannot be read: {error}")),
            }
        };
        find(name, &read("etc/passwd")?, &read("etc/group")?)
    }
}

/// In the files `passwd` and `group`.
fn find(name: &str, passwd: &str, group: &str) -> Result<Account, String> {
    let (name, asked_group) = name.split_once(':').map_or((name, None), |(name, group)| (name, Some(group)));
    let number = |text: &str| text.parse::<u32>().ok();
    let lines = |text: &'_ str| -> Vec<Vec<String>> {
        text.lines().map(|line| line.split(':').map(str::to_owned).collect()).collect()
    };
    let (users, groups) = (lines(passwd), lines(group));
    let called = |name: &str, line: &[String]| {
        line.first().is_some_and(|first| first == name)
            || line.get(2).is_some_and(|id| number(id).is_some() && number(id) == number(name))
    };
    let user = users.iter().find(|line| called(name, line));
    let id_of = |line: &[String], at: usize| line.get(at).and_then(|id| number(id));
    let uid = user.and_then(|line| id_of(line, 2)).or_else(|| number(name)).ok_or_else(|| {
        format!("there is no user `{name}` in /etc/passwd; give a number, or make it there")
    })?;
    let gid = match asked_group {
        Some(asked) => groups
            .iter()
            .find(|line| called(asked, line))
            .and_then(|line| id_of(line, 2))
            .or_else(|| number(asked))
            .ok_or_else(|| {
                format!("there is no group `{asked}` in /etc/group; give a number, or make it there")
            })?,
        // As container engines have it, one who is but a number is in root's group.
        None => user.and_then(|line| id_of(line, 3)).unwrap_or(0),
    };
    // Members are called by name; who is named with a group has that one alone.
    let called = user.and_then(|line| line.first()).filter(|_| asked_group.is_none());
    let has = |line: &[String]| {
        line.get(3).zip(called).is_some_and(|(members, user)| members.split(',').any(|member| member == user))
    };
    let groups = groups.iter().filter(|line| has(line)).filter_map(|line| id_of(line, 2)).collect();
    Ok(Account { uid, gid, groups })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\npostgres:x:101:103::/var/lib/postgresql:/bin/sh\n";
    const GROUP: &str = "root:x:0:\ndaemon:x:1:\nssl-cert:x:108:www,postgres\npostgres:x:103:\n";

    #[test]
    fn users_are_names_or_numbers_and_may_have_a_group() {
        let user = |uid, gid, groups: &[u32]| Ok(Account { uid, gid, groups: groups.to_owned() });
        assert_eq!(find("postgres", PASSWD, GROUP), user(101, 103, &[108]));
        assert_eq!(find("101", PASSWD, GROUP), user(101, 103, &[108]));
        assert_eq!(find("postgres:daemon", PASSWD, GROUP), user(101, 1, &[]));
        assert_eq!(find("101:7", PASSWD, GROUP), user(101, 7, &[]));
        // Nobody knows it, as in an image without those files.
        assert_eq!(find("999", "", ""), user(999, 0, &[]));
        assert_eq!(find("0", PASSWD, GROUP), user(0, 0, &[]));
        for unknown in ["pg", "", "postgres:pg", "-1", "postgres:"] {
            let error = find(unknown, PASSWD, GROUP).expect_err(unknown);
            assert!(error.starts_with("there is no "), "{error}");
        }
    }
}
