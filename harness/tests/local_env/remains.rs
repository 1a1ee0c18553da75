//! What a cluster could leave on this machine.

use std::fs;
use std::path::PathBuf;

/// What of this machine a cluster could have changed.
pub(super) fn traces() -> (usize, usize, String, Vec<String>) {
    let count = |dir: &str| fs::read_dir(dir).unwrap().count();
    let mut interfaces: Vec<String> = fs::read_dir("/sys/class/net")
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    interfaces.sort();
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    (count("/proc/self/fd"), count("/proc/self/task"), mounts, interfaces)
}

pub(super) fn own_children() -> Vec<u32> {
    let own = std::process::id().to_string();
    let parent = |pid: u32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        stat.rsplit_once(") ")?.1.split(' ').nth(1).map(str::to_owned)
    };
    let numbers =
        fs::read_dir("/proc").unwrap().filter_map(|e| e.unwrap().file_name().to_str()?.parse().ok());
    numbers.filter(|&pid| parent(pid).as_deref() == Some(&own)).collect()
}

/// Those in which this process is not.
pub(super) fn private_namespaces(pid: u32) -> Vec<PathBuf> {
    let of = |pid: &str, kind: &str| fs::read_link(format!("/proc/{pid}/ns/{kind}")).ok();
    ["net", "mnt", "uts", "ipc", "pid"]
        .iter()
        .filter_map(|kind| {
            of(&pid.to_string(), kind).filter(|namespace| of("self", kind).as_ref() != Some(namespace))
        })
        .collect()
}
