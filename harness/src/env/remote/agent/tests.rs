//! Rules of the real nftables on a network that only one test has: what they keep from crossing of what servers
//! would send, and not only of probes. And what agents leave that are no more.
//!
//! All ends are addresses of one host: what is sent there is there, or will never be, when the next datagram is.
//! They run as root, where nftables is installed.

use super::firewall::{Tool, nft, tables};
use super::trace::{Trace, table_of};
use super::*;
use crate::env::local::probe_payload;
use crate::env::remote::wire::{Rule, Side};
use nix::sched::{CloneFlags, unshare};
use std::fs;
use std::io::{ErrorKind, Write as _};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::panic::resume_unwind;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;

/// This host, the peer whose link is cut, and one whose is not.
const FAMILIES: [[&str; 3]; 2] = [["127.0.0.1", "127.0.0.2", "127.0.0.3"], ["fd00::1", "fd00::2", "fd00::3"]];
/// Of a server.
const PORT: u16 = 7_000;
/// Of another one.
const OTHER_PORT: u16 = 7_001;
/// Longest wait for a datagram that is on its way.
const PATIENCE: Duration = Duration::from_secs(30);
const TABLE: &str = "duress_test";

/// Calls this on a network of its own that has these addresses, if there can be one.
fn apart(test: &str, family: [&str; 3], work: impl FnOnce() + Send) {
    let ip =
        |words: &str| Command::new("ip").args(words.split(' ')).status().is_ok_and(|status| status.success());
    // IPv4 has all of its own.
    let add = |address: &&str| address.contains('.') || ip(&format!("addr add {address}/128 dev lo nodad"));
    let apart = || {
        let has_rules = unshare(CloneFlags::CLONE_NEWNET).is_ok() && nft(&["list", "tables"], "").is_ok();
        if !has_rules || !ip("link set lo up") || !family.iter().all(add) {
            eprintln!("{test}: skipped, it needs root, nftables, iproute2 and addresses like {}", family[0]);
            return;
        }
        work();
    };
    thread::scope(|scope| scope.spawn(apart).join().unwrap_or_else(|panic| resume_unwind(panic)));
}

fn socket(at: IpAddr, port: u16) -> UdpSocket {
    let socket = UdpSocket::bind((at, port)).expect("a socket");
    socket.set_read_timeout(Some(PATIENCE)).expect("set");
    socket
}

/// Servers at all ends, and connections between them.
struct Lab {
    firewall: Firewall,
    here: IpAddr,
    peer: IpAddr,
    /// Its link is never cut.
    witness: UdpSocket,
    servers: Vec<UdpSocket>,
}

impl Lab {
    fn new([here, peer, other]: [&str; 3]) -> Self {
        let [here, peer, other] = [here, peer, other].map(|address| address.parse().expect("an address"));
        let servers = [(here, PORT), (here, OTHER_PORT), (peer, PORT), (peer, OTHER_PORT)];
        Self {
            firewall: Firewall::new(Tool::Nft, TABLE.to_owned()),
            here,
            peer,
            witness: socket(other, 0),
            servers: servers.map(|(at, port)| socket(at, port)).into(),
        }
    }

    fn cut(&self, side: Side, cut: Cut) {
        self.firewall.set(&[Rule { fault: 7, side, peer: self.peer, cut }]).expect("rules");
    }

    /// Does what is sent from this socket to a server get there? Told by what is sent later, from where nothing is
    /// cut; what may not leave is told at once.
    fn crosses(&self, from: &UdpSocket, to: (IpAddr, u16), payload: &[u8]) -> bool {
        let to = SocketAddr::from(to);
        match from.send_to(payload, to) {
            Err(error) if error.kind() == ErrorKind::PermissionDenied => return false,
            sent => drop(sent.expect("sent")),
        }
        let server = self.servers.iter().find(|server| server.local_addr().is_ok_and(|at| at == to));
        let server = server.expect("a server");
        let _ = self.witness.send_to(b"later", to);
        let mut room = [0; 64];
        let mut came = false;
        loop {
            let length = server.recv(&mut room).expect("one of them comes");
            if room[..length] == *b"later" {
                return came;
            }
            came |= room[..length] == *payload;
        }
    }

    /// From the peer to this host.
    fn arrives(&self, port: u16) -> bool {
        self.crosses(&socket(self.peer, 0), (self.here, port), b"hello")
    }

    /// From this host to the peer.
    fn leaves(&self, port: u16) -> bool {
        self.crosses(&socket(self.here, 0), (self.peer, port), b"hello")
    }

    /// Both, to both servers.
    fn all(&self) -> [bool; 4] {
        [self.arrives(PORT), self.arrives(OTHER_PORT), self.leaves(PORT), self.leaves(OTHER_PORT)]
    }
}

#[test]
fn a_cut_is_for_one_peer_one_direction_and_its_port() {
    let test = "a_cut_is_for_one_peer_one_direction_and_its_port";
    for family in FAMILIES {
        apart(test, family, || {
            let lab = Lab::new(family);
            let port = Cut { port: Some(PORT), ..Cut::default() };
            for (side, cut, crosses) in [
                (Side::From, Cut::default(), [false, false, true, true]),
                (Side::To, Cut::default(), [true, true, false, false]),
                (Side::From, port, [false, true, true, true]),
                (Side::To, port, [true, true, false, true]),
            ] {
                assert_eq!(lab.all(), [true; 4], "before {side:?} {cut:?}");
                lab.cut(side, cut);
                assert_eq!(lab.all(), crosses, "{side:?} {cut:?}");
                lab.firewall.set(&[]).expect("no rules");
            }
            // What the peer's server answers comes from its port.
            lab.cut(Side::From, port);
            let (own, other) = (&lab.servers[2], &lab.servers[3]);
            assert!(!lab.crosses(own, (lab.here, OTHER_PORT), b"answer"));
            assert!(lab.crosses(other, (lab.here, OTHER_PORT), b"answer"));
            lab.firewall.remove();
            assert_eq!((lab.all(), tables()), ([true; 4], Ok(Vec::new())));
        });
    }
}

#[test]
fn a_refused_datagram_is_told_to_its_sender() {
    let test = "a_refused_datagram_is_told_to_its_sender";
    for family in FAMILIES {
        apart(test, family, || {
            let lab = Lab::new(family);
            lab.cut(Side::From, Cut { reject: true, ..Cut::default() });
            let sender = socket(lab.peer, 0);
            sender.connect((lab.here, PORT)).expect("connected");
            sender.send(b"hello").expect("sent");
            let told = sender.recv(&mut [0; 64]).expect_err("nobody answers");
            assert_eq!(told.kind(), ErrorKind::ConnectionRefused);
            assert!(lab.leaves(PORT));
        });
    }
}

#[test]
fn connections_are_known_by_when_they_began() {
    let test = "connections_are_known_by_when_they_began";
    let kinds = [(Connections::New, [true, false]), (Connections::Established, [false, true])];
    for (family, (connections, crosses)) in
        FAMILIES.into_iter().flat_map(|family| kinds.map(|kind| (family, kind)))
    {
        apart(test, family, || {
            let lab = Lab::new(family);
            lab.firewall.know(vec![lab.peer]).expect("rules");
            let (old, to) = (socket(lab.peer, 0), (lab.here, PORT));
            assert!(lab.crosses(&old, to, b"hello"));
            lab.cut(Side::From, Cut { connections, ..Cut::default() });
            let new = socket(lab.peer, 0);
            let seen = [&old, &new].map(|socket| lab.crosses(socket, to, b"hello"));
            assert_eq!(seen, crosses, "{connections:?}");
        });
    }
}

#[test]
fn what_a_fault_takes_is_counted_and_probes_apart_from_it() {
    apart("what_a_fault_takes_is_counted_and_probes_apart_from_it", FAMILIES[0], || {
        let lab = Lab::new(FAMILIES[0]);
        let counts = || (lab.firewall.taken(7), lab.firewall.taken(8), lab.firewall.probes_taken());
        lab.cut(Side::From, Cut::default());
        assert_eq!(counts(), (Ok(0), Ok(0), Ok(0)));
        assert!(!lab.arrives(PORT) && !lab.arrives(PORT));
        assert!(!lab.crosses(&socket(lab.peer, 0), (lab.here, PORT), &probe_payload(1)));
        assert_eq!(counts(), (Ok(2), Ok(0), Ok(1)));
        // They are asked for when it is over.
        lab.firewall.set(&[]).expect("no rules");
        assert_eq!((counts(), lab.arrives(PORT)), ((Ok(2), Ok(0), Ok(1)), true));
    });
}

fn runs(dir: &Path) -> usize {
    fs::read_dir(dir.join("runs")).expect("a folder").count()
}

#[test]
fn what_a_dead_agent_has_left_is_removed_and_nobody_else_s() {
    apart("what_a_dead_agent_has_left_is_removed_and_nobody_else_s", FAMILIES[0], || {
        let dir = tempfile::tempdir().expect("a folder");
        let own = dir.path().join("runs/run-n1");
        let table = table_of(&own);
        let trace = Trace::leave(own, Some(table.clone())).expect("a trace");
        nft(&["add", "table", "inet", &table], "").expect("a table");
        // This process is the agent, and lives.
        assert_eq!((heal(dir.path()), runs(dir.path())), ((0, 0), 2));
        assert_eq!(tables(), Ok(vec![table]));
        let text = fs::read_to_string(&trace.file).expect("a file");
        // Its number, given to another process since; and another machine, which shares the folder.
        let mut told: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        told["start_time"] = 1.into();
        let (dead, host) = (told.to_string(), told["host"].clone());
        told["host"] = format!("{host}-2").into();
        fs::write(&trace.file, told.to_string()).expect("written");
        assert_eq!((heal(dir.path()), runs(dir.path())), ((0, 0), 2));
        fs::write(&trace.file, dead).expect("written");
        assert_eq!((heal(dir.path()), runs(dir.path())), ((1, 0), 0));
        assert_eq!(tables(), Ok(Vec::new()));
    });
}

#[test]
fn what_cannot_be_removed_yet_stays_noted() {
    apart("what_cannot_be_removed_yet_stays_noted", FAMILIES[0], || {
        let dir = tempfile::tempdir().expect("a folder");
        let own = dir.path().join("runs/run-n1");
        let table = table_of(&own);
        let trace = Trace::leave(own, Some(table.clone())).expect("a trace");
        // Nobody else may touch it while this one runs.
        let mut owner = Command::new("nft").arg("-i").stdin(Stdio::piped()).spawn().expect("nft starts");
        let mut input = owner.stdin.take().expect("a pipe");
        writeln!(input, "add table inet {table} {{ flags owner; }}").expect("written");
        let patience = Instant::now() + PATIENCE;
        while tables().expect("listed").is_empty() {
            assert!(Instant::now() < patience, "there is no table");
            thread::sleep(LOOK_EVERY);
        }
        assert!(!trace.clear() && trace.file.exists(), "nobody would remove its rules");
        drop(input);
        owner.wait().expect("it ends");
        assert!(trace.clear() && !trace.file.exists());
    });
}
