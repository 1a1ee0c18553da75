//! What a disk of our own making costs a server that makes its data durable with every write, next to
//! the kernel's tmpfs and ext4, all in memory: in turns.

use crate::{pid, sleeping};
use duress::env::local::{Disks, Local, Ports, Privilege};
use nix::sched::{CloneFlags, setns, unshare};
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

/// Turns of each disk.
const TURNS: usize = 5;
/// Length of a turn.
const TURN: Duration = Duration::from_secs(1);
/// What is written before each fdatasync, bytes: a short record of a log.
const RECORD: usize = 512;

const OURS: &str = "our own";

pub(crate) fn compare(privilege: Privilege) {
    let dir = tempfile::tempdir().expect("a directory");
    let faulty = Disks::Faulty { direct_reads: false };
    let mut compared = Vec::new();
    for (name, disks) in [(OURS, faulty), ("tmpfs", Disks::Plain), ("ext4", Disks::Ext4)] {
        let dir = dir.path().join(name);
        match sleeping(privilege, &dir, (1, Ports::Auto, disks)) {
            Some(cluster) => compared.push((name, dir, cluster, Vec::new())),
            None => println!("disk, {name}: not on this machine"),
        }
    }
    for _ in 0..TURNS {
        for (_, dir, cluster, rates) in &mut compared {
            rates.push(syncs(cluster, dir));
        }
    }
    let rates = compared.into_iter().map(|(name, _, _, mut rates)| {
        rates.sort_by(f64::total_cmp);
        (name, rates[TURNS / 2])
    });
    let rates: Vec<(&str, f64)> = rates.collect();
    let ours = rates.iter().find(|(name, _)| *name == OURS).map(|(_, rate)| *rate);
    for (name, rate) in rates {
        let share = ours.map(|ours| format!(", ours is {:.2} of that", ours / rate)).unwrap_or_default();
        println!("disk, {name}: {rate:.0} records written and synced per second{share}");
    }
}

/// Per second, on the node's disk, by a thread of ours: nothing but the disk differs.
fn syncs(cluster: &Local, dir: &Path) -> f64 {
    let path = Local::data_dir(dir, &Local::addresses(1)[0]).join("log");
    let pid = pid(cluster, 0);
    thread::scope(|scope| {
        let writer = scope.spawn(move || {
            let files = File::open(format!("/proc/{pid}/ns/mnt")).expect("a namespace");
            // A thread that shares its root and working directory with others may not move.
            unshare(CloneFlags::CLONE_FS).expect("a directory of its own");
            setns(files, CloneFlags::CLONE_NEWNS).expect("entered");
            let mut log = OpenOptions::new().create(true).append(true).open(path).expect("a file");
            let (begun, mut done) = (Instant::now(), 0_u32);
            while begun.elapsed() < TURN {
                log.write_all(&[7; RECORD]).expect("written");
                log.sync_data().expect("synced");
                done += 1;
            }
            f64::from(done) / begun.elapsed().as_secs_f64()
        });
        writer.join().expect("it ends")
    })
}
