//! What the switch costs: how long a partition takes, the way there and back between two hosts, and
//! bytes per second, next to the kernel's own bridge. `cargo bench -p duress --bench network`, as root
//! and with `ip` for the bridge, which is left out otherwise.

use duress::env::Environment as _;
use duress::env::local::{Config, Data, Disks, Local, Ports, ServerCommand, acquire};
use duress::env::packet::{Policies, Policy};
use nix::sched::{CloneFlags, setns};
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{Read, Write};
use std::net::{IpAddr, TcpListener, TcpStream, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

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
    for ports in [Ports::Tap, Ports::Packet] {
        let dir = tempfile::tempdir().expect("a directory");
        let sleep =
            ServerCommand { program: "/bin/sleep".into(), args: vec!["1000".into()], env: Vec::new() };
        let config = Config {
            work_dir: dir.path().to_owned(),
            servers: vec![sleep; 5],
            log_name: "log".into(),
            data: Data::Memory,
            ports,
            calls: BTreeSet::new(),
            clocks: false,
            disks: Disks::Plain,
        };
        let Ok(cluster) = Local::create(privilege, config) else {
            println!("{ports:?}: not on this machine");
            continue;
        };
        (0..5).for_each(|node| cluster.start(node).expect("a server"));
        partitions(&cluster, ports);
        let address = |node: usize| Local::addresses(5)[node].addr;
        let pid = |node: usize| match cluster.state(node) {
            duress::env::ProcessState::Running { pid } => pid,
            state => panic!("{state:?}"),
        };
        talk(&format!("switch, {ports:?}"), (pid(0), address(0)), (pid(1), address(1)));
    }
    match Bridge::new() {
        Some(bridge) => {
            let [one, two] = bridge.hosts();
            talk("kernel bridge", one, two);
        }
        None => println!("kernel bridge: needs root, and `ip` and `unshare`"),
    }
}

/// Three against two, all twelve links at once.
fn partitions(cluster: &Local, ports: Ports) {
    let mut cut = Policies::new();
    for (one, two) in (0..3).flat_map(|one| (3..5).map(move |two| (one, two))) {
        for link in [(one, two), (two, one)] {
            cut.insert(link, Policy { cut: true, behaviors: Vec::new() });
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

/// Two hosts on a bridge in a namespace of its own; all of it ends with three processes.
struct Bridge([Child; 3]);

impl Bridge {
    fn new() -> Option<Self> {
        let sleep = || {
            let mut command = Command::new("unshare");
            command.args(["--net", "sleep", "1000"]).stderr(Stdio::null()).spawn().ok()
        };
        let bridge = Self([sleep()?, sleep()?, sleep()?]);
        // They have their namespaces once they are asleep.
        thread::sleep(Duration::from_millis(300));
        let [middle, ..] = bridge.pids();
        ip(middle, "link add br0 type bridge")?;
        ip(middle, "link set br0 up")?;
        for (n, host) in (1..).zip(&bridge.pids()[1..]) {
            ip(middle, &format!("link add p{n} type veth peer name eth0 netns {host}"))?;
            ip(middle, &format!("link set p{n} master br0 up"))?;
            ip(*host, &format!("addr add 10.78.0.{n}/24 dev eth0"))?;
            ip(*host, "link set eth0 up")?;
        }
        Some(bridge)
    }

    fn pids(&self) -> [u32; 3] {
        self.0.each_ref().map(Child::id)
    }

    fn hosts(&self) -> [Host; 2] {
        let [_, one, two] = self.pids();
        [(one, [10, 78, 0, 1].into()), (two, [10, 78, 0, 2].into())]
    }
}

impl Drop for Bridge {
    fn drop(&mut self) {
        for child in &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn ip(pid: u32, words: &str) -> Option<()> {
    let pid = pid.to_string();
    let mut command = Command::new("nsenter");
    command.args(["--net", "--target", &pid, "ip"]).args(words.split(' '));
    command.status().ok()?.success().then_some(())
}
