//! Nodes whose memory runs out, by the kernel's own account: they are ended by it, all of them and
//! nobody else, they come back without any limit, and nothing of it remains.

use super::remains::{killed_owner, nothing_is_left_since, traces_at_rest};
use super::{Cluster, FAMILY, FAMILY_SIZE, Setting, eventually, is_complete, namespace, pid, processes_in};
use duress::env::local::heal::sweep;
use duress::env::local::{Data, Local};
use duress::env::{Environment, ProcessState};
use std::fs;
use std::path::{Path, PathBuf};

/// A test by its name; they run where this user may limit memory.
pub(super) const TESTS: [super::Test; 4] = [
    ("who_has_no_memory_is_ended_by_the_kernel", who_has_no_memory_is_ended_by_the_kernel),
    ("memory_that_ran_out_is_there_again", memory_that_ran_out_is_there_again),
    ("dropped_limits_leave_nothing", dropped_limits_leave_nothing),
    ("a_killed_owner_leaves_no_limits", a_killed_owner_leaves_no_limits),
];

impl Setting {
    fn with_limits(&self, nodes: usize, script: &str) -> Cluster {
        let dir = tempfile::tempdir().unwrap();
        let mut config = super::config(self.ports, dir.path(), nodes, script, Data::Disk);
        config.limited_memory = true;
        let local = Local::create(self.privilege, config).unwrap();
        (0..nodes).for_each(|node| local.start(node).unwrap());
        Cluster { local, dir }
    }
}

/// Control groups that a process has made.
fn groups_of(pid: u32) -> Vec<PathBuf> {
    let prefix = format!("duress-{pid}-");
    let mut found = Vec::new();
    let mut left = vec![PathBuf::from("/sys/fs/cgroup")];
    while let Some(dir) = left.pop() {
        // Others make and remove groups at the same time.
        let entries = fs::read_dir(&dir).into_iter().flatten().flatten();
        let dirs = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
        left.extend(dirs.map(|entry| entry.path()));
        if dir.file_name().unwrap().to_string_lossy().starts_with(&prefix) {
            found.push(dir);
        }
    }
    found
}

fn who_has_no_memory_is_ended_by_the_kernel(setting: &Setting) {
    let cluster = setting.with_limits(2, FAMILY);
    let homes: Vec<u64> = (0..2).map(|node| namespace(pid(&cluster, node)).unwrap()).collect();
    for _ in 0..3 {
        eventually("the family is complete", || homes.iter().all(|&home| is_complete(home)));
        let seen = cluster.exhaust_memory(0).unwrap();
        assert!(seen.bit() && seen.kills >= FAMILY_SIZE as u64, "{seen}");
        assert_eq!((cluster.state(0), processes_in(homes[0])), (ProcessState::Gone, Vec::new()));
        assert!(is_complete(homes[1]), "the other node has its own");
        assert!(cluster.exits().is_empty(), "somebody had asked for it");
        cluster.start(0).unwrap();
    }
    cluster.stop(0, duress::env::Stop::Kill).unwrap();
    assert!(!cluster.exhaust_memory(0).unwrap().bit(), "there is nobody to end");
}

fn memory_that_ran_out_is_there_again(setting: &Setting) {
    let takes = "dd if=/dev/zero of=/dev/null bs=64M count=1 && echo once >> data/taken; exec sleep 1000";
    let cluster = setting.with_limits(1, takes);
    let data = Local::data_dir(cluster.dir.path(), &Local::addresses(1)[0]);
    let taken = |data: &Path| fs::read_to_string(data.join("taken")).unwrap_or_default().lines().count();
    for times in 1..4 {
        eventually("it has taken 64 MiB", || taken(&data) == times);
        let seen = cluster.exhaust_memory(0).unwrap();
        assert!(seen.bit(), "{seen}");
        cluster.start(0).unwrap();
    }
}

fn dropped_limits_leave_nothing(setting: &Setting) {
    let before = traces_at_rest();
    let own = std::process::id();
    for _ in 0..3 {
        let cluster = setting.with_limits(2, FAMILY);
        assert_eq!(groups_of(own).len(), 2);
        let named = cluster.undo_data(1)["group"].as_str().map(PathBuf::from).unwrap();
        assert!(groups_of(own).contains(&named), "for `duress heal`");
        drop(cluster);
        assert_eq!(groups_of(own), Vec::<PathBuf>::new());
        what_is_left_is_swept(named.parent().unwrap());
    }
    nothing_is_left_since(&before);
}

/// As when the janitor was killed as well.
fn what_is_left_is_swept(place: &Path) {
    let (ours, other) = (place.join("duress-0-0-n1"), place.join("not-duress-0"));
    for dir in [&ours, &other] {
        fs::create_dir(dir).unwrap();
    }
    let marks = serde_json::json!([{ "group": ours }, { "group": other }, { "group": null }]);
    assert_eq!(sweep(&[marks]), (0, 1));
    assert!(!ours.exists() && other.exists());
    fs::remove_dir(other).unwrap();
}

fn a_killed_owner_leaves_no_limits(setting: &Setting) {
    let owner = killed_owner(setting, "memory", |owner| assert_eq!(groups_of(owner).len(), 3));
    eventually("its control groups are gone", || groups_of(owner).is_empty());
}
