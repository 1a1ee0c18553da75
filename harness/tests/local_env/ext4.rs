//! A real ext4 whose power fails, through real programs that write to it: what was fsynced is there,
//! what was not is gone, and nothing of it remains on the machine.

use super::disks::on_host;
use super::remains::{killed_owner, nothing_is_left_since, traces, traces_at_rest};
use super::{Cluster, Setting, eventually};
use duress::env::disk::Keep;
use duress::env::local::{Data, Disks, Local};
use duress::env::{Environment, Stop};
use nix::sys::statfs::{EXT4_SUPER_MAGIC, statfs};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A test by its name; they run as root where the machine has loop devices and ext4.
pub(super) const TESTS: [super::Test; 4] = [
    ("an_ext4_keeps_what_was_fsynced_and_nothing_else", an_ext4_keeps_what_was_fsynced_and_nothing_else),
    ("a_server_writes_to_its_ext4_and_never_below_it", a_server_writes_to_its_ext4_and_never_below_it),
    ("a_dropped_ext4_leaves_nothing", a_dropped_ext4_leaves_nothing),
    ("a_killed_owner_leaves_no_ext4", a_killed_owner_leaves_no_ext4),
];

const SLEEPER: &str = "exec sleep 1000";

impl Setting {
    fn on_ext4(&self, script: &str) -> Cluster {
        let dir = tempfile::tempdir().unwrap();
        let mut config = super::config(self.ports, dir.path(), 1, script, Data::Memory);
        config.disks = Disks::Ext4;
        let local = Local::create(self.privilege, config).unwrap();
        local.start(0).unwrap();
        Cluster { local, dir }
    }
}

/// Loop devices with a disk of a process.
fn loop_devices(pid: u32) -> usize {
    let name = format!("duress-disk-{pid} ");
    let devices = fs::read_dir("/sys/block").unwrap().map(|entry| entry.unwrap().path());
    let backing = |device: PathBuf| fs::read_to_string(device.join("loop/backing_file")).ok();
    devices.filter_map(backing).filter(|file| file.contains(&name)).count()
}

fn our_loop_devices() -> usize {
    loop_devices(std::process::id())
}

/// Writes 100 KiB with a program of the machine.
fn dd(at: &Path, more: &[&str]) {
    let to = format!("of={}", at.display());
    let ran = Command::new("dd").args(["if=/dev/urandom", &to, "bs=4096", "count=25"]).args(more).output();
    let ran = ran.unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
}

/// Ends the server, lets the power fail, and starts it again; what was seen.
fn power_failure(cluster: &Cluster) -> String {
    cluster.stop(0, Stop::Kill).unwrap();
    let seen = cluster.power_failure(0, (Keep::None, 0)).unwrap();
    cluster.start(0).unwrap();
    seen
}

fn an_ext4_keeps_what_was_fsynced_and_nothing_else(setting: &Setting) {
    let cluster = setting.on_ext4(SLEEPER);
    let length = |data: &Path, name: &str| fs::metadata(data.join(name)).map_or(0, |file| file.len());
    on_host(&cluster, |data| {
        assert_eq!(fs::read_dir(data).unwrap().count(), 0, "no database has met a lost+found there");
        assert_eq!(statfs(data).unwrap().filesystem_type(), EXT4_SUPER_MAGIC);
        dd(&data.join("synced"), &["conv=fsync"]);
        fs::write(data.join("was"), b"old").unwrap();
        fs::File::open(data.join("was")).unwrap().sync_all().unwrap();
    });
    // What survives one power failure survives the next.
    for _ in 0..2 {
        on_host(&cluster, |data| {
            dd(&data.join("unsynced"), &[]);
            dd(&data.join("synced"), &["conv=notrunc", "oflag=append"]);
            assert_eq!((length(data, "unsynced"), length(data, "synced")), (102_400, 204_800));
        });
        let seen = power_failure(&cluster);
        assert!(seen.contains("EIO") && seen.contains("can be written"), "{seen}");
        on_host(&cluster, |data| {
            // Its name may have been committed by the clock, its data not.
            assert_eq!((length(data, "unsynced"), length(data, "synced")), (0, 102_400));
            assert_eq!(fs::read(data.join("was")).unwrap(), b"old");
        });
    }
    // Killing alone loses nothing, synced or not.
    on_host(&cluster, |data| dd(&data.join("unsynced"), &["conv=notrunc"]));
    cluster.stop(0, Stop::Kill).unwrap();
    cluster.start(0).unwrap();
    on_host(&cluster, |data| assert_eq!(length(data, "unsynced"), 102_400));
    assert!(cluster.power_failure(0, (Keep::Torn { percent: 50 }, 0)).is_err());
    assert!(cluster.disk(0).is_err(), "it does no wrong");
}

fn a_server_writes_to_its_ext4_and_never_below_it(setting: &Setting) {
    let cluster = setting.on_ext4("cd data && echo here > server && exec sleep 1000");
    let below = Local::data_dir(cluster.dir.path(), &Local::addresses(1)[0]);
    for _ in 0..3 {
        eventually("the server has written", || on_host(&cluster, |data| data.join("server").exists()));
        assert_eq!(fs::read_dir(&below).unwrap().count(), 0);
        assert_eq!(our_loop_devices(), 1);
        power_failure(&cluster);
    }
}

fn a_dropped_ext4_leaves_nothing(setting: &Setting) {
    let before = traces_at_rest();
    for _ in 0..3 {
        let cluster = setting.on_ext4(SLEEPER);
        on_host(&cluster, |data| dd(&data.join("file"), &[]));
        assert_eq!((our_loop_devices(), &traces().2), (1, &before.2), "nobody outside sees the mount");
        power_failure(&cluster);
        drop(cluster);
        eventually("its loop device is free", || our_loop_devices() == 0);
    }
    nothing_is_left_since(&before);
}

fn a_killed_owner_leaves_no_ext4(setting: &Setting) {
    let owner = killed_owner(setting, "ext4", |owner| assert_eq!(loop_devices(owner), 3));
    eventually("its loop devices are free", || loop_devices(owner) == 0);
}
