//! The local environment against the real kernel: hosts, switch, faults, and that nothing
//! remains. Servers are shells and sleeps.
//!
//! Its own `main` instead of the usual one: an ordinary user's namespaces have to be made before
//! the process has a second thread. As root everything is done twice, the second time as an
//! ordinary user, by a copy of this program.

mod clocks;
mod disks;
mod ext4;
mod kinds_of_cuts;
mod memory;
mod orphans;
mod packets;
mod remains;
mod rootfs;
mod traps;
mod users;

use duress::env::cut::{Crossing, Cut};
use duress::env::doctor;
use duress::env::local::{Config, Data, Disks, Local, Network, Ports, Privilege, ServerCommand, acquire};
use duress::env::packet::{Policies, Policy};
use duress::env::{EnvError, Environment, ProcessState, Stop};
use nix::sched::{CloneFlags, setns};
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{IpAddr, TcpListener, TcpStream, UdpSocket};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::{Command, ExitCode};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Longest wait for something that should happen at once, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long one listens for what must not arrive.
const SILENCE: Duration = Duration::from_millis(150);

/// A server with a daemon in a session of its own, and one that has lost its parent as well.
const FAMILY: &str = "setsid sleep 1000 & (setsid nohup sleep 1000 >/dev/null 2>&1 &); exec sleep 1000";

/// Its processes.
const FAMILY_SIZE: usize = 3;

/// A test by its name.
type Test = (&'static str, fn(&Setting));

const TESTS: [Test; 49] = [
    ("all_pairs_are_connected", all_pairs_are_connected),
    ("tcp_carries_bulk_unchanged", tcp_carries_bulk_unchanged),
    ("a_host_looks_as_it_should", a_host_looks_as_it_should),
    ("a_cut_is_directed_counted_and_proven", a_cut_is_directed_counted_and_proven),
    ("nothing_crosses_after_a_cut_returns", nothing_crosses_after_a_cut_returns),
    ("delays_are_as_long_as_asked_for_and_in_order", packets::delays_are_as_long_as_asked_for_and_in_order),
    ("losses_and_copies_are_as_many_as_counted", packets::losses_and_copies_are_as_many_as_counted),
    ("some_packets_overtake_others", packets::some_packets_overtake_others),
    (
        "damage_is_dropped_by_the_host_or_reaches_the_server",
        packets::damage_is_dropped_by_the_host_or_reaches_the_server,
    ),
    (
        "held_packets_all_arrive_afterwards_and_those_on_a_cut_link_never",
        packets::held_packets_all_arrive_afterwards_and_those_on_a_cut_link_never,
    ),
    ("a_flapping_link_is_up_and_down", packets::a_flapping_link_is_up_and_down),
    ("a_slow_link_takes_its_time", packets::a_slow_link_takes_its_time),
    ("tcp_survives_all_of_it_together", packets::tcp_survives_all_of_it_together),
    ("servers_see_skewed_clocks", clocks::servers_see_skewed_clocks),
    ("skews_add_up_and_end_one_by_one", clocks::skews_add_up_and_end_one_by_one),
    (
        "a_server_that_becomes_another_program_has_not_ended",
        clocks::a_server_that_becomes_another_program_has_not_ended,
    ),
    ("redis_tells_the_time_that_it_is_given", clocks::redis_tells_the_time_that_it_is_given),
    ("every_program_of_a_node_has_its_clocks", clocks::every_program_of_a_node_has_its_clocks),
    ("kill_pause_and_resume_reach_every_process", kill_pause_and_resume_reach_every_process),
    ("a_pause_meets_a_fork_at_any_moment", a_pause_meets_a_fork_at_any_moment),
    ("a_starved_server_gets_its_share_of_the_time", a_starved_server_gets_its_share_of_the_time),
    ("a_server_that_listens_ends_in_its_own_way", a_server_that_listens_ends_in_its_own_way),
    ("ends_that_nobody_asked_for_are_told_once", ends_that_nobody_asked_for_are_told_once),
    ("a_program_that_cannot_start_is_an_error", a_program_that_cannot_start_is_an_error),
    ("data_survives_the_server", data_survives_the_server),
    ("servers_live_in_an_image", rootfs::servers_live_in_an_image),
    ("an_image_without_the_program_is_an_error", rootfs::an_image_without_the_program_is_an_error),
    ("what_is_left_of_a_node_is_saved", rootfs::what_is_left_of_a_node_is_saved),
    ("a_server_runs_as_whom_it_is_told", users::a_server_runs_as_whom_it_is_told),
    (
        "whom_nobody_knows_or_who_may_not_come_in_is_told",
        users::whom_nobody_knows_or_who_may_not_come_in_is_told,
    ),
    ("exactly_the_nth_sync_waits", traps::exactly_the_nth_sync_waits),
    (
        "calls_are_caught_of_servers_with_clocks_of_their_own",
        traps::calls_are_caught_of_servers_with_clocks_of_their_own,
    ),
    ("who_is_killed_in_a_call_never_makes_it", traps::who_is_killed_in_a_call_never_makes_it),
    ("a_call_made_in_its_place_has_the_same_result", traps::a_call_made_in_its_place_has_the_same_result),
    ("renames_and_sends_are_caught_as_well", traps::renames_and_sends_are_caught_as_well),
    ("what_is_not_watched_cannot_be_caught", traps::what_is_not_watched_cannot_be_caught),
    ("two_clusters_do_not_meet", remains::two_clusters_do_not_meet),
    ("a_dropped_cluster_leaves_nothing", remains::a_dropped_cluster_leaves_nothing),
    ("a_killed_owner_leaves_nothing", remains::a_killed_owner_leaves_nothing),
    ("impossible_clusters_are_refused", remains::impossible_clusters_are_refused),
    ("who_is_refused_hears_of_it_at_once", kinds_of_cuts::who_is_refused_hears_of_it_at_once),
    ("one_port_is_cut_and_another_is_not", kinds_of_cuts::one_port_is_cut_and_another_is_not),
    ("old_or_new_connections_alone_are_cut", kinds_of_cuts::old_or_new_connections_alone_are_cut),
    ("what_waits_is_dropped_if_the_cut_is_for_it", kinds_of_cuts::what_waits_is_dropped_if_the_cut_is_for_it),
    ("what_is_told_is_what_was_sent", kinds_of_cuts::what_is_told_is_what_was_sent),
    (
        "what_a_server_has_started_outlives_it_until_the_next",
        orphans::what_a_server_has_started_outlives_it_until_the_next,
    ),
    ("a_child_that_holds_the_data_is_not_in_the_way", orphans::a_child_that_holds_the_data_is_not_in_the_way),
    ("what_waits_is_refused_if_the_cut_refuses", kinds_of_cuts::what_waits_is_refused_if_the_cut_refuses),
    ("who_hears_sigterm_ends_in_its_own_way_alone", orphans::who_hears_sigterm_ends_in_its_own_way_alone),
];

/// Under what circumstances a test runs.
struct Setting {
    privilege: Privilege,
    ports: Ports,
    /// There is FUSE.
    fuse: bool,
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if args.iter().any(|arg| arg == "--list") {
        TESTS
            .iter()
            .chain(&disks::TESTS)
            .chain(&ext4::TESTS)
            .chain(&memory::TESTS)
            .for_each(|(name, _)| println!("{name}: test"));
        return ExitCode::SUCCESS;
    }
    if args == [clocks::TELL] {
        clocks::tell();
    }
    if let ["hold", ports, extra, dir] = args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        return remains::hold(acquire().unwrap(), (ports, extra), Path::new(dir));
    }
    let doctor = doctor::probe();
    let privilege = match acquire() {
        Ok(privilege) => privilege,
        Err(EnvError::Unable { what, why, fix }) => {
            println!("skipped, the machine cannot {what}: {why}; {fix}");
            assert!(!ability(&doctor, "network namespaces"), "the doctor promised it");
            return ExitCode::SUCCESS;
        }
        Err(error) => panic!("{error}"),
    };
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["ordinary", filter] => run_all(privilege, &doctor, filter),
        _ => {
            let filter = args.iter().find(|arg| !arg.starts_with('-')).map_or("", String::as_str);
            run_all(privilege, &doctor, filter);
            if nix::unistd::geteuid().is_root() {
                return run_as_ordinary_user(filter);
            }
        }
    }
    ExitCode::SUCCESS
}

fn run_all(privilege: Privilege, doctor: &[doctor::Capability], filter: &str) {
    the_doctor_says_what_is(doctor);
    for (ports, needs) in [(Ports::Tap, "TUN device"), (Ports::Packet, "packet sockets")] {
        if !ability(doctor, needs) {
            println!("skipped with {ports:?} ports as {privilege:?}: no {needs}");
            continue;
        }
        let fuse = ability(doctor, "FUSE");
        let disks: &[Test] = if fuse { &disks::TESTS } else { &[] };
        // These do not care how hosts are connected.
        let once = |needs, tests: &'static [Test]| match (ports, ability(doctor, needs)) {
            (Ports::Packet, true) => tests,
            (Ports::Packet, false) => {
                // Otherwise what is broken would be what nobody has.
                assert!(privilege != Privilege::Root || !should_have(needs), "{doctor:#?}");
                println!("skipped as {privilege:?}: no {needs}");
                &[]
            }
            _ => &[],
        };
        let (ext4, memory) = (once("ext4", &ext4::TESTS), once("limited memory", &memory::TESTS));
        for (name, test) in
            TESTS.iter().chain(disks).chain(ext4).chain(memory).filter(|(name, _)| name.contains(filter))
        {
            let began = Instant::now();
            println!("{name} ({privilege:?}, {ports:?}) ...");
            test(&Setting { privilege, ports, fuse });
            println!("{name} ({privilege:?}, {ports:?}) ok, {:.1?}", began.elapsed());
        }
    }
}

/// A panic in `main` ends this program with an error, and so the copy.
fn run_as_ordinary_user(filter: &str) -> ExitCode {
    let dir = tempfile::tempdir().unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let copy = dir.path().join("local_env");
    fs::copy(std::env::current_exe().unwrap(), &copy).unwrap();
    let ran = Command::new("setpriv")
        .args(["--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all", "--bounding-set=-all"])
        .arg(&copy)
        .args(["ordinary", filter])
        .current_dir("/")
        .status();
    match ran {
        Ok(status) if status.success() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            println!("skipped as an ordinary user: setpriv: {error}");
            ExitCode::SUCCESS
        }
    }
}

fn ability(doctor: &[doctor::Capability], name: &str) -> bool {
    doctor.iter().find(|c| c.name == name).unwrap_or_else(|| panic!("the doctor forgot {name}")).available
}

/// Has this machine what root needs for it, as far as can be seen from outside?
fn should_have(needs: &str) -> bool {
    match needs {
        "ext4" => {
            let filesystems = fs::read_to_string("/proc/filesystems").unwrap_or_default();
            let mkfs = ["/usr/sbin/mke2fs", "/sbin/mke2fs"].iter().any(|path| Path::new(path).exists());
            let device = |path| File::options().read(true).write(true).open(path).is_ok();
            mkfs && filesystems.contains("\text4\n") && device("/dev/loop-control") && device("/dev/loop0")
        }
        _ => {
            let group = format!("/sys/fs/cgroup/memory/test-of-duress-{}", std::process::id());
            fs::create_dir(&group).and_then(|()| fs::remove_dir(&group)).is_ok()
        }
    }
}

fn the_doctor_says_what_is(doctor: &[doctor::Capability]) {
    assert!(ability(doctor, "network namespaces") && ability(doctor, "PID namespaces"));
    for capability in doctor {
        assert_eq!(capability.available, capability.fix.is_empty(), "{capability:?}");
        assert!(!capability.needed_for.is_empty() && !capability.detail.is_empty(), "{capability:?}");
    }
}

// ---- help ----

/// A cluster in a directory of its own, whose nodes all run this shell script.
struct Cluster {
    local: Local,
    dir: tempfile::TempDir,
}

impl std::ops::Deref for Cluster {
    type Target = Local;
    fn deref(&self) -> &Local {
        &self.local
    }
}

fn shell(script: &str) -> ServerCommand {
    ServerCommand {
        program: "/bin/sh".into(),
        args: vec!["-c".into(), script.into()],
        env: vec![("GREETING".into(), "hello".into())],
        user: None,
    }
}

fn config(ports: Ports, dir: &Path, nodes: usize, script: &str, data: Data) -> Config {
    Config {
        work_dir: dir.to_owned(),
        servers: vec![shell(script); nodes],
        log_name: "server.log".into(),
        data,
        network: Network::Switched(ports),
        calls: BTreeSet::new(),
        clocks: false,
        disks: Disks::Plain,
        limited_memory: false,
        rootfs: None,
    }
}

impl Setting {
    fn cluster(&self, nodes: usize, script: &str) -> Cluster {
        self.cluster_on(nodes, script, Data::Memory)
    }

    fn cluster_on(&self, nodes: usize, script: &str, data: Data) -> Cluster {
        let dir = tempfile::tempdir().unwrap();
        let config = config(self.ports, dir.path(), nodes, script, data);
        let local = Local::create(self.privilege, config).unwrap();
        (0..nodes).for_each(|node| local.start(node).unwrap());
        Cluster { local, dir }
    }
}

fn address(node: usize) -> IpAddr {
    Local::addresses(node + 1)[node].addr
}

/// Runs on a thread in the network namespace of a process.
fn in_network_of<T: Send>(pid: u32, f: impl FnOnce() -> T + Send) -> T {
    thread::scope(|scope| {
        scope
            .spawn(|| {
                setns(File::open(format!("/proc/{pid}/ns/net")).unwrap(), CloneFlags::CLONE_NEWNET).unwrap();
                f()
            })
            .join()
            .unwrap()
    })
}

fn pid(local: &Local, node: usize) -> u32 {
    match local.state(node) {
        ProcessState::Running { pid } | ProcessState::Paused { pid } => pid,
        ProcessState::Gone | ProcessState::Orphaned { .. } => panic!("node {node} does not run"),
    }
}

fn udp_on(local: &Local, node: usize, port: u16) -> UdpSocket {
    let socket = in_network_of(pid(local, node), || UdpSocket::bind((address(node), port)).unwrap());
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
}

fn namespace(pid: u32) -> Option<u64> {
    fs::metadata(format!("/proc/{pid}/ns/net")).ok().map(|file| file.ino())
}

fn processes_in(namespace_id: u64) -> Vec<u32> {
    let numbers =
        fs::read_dir("/proc").unwrap().filter_map(|e| e.unwrap().file_name().to_str()?.parse().ok());
    numbers.filter(|&pid| namespace(pid) == Some(namespace_id)).collect()
}

/// Has the [`FAMILY`] become what it will be, after some shells that are passing through?
fn is_complete(namespace_id: u64) -> bool {
    let family = processes_in(namespace_id);
    let sleeps =
        |pid: &u32| fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name == "sleep\n");
    family.len() == FAMILY_SIZE && family.iter().all(sleeps)
}

fn process_state(pid: u32) -> Option<char> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.chars().next()
}

fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "{what}: not within {PATIENCE:?}");
        thread::sleep(Duration::from_millis(2));
    }
}

fn cuts(links: &[(usize, usize)]) -> Policies {
    links.iter().map(|&link| (link, Policy::cut(1, Cut::default()))).collect()
}

/// Does a probe cross?
fn arrives(cluster: &Local, link: (usize, usize)) -> bool {
    cluster.probe(link, &Cut::default()).unwrap() == Crossing::Arrived
}

fn links(nodes: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..nodes).flat_map(move |from| (0..nodes).map(move |to| (from, to))).filter(|(from, to)| from != to)
}

// ---- the network ----

fn all_pairs_are_connected(setting: &Setting) {
    let cluster = setting.cluster(5, "exec sleep 1000");
    let sockets: Vec<UdpSocket> = (0..5).map(|node| udp_on(&cluster, node, 7000)).collect();
    for (from, to) in links(5) {
        let text = format!("{from} to {to}");
        sockets[from].send_to(text.as_bytes(), (address(to), 7000)).unwrap();
        let mut buffer = [0; 64];
        let (length, sender) = sockets[to].recv_from(&mut buffer).unwrap();
        assert_eq!((&buffer[..length], sender.ip()), (text.as_bytes(), address(from)));
        assert_eq!((cluster.traffic((from, to)).passed, cluster.traffic((from, to)).dropped), (1, 0));
    }
    // The clients' side, which is a host of its own.
    thread::scope(|scope| {
        scope.spawn(|| {
            cluster.enter().unwrap();
            let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
            for (node, at) in sockets.iter().enumerate() {
                socket.send_to(b"client", (address(node), 7000)).unwrap();
                assert_eq!(at.recv_from(&mut [0; 64]).unwrap().0, 6);
            }
        });
    });
}

fn tcp_carries_bulk_unchanged(setting: &Setting) {
    const LENGTH: usize = 8 << 20;
    let cluster = setting.cluster(2, "exec sleep 1000");
    let listener = in_network_of(pid(&cluster, 1), || TcpListener::bind((address(1), 7000)).unwrap());
    let sent: Vec<u8> = (0..LENGTH).map(|i| (i * 31 + i / 251) as u8).collect();
    let received = thread::scope(|scope| {
        scope.spawn(|| {
            let mut stream =
                in_network_of(pid(&cluster, 0), || TcpStream::connect((address(1), 7000)).unwrap());
            stream.write_all(&sent).unwrap();
        });
        let mut received = Vec::new();
        listener.accept().unwrap().0.read_to_end(&mut received).unwrap();
        received
    });
    assert!(sent == received, "{} bytes of {LENGTH} arrived, or others", received.len());
}

fn a_host_looks_as_it_should(setting: &Setting) {
    let script = "hostname; pwd; echo $GREETING; env | wc -l; cat /etc/hosts; ls /proc | grep -c '^[0-9]'; \
                  cut -d' ' -f6 /proc/$$/stat; echo $$; echo done; exec sleep 1000";
    let cluster = setting.cluster(3, script);
    let log = || fs::read_to_string(cluster.log(1).unwrap()).unwrap();
    eventually("the server talks", || log().contains("done"));
    let log = log();
    let lines: Vec<&str> = log.lines().collect();
    assert_eq!(lines[0], "n2");
    assert_eq!(lines[1], cluster.dir.path().join("n2").to_str().unwrap());
    assert_eq!(lines[2], "hello");
    // PATH, GREETING; the shell adds PWD and its like.
    assert!(lines[3].trim().parse::<u32>().unwrap() <= 5, "{log}");
    assert!(lines[4..].contains(&"10.77.0.3 n3"), "{log}");
    let tail = &lines[lines.len() - 4..];
    if !cluster.warnings().iter().any(|warning| warning.contains("/proc")) {
        // Itself, its helpers, init, and at most the other nodes': not this machine's.
        assert!(tail[0].parse::<u32>().unwrap() < 16, "{log}");
        assert_eq!(tail[1], tail[2], "it leads a session of its own: {log}");
    }
    assert_ne!(nix::unistd::gethostname().unwrap(), "n2");
    let user = fs::metadata(format!("/proc/{}", pid(&cluster, 1))).unwrap().uid();
    assert_eq!(user, nix::unistd::geteuid().as_raw(), "servers run as who started Duress");
    if setting.privilege == Privilege::UserNamespace {
        let status = fs::read_to_string(format!("/proc/{}/status", pid(&cluster, 1))).unwrap();
        assert!(status.contains("CapEff:\t0000000000000000"), "{status}");
    }
}

fn a_cut_is_directed_counted_and_proven(setting: &Setting) {
    let cluster = setting.cluster(3, "exec sleep 1000");
    let sockets: Vec<UdpSocket> = (0..3).map(|node| udp_on(&cluster, node, 7000)).collect();
    let send = |from: usize, to: usize| sockets[from].send_to(b"x", (address(to), 7000)).unwrap();
    let hears = |at: usize, wait: Duration| {
        sockets[at].set_read_timeout(Some(wait)).unwrap();
        sockets[at].recv(&mut [0; 8]).is_ok()
    };
    for link in links(3) {
        assert!(arrives(&cluster, link), "{link:?} before");
    }
    cluster.set_links(&cuts(&[(0, 1), (2, 0)])).unwrap();
    for link in links(3) {
        assert_eq!(arrives(&cluster, link), ![(0, 1), (2, 0)].contains(&link), "{link:?}");
        assert_eq!(
            cluster.traffic(link).dropped + cluster.traffic(link).passed,
            0,
            "probes are not counted: {link:?}"
        );
    }
    (0..3).for_each(|_| _ = send(0, 1));
    send(1, 0);
    assert!(hears(0, PATIENCE), "the other direction is open");
    assert!(!hears(1, SILENCE), "the cut one is not");
    assert_eq!((cluster.traffic((0, 1)).dropped, cluster.traffic((1, 0)).dropped), (3, 0));

    // The clients' position is the one after the last node.
    cluster.set_links(&cuts(&[(3, 0)])).unwrap();
    assert!(!arrives(&cluster, (3, 0)) && arrives(&cluster, (0, 3)));

    // The set is replaced, not added to.
    cluster.set_links(&cuts(&[(1, 0)])).unwrap();
    send(0, 1);
    assert!(hears(1, PATIENCE));
    send(1, 0);
    assert!(!hears(0, SILENCE));
    // Proof does not depend on the node's processes.
    cluster.stop(1, Stop::Kill).unwrap();
    assert!(!arrives(&cluster, (1, 0)) && arrives(&cluster, (0, 1)));
    cluster.set_links(&Policies::new()).unwrap();
    assert!(links(3).all(|link| arrives(&cluster, link)));
    assert_eq!((cluster.traffic((0, 1)).dropped, cluster.traffic((1, 0)).dropped), (3, 1));
}

/// What is sent after a cut has returned does not cross while the cut lasts, by the switch's
/// count and by what arrives; it is dropped; and after a heal datagrams arrive again.
fn nothing_crosses_after_a_cut_returns(setting: &Setting) {
    const CYCLES: usize = 40;
    let cluster = setting.cluster(3, "exec sleep 1000");
    let [sender, receiver, flooder] = [0, 1, 2].map(|node| udp_on(&cluster, node, 7000));
    receiver.set_read_timeout(Some(SILENCE)).unwrap();
    let (next, newest, end) = (AtomicU64::new(1), AtomicU64::new(0), AtomicBool::new(false));
    thread::scope(|scope| {
        // Also when a check fails: otherwise the test would wait for its own threads for ever.
        let _end = OnDrop(|| end.store(true, Ordering::SeqCst));
        scope.spawn(|| {
            while !end.load(Ordering::SeqCst) {
                // Numbered before it is sent: a higher number than one read is sent later.
                let number = next.fetch_add(1, Ordering::SeqCst);
                let _ = sender.send_to(&number.to_be_bytes(), (address(1), 7000));
            }
        });
        // Keeps the switch busy with another port, so that a command finds it at work.
        scope.spawn(|| {
            while !end.load(Ordering::SeqCst) {
                let _ = flooder.send_to(b"noise", (address(0), 7000));
            }
        });
        scope.spawn(|| {
            let mut buffer = [0; 8];
            while !end.load(Ordering::SeqCst) {
                if let Ok(8) = receiver.recv(&mut buffer) {
                    newest.fetch_max(u64::from_be_bytes(buffer), Ordering::SeqCst);
                }
            }
        });
        for cycle in 0..CYCLES {
            cluster.set_links(&cuts(&[(0, 1)])).unwrap();
            let (passed, dropped) = (cluster.traffic((0, 1)).passed, cluster.traffic((0, 1)).dropped);
            let first = next.load(Ordering::SeqCst);
            eventually("frames are dropped", || cluster.traffic((0, 1)).dropped > dropped + 10);
            assert_eq!(
                cluster.traffic((0, 1)).passed,
                passed,
                "the switch passed frames on a cut link, cycle {cycle}"
            );
            let arrived = newest.load(Ordering::SeqCst);
            assert!(arrived < first, "{arrived} was sent after the cut of cycle {cycle}, {first} being next");
            cluster.set_links(&Policies::new()).unwrap();
            let healed = next.load(Ordering::SeqCst);
            eventually("datagrams arrive again", || newest.load(Ordering::SeqCst) >= healed);
        }
    });
}

struct OnDrop<F: Fn()>(F);

impl<F: Fn()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

// ---- processes ----

fn kill_pause_and_resume_reach_every_process(setting: &Setting) {
    let cluster = setting.cluster(2, FAMILY);
    let home = namespace(pid(&cluster, 0)).unwrap();
    let neighbours = namespace(pid(&cluster, 1)).unwrap();
    eventually("the families are complete", || [home, neighbours].iter().all(|&id| is_complete(id)));
    assert_eq!(cluster.undo_data(0)["processes"].as_array().unwrap().len(), FAMILY_SIZE);

    cluster.pause(0).unwrap();
    let family = processes_in(home);
    assert!(family.iter().all(|&pid| process_state(pid) == Some('T')), "paused means stopped, all of them");
    assert!(matches!(cluster.state(0), ProcessState::Paused { .. }));
    assert!(matches!(cluster.state(1), ProcessState::Running { .. }));
    cluster.resume(0).unwrap();
    cluster.resume(0).unwrap();
    eventually("all go on", || family.iter().all(|&pid| process_state(pid) == Some('S')));
    assert!(matches!(cluster.state(0), ProcessState::Running { .. }));

    // Also when it stands still.
    cluster.pause(0).unwrap();
    cluster.stop(0, Stop::Kill).unwrap();
    assert_eq!(processes_in(home), Vec::<u32>::new());
    assert!(family.iter().all(|&pid| process_state(pid).is_none_or(|state| state == 'Z')));
    assert_eq!(cluster.state(0), ProcessState::Gone);
    cluster.stop(0, Stop::Kill).unwrap();
    assert!(cluster.pause(0).is_err(), "a pause of nothing is no fault");
    cluster.resume(0).unwrap();
    assert_eq!(processes_in(neighbours).len(), FAMILY_SIZE, "the other node is not touched");

    cluster.start(0).unwrap();
    let again = pid(&cluster, 0);
    cluster.start(0).unwrap();
    assert_eq!(pid(&cluster, 0), again, "a running server is not started twice");
    assert_eq!(namespace(again), Some(home), "it is the same host");
    assert_eq!(cluster.exits(), [], "all of these ends were asked for");
}

/// The parent in a vfork cannot stop while its child is stopped; a shell does that all the time.
fn a_pause_meets_a_fork_at_any_moment(setting: &Setting) {
    let cluster = setting.cluster(1, "while :; do /bin/true; echo x > data/beat; done");
    for _ in 0..100 {
        cluster.pause(0).unwrap();
        assert!(matches!(cluster.state(0), ProcessState::Paused { .. }));
        cluster.resume(0).unwrap();
        thread::sleep(Duration::from_millis(2));
    }
}

/// Of two that count, one is starved.
fn a_starved_server_gets_its_share_of_the_time(setting: &Setting) {
    let local = setting.cluster(2, "while :; do :; done");
    (0..2).for_each(|node| local.start(node).expect("started"));
    let time = |node: usize| processor_time(pid(&local, node));
    local.starve(0, Some(10)).expect("starved");
    eventually("periods go by", || local.starved(0) >= 2);
    let (starved, fed) = (time(0), time(1));
    // Long enough for some ticks of the other, whoever else wants the machine.
    eventually("the other one runs", || time(1) - fed >= 50);
    let (starved, fed) = (time(0) - starved, time(1) - fed);
    assert!(starved > 0 && starved * 3 < fed, "{starved} ticks against {fed}");
    local.starve(0, None).expect("fed");
    assert!(matches!(local.state(0), ProcessState::Running { .. }));
    let (again, fed) = (time(0), time(1));
    eventually("both run", || time(0) - again >= 50 && time(1) - fed >= 50);
    // One that is starved when the cluster ends does not stay behind.
    local.starve(1, Some(1)).expect("starved");
}

/// In ticks, of a process and its threads.
fn processor_time(pid: u32) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("a process");
    let (_, fields) = stat.rsplit_once(')').expect("a name");
    fields.split_whitespace().skip(11).take(2).map(|ticks| ticks.parse::<u64>().expect("ticks")).sum()
}

fn a_server_that_listens_ends_in_its_own_way(setting: &Setting) {
    let polite = "trap 'echo goodbye; exit 0' TERM; echo ready; while :; do sleep 0.01; done";
    let cluster = setting.cluster(1, polite);
    let log = || fs::read_to_string(cluster.log(0).unwrap()).unwrap();
    eventually("it is ready", || log().contains("ready"));
    cluster.pause(0).unwrap();
    cluster.stop(0, Stop::Terminate).unwrap();
    assert!(log().contains("goodbye"), "it was heard, even though it had been paused");
    assert_eq!(cluster.state(0), ProcessState::Gone);

    let cluster = setting.cluster(1, "trap '' TERM; echo ready; while :; do sleep 0.01; done");
    eventually("it is ready", || fs::read_to_string(cluster.log(0).unwrap()).unwrap().contains("ready"));
    cluster.stop(0, Stop::Terminate).unwrap();
    assert_eq!(cluster.state(0), ProcessState::Gone);
    assert_eq!(cluster.exits(), []);
}

fn ends_that_nobody_asked_for_are_told_once(setting: &Setting) {
    let cluster = setting.cluster(2, "[ $(hostname) = n1 ] && exit 3; kill -ABRT $$");
    let mut told = Vec::new();
    eventually("both end", || {
        told.extend(cluster.exits().into_iter().map(|exit| (exit.node, exit.status)));
        told.len() == 2
    });
    told.sort();
    assert_eq!(told[0], (0, "exit status: 3".into()));
    assert!(told[1].0 == 1 && told[1].1.starts_with("signal: 6 (SIGABRT)"), "{told:?}");
    assert_eq!(cluster.exits(), []);
    // An end just before the stop is still its own.
    cluster.start(0).unwrap();
    eventually("it ends", || cluster.state(0) == ProcessState::Gone);
    cluster.stop(0, Stop::Kill).unwrap();
    assert_eq!(cluster.exits().len(), 1);
}

fn a_program_that_cannot_start_is_an_error(setting: &Setting) {
    let dir = tempfile::tempdir().unwrap();
    let mut config = config(setting.ports, dir.path(), 1, "", Data::Memory);
    config.servers[0].program = "/no/such/program".into();
    let local = Local::create(setting.privilege, config).unwrap();
    let error = local.start(0).unwrap_err().to_string();
    assert!(
        error.contains("n1") && error.contains("/no/such/program") && error.contains("No such file"),
        "{error}"
    );
    assert_eq!(local.state(0), ProcessState::Gone);
}

fn data_survives_the_server(setting: &Setting) {
    for data in [Data::Memory, Data::Disk] {
        let cluster =
            setting.cluster_on(1, "echo once >> data/file; cat data/file; echo .; exec sleep 1000", data);
        let log = || fs::read_to_string(cluster.log(0).unwrap()).unwrap();
        eventually("the first start", || log() == "once\n.\n");
        cluster.stop(0, Stop::Kill).unwrap();
        cluster.start(0).unwrap();
        eventually("the second start", || log() == "once\n.\nonce\nonce\n.\n");
        let data_dir = Local::data_dir(cluster.dir.path(), &Local::addresses(1)[0]);
        assert_eq!(data_dir.join("file").exists(), data == Data::Disk, "{data:?}");
    }
}
