//! Servers that run as somebody else: what they have to write is theirs, whatever it is on and however it came
//! there.

use super::{Setting, config, eventually};
use duress::env::local::{Data, Disks, Local, ServerCommand};
use duress::env::{Environment, Stop};
use nix::unistd::Uid;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Nobody on most machines, and known to no `/etc/passwd` that the test has made.
const SOMEBODY: &str = "65534:65534";

/// Says who it is and adds a line to a file that only its owner may write, in a folder of the same kind; its last
/// word is said where servers in images say all of theirs.
const SCRIPT: &str = "umask 077; mkdir -p $DATA/own; id -u >> $DATA/own/file; echo here > core; id -u; \
                      cat $DATA/own/file | tr '\\n' ' '; echo done >> /dev/stdout; exec sleep 1000";

pub(super) fn a_server_runs_as_whom_it_is_told(setting: &Setting) {
    let faulty = if setting.fuse { Disks::Faulty { direct_reads: false } } else { Disks::Plain };
    for (data, disks) in [(Data::Memory, Disks::Plain), (Data::Disk, Disks::Plain), (Data::Memory, faulty)] {
        let dir = tempfile::tempdir().expect("a folder");
        fs::set_permissions(dir.path(), Permissions::from_mode(0o755)).expect("open to others");
        let at = Local::data_dir(dir.path(), &Local::addresses(1)[0]);
        let mut config = config(setting.ports, dir.path(), 1, SCRIPT, data);
        config.disks = disks;
        config.servers[0].env.push(("DATA".into(), at.display().to_string()));
        config.servers[0].user = Some(SOMEBODY.into());
        let cluster = Local::create(setting.privilege, config).expect("a cluster");
        let log = || fs::read_to_string(dir.path().join("n1/server.log")).unwrap_or_default();
        let who = if Uid::effective().is_root() { "65534".to_owned() } else { Uid::effective().to_string() };
        let ends = |times: usize| format!("{}done", format!("{who} ").repeat(times));

        cluster.start(0).unwrap_or_else(|error| panic!("{error}"));
        eventually("it writes as who it is", || log().contains(&ends(1)));
        // What is put in its place is written by us.
        cluster.stop(0, Stop::Kill).expect("stopped");
        let older = cluster.copy_data(0).expect("copied");
        cluster.replace_data(0, &older).expect("replaced");
        cluster.start(0).unwrap_or_else(|error| panic!("{error}"));
        eventually("it still has what it wrote", || log().contains(&ends(2)));
        assert_eq!(log().lines().next(), Some(who.as_str()));
        assert!(!log().contains("denied"), "{}", log());
    }
}

pub(super) fn whom_nobody_knows_or_who_may_not_come_in_is_told(setting: &Setting) {
    let dir = tempfile::tempdir().expect("a folder");
    fs::set_permissions(dir.path(), Permissions::from_mode(0o700)).expect("closed to others");
    let refused = |user: &str, work_dir: &Path| {
        let mut config = config(setting.ports, work_dir, 1, "exec sleep 1000", Data::Memory);
        let command = config.servers.remove(0);
        config.servers.push(ServerCommand { user: Some(user.into()), ..command });
        let cluster = Local::create(setting.privilege, config).expect("a cluster");
        cluster.start(0).err().map(|error| error.to_string())
    };
    let unknown = refused("no-such-user", &dir.path().join("a"));
    let closed = refused(SOMEBODY, &dir.path().join("b"));
    if !Uid::effective().is_root() {
        // There is one only.
        assert_eq!((unknown, closed), (None, None));
        return;
    }
    let (unknown, closed) = (unknown.expect("refused"), closed.expect("refused"));
    assert!(unknown.contains("there is no user `no-such-user`"), "{unknown}");
    assert!(closed.contains(&format!("may not enter {}", dir.path().display())), "{closed}");
}
