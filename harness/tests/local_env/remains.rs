//! What a cluster leaves alone while it runs, and that nothing of it is left when it ends in any way.

use super::{
    FAMILY, FAMILY_SIZE, PATIENCE, SILENCE, Setting, address, arrives, config, cuts, eventually, is_complete,
    namespace, pid, process_state, processes_in, udp_on,
};
use duress::env::local::{Config, Data, Disks, Local, Ports, Privilege};
use duress::env::{Environment, ProcessState, Stop};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::thread;
use std::time::{Duration, Instant};

pub(super) fn two_clusters_do_not_meet(setting: &Setting) {
    let (one, two) = (setting.cluster(2, "exec sleep 1000"), setting.cluster(2, "exec sleep 1000"));
    // The same address, port and all: they cannot see each other.
    let (at_one, at_two) = (udp_on(&one, 0, 7000), udp_on(&two, 0, 7000));
    udp_on(&one, 1, 7001).send_to(b"one", (address(0), 7000)).unwrap();
    assert_eq!(at_one.recv(&mut [0; 8]).unwrap(), 3);
    at_two.set_read_timeout(Some(SILENCE)).unwrap();
    assert!(at_two.recv(&mut [0; 8]).is_err());
    one.set_links(&cuts(&[(0, 1), (1, 0)])).unwrap();
    one.stop(1, Stop::Kill).unwrap();
    one.pause(0).unwrap();
    assert!(arrives(&two, (0, 1)));
    assert!((0..2).all(|node| matches!(two.state(node), ProcessState::Running { .. })));
    drop(one);
    assert!(arrives(&two, (1, 0)));
    assert!((0..2).all(|node| matches!(two.state(node), ProcessState::Running { .. })));
}

/// What of this machine a cluster could have changed: open files, threads, mounts, interfaces.
type Traces = (usize, usize, String, Vec<String>);

pub(super) fn traces() -> Traces {
    let count = |dir: &str| fs::read_dir(dir).unwrap().count();
    let mut interfaces: Vec<String> = fs::read_dir("/sys/class/net")
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    interfaces.sort();
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    (count("/proc/self/fd"), count("/proc/self/task"), mounts, interfaces)
}

/// The same, once nothing is left of the cluster before. A joined thread is still listed until the kernel has
/// put it away; a disk is unmounted when the kernel gets round to it, and only then is there nobody left to
/// serve.
pub(super) fn traces_at_rest() -> Traces {
    eventually("all threads but one are gone", || traces().1 == 1);
    traces()
}

pub(super) fn nothing_is_left_since(before: &Traces) {
    let deadline = Instant::now() + PATIENCE;
    while traces() != *before && Instant::now() < deadline {
        thread::sleep(Duration::from_millis(2));
    }
    assert_eq!(traces(), *before);
}

pub(super) fn a_dropped_cluster_leaves_nothing(setting: &Setting) {
    let before = traces_at_rest();
    for _ in 0..3 {
        let cluster = setting.cluster(3, FAMILY);
        let homes: Vec<u64> = (0..3).map(|node| namespace(pid(&cluster, node)).unwrap()).collect();
        assert_eq!((&traces().2, &traces().3), (&before.2, &before.3), "seen from outside while it runs");
        cluster.pause(2).unwrap();
        drop(cluster);
        assert!(homes.iter().all(|&home| processes_in(home).is_empty()));
        assert_eq!(own_children(), Vec::<u32>::new(), "all have been waited for");
    }
    nothing_is_left_since(&before);
}

fn own_children() -> Vec<u32> {
    let own = std::process::id().to_string();
    let parent = |pid: u32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        stat.rsplit_once(") ")?.1.split(' ').nth(1).map(str::to_owned)
    };
    let numbers =
        fs::read_dir("/proc").unwrap().filter_map(|e| e.unwrap().file_name().to_str()?.parse().ok());
    numbers.filter(|&pid| parent(pid).as_deref() == Some(&own)).collect()
}

/// Makes a cluster, says which processes it has, and waits to be killed.
pub(super) fn hold(privilege: Privilege, (ports, extra): (&str, &str), dir: &Path) -> ExitCode {
    let ports = if ports == "tap" { Ports::Tap } else { Ports::Packet };
    let mut config = config(ports, dir, 3, FAMILY, Data::Memory);
    config.disks = match extra {
        "fuse" => Disks::Faulty { direct_reads: false },
        "ext4" => Disks::Ext4,
        _ => Disks::Plain,
    };
    config.limited_memory = extra == "memory";
    let local = Local::create(privilege, config).unwrap();
    let homes: Vec<u64> = (0..3)
        .map(|node| {
            local.start(node).unwrap();
            namespace(pid(&local, node)).unwrap()
        })
        .collect();
    eventually("the families are complete", || homes.iter().all(|&home| is_complete(home)));
    local.pause(2).unwrap();
    local.set_links(&cuts(&[(0, 1)])).unwrap();
    let processes: Vec<String> = homes
        .iter()
        .flat_map(|&home| processes_in(home))
        .chain(own_children())
        .map(|p| p.to_string())
        .collect();
    println!("{}", processes.join(" "));
    thread::sleep(Duration::from_secs(600));
    ExitCode::FAILURE
}

pub(super) fn a_killed_owner_leaves_nothing(setting: &Setting) {
    killed_owner(setting, if setting.fuse { "fuse" } else { "plain" }, |_| ());
}

/// Who it was; `look` is called while it is alive.
pub(super) fn killed_owner(setting: &Setting, extra: &str, look: impl FnOnce(u32)) -> u32 {
    let dir = tempfile::tempdir().unwrap();
    let before = traces_at_rest();
    let mut owner = Command::new(std::env::current_exe().unwrap())
        .arg("hold")
        .arg(if setting.ports == Ports::Tap { "tap" } else { "packet" })
        .arg(extra)
        .arg(dir.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = String::new();
    BufReader::new(owner.stdout.take().unwrap()).read_line(&mut said).unwrap();
    // Servers are counted twice, as processes of a host and as children; init once, and who removes
    // control groups.
    let processes: BTreeSet<u32> = said.split_whitespace().map(|pid| pid.parse().unwrap()).collect();
    let helpers = if extra == "memory" { 2 } else { 1 };
    assert_eq!(processes.len(), 3 * FAMILY_SIZE + helpers, "{said}");
    let namespaces: BTreeSet<PathBuf> = processes.iter().flat_map(|&pid| private_namespaces(pid)).collect();
    assert!(namespaces.len() > 3 * 4, "{namespaces:?}");
    look(owner.id());

    kill(Pid::from_raw(owner.id().cast_signed()), Signal::SIGKILL).unwrap();
    assert_eq!(owner.wait().unwrap().signal(), Some(9));
    // Zombies are what their new parent, this machine's init, has not reaped yet.
    eventually("all processes are gone", || {
        processes.iter().all(|&pid| process_state(pid).is_none_or(|state| state == 'Z'))
    });
    eventually("all namespaces are gone", || {
        let numbers =
            fs::read_dir("/proc").unwrap().filter_map(|e| e.unwrap().file_name().to_str()?.parse().ok());
        !numbers.flat_map(private_namespaces).any(|namespace| namespaces.contains(&namespace))
    });
    nothing_is_left_since(&before);
    owner.id()
}

/// Those in which this process is not.
fn private_namespaces(pid: u32) -> Vec<PathBuf> {
    let of = |pid: &str, kind: &str| fs::read_link(format!("/proc/{pid}/ns/{kind}")).ok();
    ["net", "mnt", "uts", "ipc", "pid"]
        .iter()
        .filter_map(|kind| {
            of(&pid.to_string(), kind).filter(|namespace| of("self", kind).as_ref() != Some(namespace))
        })
        .collect()
}

pub(super) fn impossible_clusters_are_refused(setting: &Setting) {
    let dir = tempfile::tempdir().unwrap();
    let refusal =
        |config: Config| Local::create(setting.privilege, config).err().expect("refused").to_string();
    let good = config(setting.ports, dir.path(), 1, "", Data::Memory);
    refusal(Config { servers: Vec::new(), ..good.clone() });
    refusal(Config { work_dir: "relative".into(), ..good.clone() });
    fs::write(dir.path().join("n1"), "a file where the node's directory should be").unwrap();
    assert!(refusal(good).contains("n1"));
}
