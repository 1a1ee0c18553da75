//! What hosts on this machine cost. Their network: how long a partition takes, the way there and back
//! between two hosts, bytes per second, and what etcd does on it, next to the kernel's own bridge. Their
//! disks: fsyncs per second, next to the kernel's own file systems.
//!
//! `cargo bench -p duress --bench local`, as root; and with `ip` for the bridge, which is left out
//! otherwise. `-- disk` or `-- network` for one of them.

mod bridge;
mod disk;
mod etcd;

use bridge::Bridge;
use duress::env::Environment as _;
use duress::env::cut::Cut;
use duress::env::local::{Config, Data, Disks, Local, Network, Ports, Privilege, ServerCommand, acquire};
use duress::env::packet::{Policies, Policy};
use nix::sched::{CloneFlags, setns};
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{IpAddr, TcpListener, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

/// Of the clusters that only carry packets.
const NODES: usize = 5;
/// Partitions made and healed.
const CUTS: usize = 500;
/// Datagrams there and back.
const ROUNDS: usize = 20_000;
/// Bytes sent by TCP.
const BYTES: usize = 2 << 30;
/// The port that is talked to.
const PORT: u16 = 7000;

fn main() {
    let privilege = acquire().expect("a machine that can make clusters");
    let asked: Vec<String> = std::env::args().filter(|word| ["disk", "network"].contains(&&**word)).collect();
    let wants = |what: &str| asked.is_empty() || asked.iter().any(|word| word == what);
    if wants("disk") {
        disk::compare(privilege);
    }
    if wants("network") {
        network(privilege);
    }
}

fn network(privilege: Privilege) {
    for ports in [Ports::Tap, Ports::Packet] {
        let dir = tempfile::tempdir().expect("a directory");
        let Some(cluster) = sleeping(privilege, dir.path(), (NODES, ports, Disks::Plain)) else {
            println!("{ports:?}: not on this machine");
            continue;
        };
        partitions(&cluster, ports);
        let host = |node: usize| (pid(&cluster, node), Local::addresses(NODES)[node].addr);
        let before = (frames(&cluster), switch_time());
        talk(&format!("switch, {ports:?}"), host(0), host(1));
        let after = (frames(&cluster), switch_time());
        if let (Some(before_time), Some(after_time)) = (before.1, after.1) {
            let each = (after_time - before_time).as_secs_f64() * 1e6 / (after.0 - before.0) as f64;
            println!("switch, {ports:?}: {each:.2} µs of its thread per frame");
        }
    }
    let dir = tempfile::tempdir().expect("a directory");
    let cluster = sleeping(privilege, dir.path(), (NODES, Ports::Auto, Disks::Plain)).expect("a cluster");
    match Bridge::between(&cluster, NODES) {
        Some(_bridge) => {
            let host = |node: usize| (pid(&cluster, node), Bridge::address(node));
            talk("kernel bridge", host(0), host(1));
        }
        None => println!("kernel bridge: needs root, and `ip` and `unshare`"),
    }
    drop(cluster);
    etcd::compare(privilege);
}

/// Nodes that do nothing.
fn sleeping(privilege: Privilege, dir: &Path, (nodes, ports, disks): (usize, Ports, Disks)) -> Option<Local> {
    let sleep = ServerCommand {
        program: "/bin/sleep".into(),
        args: vec!["1000".into()],
        env: Vec::new(),
        user: None,
    };
    let config = Config {
        work_dir: dir.to_owned(),
        servers: vec![sleep; nodes],
        log_name: "log".into(),
        data: Data::Memory,
        network: Network::Switched(ports),
        calls: BTreeSet::new(),
        clocks: false,
        disks,
        limited_memory: false,
        rootfs: None,
    };
    let cluster = Local::create(privilege, config).ok()?;
    (0..nodes).for_each(|node| cluster.start(node).expect("a server"));
    Some(cluster)
}

fn pid(cluster: &Local, node: usize) -> u32 {
    match cluster.state(node) {
        duress::env::ProcessState::Running { pid } => pid,
        state => panic!("{state:?}"),
    }
}

/// Three against two, all twelve links at once.
fn partitions(cluster: &Local, ports: Ports) {
    let mut cut = Policies::new();
    for (one, two) in (0..3).flat_map(|one| (3..5).map(move |two| (one, two))) {
        for link in [(one, two), (two, one)] {
            cut.insert(link, Policy::cut(1, Cut::default()));
        }
    }
    let none = Policies::new();
    let mut took = [&cut, &none].map(|policies| (policies, Vec::with_capacity(CUTS)));
    for _ in 0..CUTS {
        for (policies, took) in &mut took {
            let begun = Instant::now();
            cluster.set_links(policies).expect("a partition");
            took.push(begun.elapsed());
        }
    }
    let [(_, cut), (_, healed)] = took;
    println!("{ports:?}: partition of 5 nodes {}, healed {}", quantiles(cut), quantiles(healed));
}

/// Frames between the first two hosts.
fn frames(cluster: &Local) -> u64 {
    cluster.traffic((0, 1)).passed + cluster.traffic((1, 0)).passed
}

/// What the switch's thread has worked so far.
fn switch_time() -> Option<Duration> {
    let tasks = fs::read_dir("/proc/self/task").ok()?.flatten().map(|task| task.path());
    let is_switch =
        |task: &PathBuf| fs::read_to_string(task.join("comm")).is_ok_and(|name| name == "switch\n");
    let times = tasks.filter(is_switch).filter_map(|task| fs::read_to_string(task.join("schedstat")).ok());
    let nanoseconds = times.filter_map(|time| time.split(' ').next()?.parse::<u64>().ok()).sum();
    Some(Duration::from_nanos(nanoseconds))
}

/// The process whose network a host is, and its address there.
type Host = (u32, IpAddr);

fn talk(name: &str, one: Host, two: Host) {
    println!("{name}: there and back {}", quantiles(round_trips(one, two)));
    println!("{name}: {:.1} Gbit/s", throughput(one, two) / 1e9);
}

fn round_trips(one: Host, two: Host) -> Vec<Duration> {
    let bind = |host: Host| inside(host.0, || UdpSocket::bind((host.1, PORT)).expect("a socket"));
    let (near, far) = (bind(one), bind(two));
    near.set_read_timeout(Some(Duration::from_secs(5))).expect("a timeout");
    let echo = thread::spawn(move || {
        let mut buffer = [0; 64];
        for _ in 0..ROUNDS {
            let (n, from) = far.recv_from(&mut buffer).expect("a datagram");
            far.send_to(&buffer[..n], from).expect("an answer");
        }
    });
    let mut took = Vec::with_capacity(ROUNDS);
    for _ in 0..ROUNDS {
        let begun = Instant::now();
        near.send_to(b"there", (two.1, PORT)).expect("sent");
        near.recv(&mut [0; 64]).expect("an answer");
        took.push(begun.elapsed());
    }
    echo.join().expect("it ends");
    took
}

/// Bits per second.
fn throughput(one: Host, two: Host) -> f64 {
    let listener = inside(two.0, || TcpListener::bind((two.1, PORT)).expect("a socket"));
    let sender = thread::spawn(move || {
        let mut stream = inside(one.0, || TcpStream::connect((two.1, PORT)).expect("connected"));
        let block = vec![7; 1 << 18];
        (0..BYTES / block.len()).for_each(|_| stream.write_all(&block).expect("sent"));
    });
    let mut stream = listener.accept().expect("a connection").0;
    let (mut block, mut received) = (vec![0; 1 << 18], 0);
    let begun = Instant::now();
    while received < BYTES {
        match stream.read(&mut block).expect("received") {
            0 => break,
            n => received += n,
        }
    }
    let took = begun.elapsed();
    sender.join().expect("it ends");
    received as f64 * 8.0 / took.as_secs_f64()
}

/// Runs on a thread in the network namespace of a process.
fn inside<T: Send>(pid: u32, f: impl FnOnce() -> T + Send) -> T {
    thread::scope(|scope| {
        let thread = scope.spawn(|| {
            let namespace = File::open(format!("/proc/{pid}/ns/net")).expect("a namespace");
            setns(namespace, CloneFlags::CLONE_NEWNET).expect("entered");
            f()
        });
        thread.join().expect("it ends")
    })
}

fn quantiles(mut took: Vec<Duration>) -> String {
    took.sort();
    let at = |percent: usize| took[took.len() * percent / 100].as_secs_f64() * 1e6;
    format!("p50 {:.0} µs, p99 {:.0} µs", at(50), at(99))
}
