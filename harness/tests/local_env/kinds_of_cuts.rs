//! Cuts that are not just silence, and what the switch tells of all that crossed it, measured by
//! sockets on the hosts.

use super::{Cluster, PATIENCE, SILENCE, Setting, address, in_network_of, pid, udp_on};
use duress::env::Environment;
use duress::env::cut::{Connections, Crossing, Cut};
use duress::env::packet::{Behavior, Distribution, Policies, Policy};
use duress_reports::artifact::{Flow, Volume};
use std::collections::BTreeSet;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};

/// Both directions of the link that is cut.
const LINKS: [(usize, usize); 2] = [(0, 1), (1, 0)];

/// Headers of Ethernet, IP and UDP.
const HEADERS: u64 = 14 + 20 + 8;

fn cut(cluster: &Cluster, fault: u32, cut: Cut) {
    let links = BTreeSet::from(LINKS);
    cluster.acquaint(&links, &cut).unwrap();
    cluster.set_links(&links.into_iter().map(|link| (link, Policy::cut(fault, cut))).collect()).unwrap();
    for link in LINKS {
        assert_eq!(cluster.probe(link, &cut).unwrap(), cut.leads_to(), "{link:?}");
    }
}

fn mend(cluster: &Cluster, was: Cut) {
    cluster.set_links(&Policies::new()).unwrap();
    for link in LINKS {
        assert_eq!(cluster.probe(link, &was).unwrap(), Crossing::Arrived, "{link:?}");
    }
}

fn listen(cluster: &Cluster, port: u16) -> TcpListener {
    in_network_of(pid(cluster, 1), || TcpListener::bind((address(1), port)).unwrap())
}

/// A connection attempt from the first node to the second; it may take as long as one listens.
fn connect(cluster: &Cluster, port: u16, within: std::time::Duration) -> io::Result<TcpStream> {
    in_network_of(pid(cluster, 0), || TcpStream::connect_timeout(&(address(1), port).into(), within))
}

/// Both ends of a connection.
fn connection(cluster: &Cluster, listener: &TcpListener) -> (TcpStream, TcpStream) {
    let near = connect(cluster, listener.local_addr().unwrap().port(), PATIENCE).unwrap();
    let far = listener.accept().unwrap().0;
    far.set_read_timeout(Some(PATIENCE)).unwrap();
    (near, far)
}

fn send((near, _): &mut (TcpStream, TcpStream)) {
    near.write_all(b"hello").unwrap();
}

fn hears((_, far): &mut (TcpStream, TcpStream)) -> bool {
    far.read_exact(&mut [0; 5]).is_ok()
}

/// What is sent now does not arrive while one listens.
fn stands_still(connection: &mut (TcpStream, TcpStream)) -> bool {
    send(connection);
    connection.1.set_read_timeout(Some(SILENCE)).unwrap();
    let heard = connection.1.peek(&mut [0; 5]).is_ok();
    connection.1.set_read_timeout(Some(PATIENCE)).unwrap();
    !heard
}

pub(super) fn who_is_refused_hears_of_it_at_once(setting: &Setting) {
    let cluster = setting.cluster(2, "exec sleep 1000");
    let listener = listen(&cluster, 7000);
    let mut old = connection(&cluster, &listener);
    let far = udp_on(&cluster, 1, 7001);
    let near = udp_on(&cluster, 0, 7001);
    near.connect((address(1), 7001)).unwrap();

    let silent = Cut::default();
    cut(&cluster, 1, silent);
    let error = connect(&cluster, 7000, SILENCE).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut, "{error}");
    mend(&cluster, silent);

    let refusing = Cut { reject: true, ..Cut::default() };
    cut(&cluster, 2, refusing);
    let error = connect(&cluster, 7000, PATIENCE).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused, "{error}");
    near.send(b"hello").unwrap();
    let error = near.recv(&mut [0; 8]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused, "{error}");
    send(&mut old);
    old.0.set_read_timeout(Some(PATIENCE)).unwrap();
    let error = old.0.read(&mut [0; 8]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{error}");
    assert!(cluster.traffic((0, 1)).dropped >= 3);

    mend(&cluster, refusing);
    let mut new = connection(&cluster, &listener);
    send(&mut new);
    near.send(b"again").unwrap();
    assert!(hears(&mut new) && far.recv(&mut [0; 8]).unwrap() == 5, "nothing of it remains");
}

pub(super) fn one_port_is_cut_and_another_is_not(setting: &Setting) {
    let cluster = setting.cluster(2, "exec sleep 1000");
    let (one, other) = (listen(&cluster, 7000), listen(&cluster, 7001));
    let (mut cut_off, mut free) = (connection(&cluster, &one), connection(&cluster, &other));
    let port = Cut { port: Some(7000), ..Cut::default() };
    cut(&cluster, 1, port);
    assert!(stands_still(&mut cut_off));
    send(&mut free);
    assert!(hears(&mut free));
    assert_eq!(connect(&cluster, 7000, SILENCE).unwrap_err().kind(), ErrorKind::TimedOut);
    connection(&cluster, &other);
    assert_eq!(cluster.probe((0, 1), &Cut::default()).unwrap(), Crossing::Arrived);
    mend(&cluster, port);
    assert!(hears(&mut cut_off), "TCP sends it again");
}

pub(super) fn old_or_new_connections_alone_are_cut(setting: &Setting) {
    let cluster = setting.cluster(2, "exec sleep 1000");
    let listener = listen(&cluster, 7000);
    let mut old = connection(&cluster, &listener);

    let established = Cut { connections: Connections::Established, ..Cut::default() };
    cut(&cluster, 1, established);
    assert!(stands_still(&mut old));
    let mut new = connection(&cluster, &listener);
    send(&mut new);
    assert!(hears(&mut new));
    mend(&cluster, established);
    assert!(hears(&mut old), "TCP sends it again");

    let only_new = Cut { connections: Connections::New, ..Cut::default() };
    cut(&cluster, 2, only_new);
    for connection in [&mut old, &mut new] {
        send(connection);
        assert!(hears(connection));
    }
    assert_eq!(connect(&cluster, 7000, SILENCE).unwrap_err().kind(), ErrorKind::TimedOut);
    mend(&cluster, only_new);
    let mut third = connection(&cluster, &listener);
    send(&mut third);
    assert!(hears(&mut third));
}

pub(super) fn what_waits_is_dropped_if_the_cut_is_for_it(setting: &Setting) {
    let cluster = setting.cluster(2, "exec sleep 1000");
    let near = udp_on(&cluster, 0, 7000);
    let [one, other] = [7001, 7002].map(|port| udp_on(&cluster, 1, port));
    let hold = Policy::mistreat(1, Behavior::Hold);
    cluster.set_links(&Policies::from([((0, 1), hold)])).unwrap();
    for _ in 0..4 {
        near.send_to(b"hello", (address(1), 7001)).unwrap();
        near.send_to(b"hello", (address(1), 7002)).unwrap();
    }
    super::eventually("they wait", || cluster.traffic((0, 1)).held == 8);
    let cut = Policy::cut(2, Cut { port: Some(7001), ..Cut::default() });
    cluster.set_links(&Policies::from([((0, 1), cut)])).unwrap();
    for _ in 0..4 {
        assert_eq!(other.recv(&mut [0; 8]).unwrap(), 5);
    }
    one.set_read_timeout(Some(SILENCE)).unwrap();
    assert!(one.recv(&mut [0; 8]).is_err());
    let traffic = cluster.traffic((0, 1));
    assert_eq!((traffic.passed, traffic.dropped), (4, 4));
    let flows = cluster.network().unwrap().flows;
    let flow = |port| flows.iter().find(|flow| flow.port == Some(port)).unwrap();
    assert_eq!((flow(7001).there.frames, taken(flow(7001), 2)), (0, 4));
    assert_eq!((flow(7002).there.frames, taken(flow(7002), 2)), (4, 0));
}

pub(super) fn what_waits_is_refused_if_the_cut_refuses(setting: &Setting) {
    let cluster = setting.cluster(2, "exec sleep 1000");
    let (near, far) = (udp_on(&cluster, 0, 7000), udp_on(&cluster, 1, 7000));
    near.connect((address(1), 7000)).unwrap();
    for waits in
        [Behavior::Hold, Behavior::Delay { ms: 60_000, jitter_ms: 0, distribution: Distribution::Uniform }]
    {
        let before = cluster.traffic((0, 1)).dropped;
        let wait = Policy::mistreat(1, waits);
        cluster.set_links(&Policies::from([((0, 1), wait)])).unwrap();
        let waiting = |cluster: &Cluster| {
            let traffic = cluster.traffic((0, 1));
            traffic.held + traffic.delayed
        };
        let waited = waiting(&cluster);
        near.send(b"hello").unwrap();
        super::eventually("it waits", || waiting(&cluster) > waited);
        let refusing = Policy::cut(2, Cut { reject: true, ..Cut::default() });
        cluster.set_links(&Policies::from([((0, 1), refusing)])).unwrap();
        let error = near.recv(&mut [0; 8]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused, "{error}");
        assert_eq!(cluster.traffic((0, 1)).dropped, before + 1);
    }
    cluster.set_links(&Policies::new()).unwrap();
    near.send(b"again").unwrap();
    assert_eq!(far.recv(&mut [0; 8]).unwrap(), 5, "the first that arrives");
    let fates: Vec<_> =
        read_capture(&cluster.network().unwrap().capture).into_iter().filter_map(|f| f.2).collect();
    assert_eq!(fates.iter().filter(|fate| *fate == "refused by F2 while it waited").count(), 2, "{fates:?}");
}

fn taken(flow: &Flow, fault: u32) -> u64 {
    let of_it = flow.taken.iter().filter(|taken| taken.fault == Some(fault));
    of_it.map(|taken| taken.volume.frames).sum()
}

/// A frame of a capture: its interface, itself, and the comment on it.
type Captured = (String, Vec<u8>, Option<String>);

/// Reads a file of pcapng, which has to be whole.
fn read_capture(file: &[u8]) -> Vec<Captured> {
    let word = |at: usize| u32::from_ne_bytes(file[at..at + 4].try_into().unwrap());
    let half = |at: usize| u16::from_ne_bytes(file[at..at + 2].try_into().unwrap());
    // The first option of this kind among those that begin here.
    let option = |mut at: usize, end: usize, kind: u16| {
        while at < end && half(at) != 0 {
            let length = usize::from(half(at + 2));
            if half(at) == kind {
                return Some(String::from_utf8(file[at + 4..at + 4 + length].to_vec()).unwrap());
            }
            at += 4 + length.next_multiple_of(4);
        }
        None
    };
    let (mut at, mut interfaces, mut frames) = (0, Vec::new(), Vec::new());
    while at < file.len() {
        let (kind, length) = (word(at), word(at + 4) as usize);
        let end = at + length - 4;
        assert_eq!(word(end) as usize, length);
        match kind {
            0x0a0d_0d0a => assert!(at == 0 && word(8) == 0x1a2b_3c4d),
            1 => interfaces.push(option(at + 16, end, 2).unwrap()),
            6 => {
                let captured = word(at + 20) as usize;
                let options = at + 28 + captured.next_multiple_of(4);
                let interface = interfaces[word(at + 8) as usize].clone();
                frames.push((interface, file[at + 28..at + 28 + captured].to_vec(), option(options, end, 1)));
            }
            kind => panic!("block {kind}"),
        }
        at = end + 4;
    }
    frames
}

pub(super) fn what_is_told_is_what_was_sent(setting: &Setting) {
    let cluster = setting.cluster(2, "exec sleep 1000");
    let sockets: Vec<UdpSocket> = (0..2).map(|node| udp_on(&cluster, node, 7000)).collect();
    let listener = listen(&cluster, 7001);
    let mut talk = connection(&cluster, &listener);
    send(&mut talk);
    assert!(hears(&mut talk));
    let say = |count: usize, length: usize| {
        for _ in 0..count {
            sockets[0].send_to(&vec![7; length], (address(1), 7000)).unwrap();
        }
    };
    say(10, 100);
    (0..10).for_each(|_| assert_eq!(sockets[1].recv(&mut [0; 200]).unwrap(), 100));
    sockets[1].send_to(b"ok", (address(0), 7000)).unwrap();
    assert_eq!(sockets[0].recv(&mut [0; 200]).unwrap(), 2);
    cut(&cluster, 9, Cut::default());
    say(4, 1_000);
    super::eventually("they are dropped", || cluster.traffic((0, 1)).dropped >= 4);
    mend(&cluster, Cut::default());

    let told = cluster.network().unwrap();
    let flow = |protocol: &str| told.flows.iter().find(|flow| flow.protocol == protocol).unwrap();
    let udp = flow("udp");
    assert_eq!((&udp.client[..], &udp.server[..], udp.port, udp.connections), ("n1", "n2", Some(7000), 1));
    assert_eq!(udp.there, Volume { frames: 10, bytes: 10 * (100 + HEADERS) });
    assert_eq!(udp.back, Volume { frames: 1, bytes: 2 + HEADERS });
    let lost = &udp.taken[..];
    assert_eq!(lost.len(), 1);
    assert_eq!(
        (lost[0].fault, lost[0].volume.frames, lost[0].volume.bytes),
        (Some(9), 4, 4 * (1_000 + HEADERS))
    );
    assert_eq!(cluster.taken(9), Some(taken(udp, 9) + taken(flow("tcp"), 9)));
    let tcp = flow("tcp");
    assert_eq!((&tcp.client[..], tcp.port, tcp.connections), ("n1", Some(7001), 1));
    assert!(tcp.there.frames >= 3 && tcp.back.frames >= 2, "{tcp:?}");
    for (link, client) in [((0, 1), "n1"), ((1, 0), "n2")] {
        let there = told.flows.iter().filter(|flow| flow.client == client).map(|flow| flow.there.frames);
        let back = told.flows.iter().filter(|flow| flow.server == client).map(|flow| flow.back.frames);
        assert_eq!(there.chain(back).sum::<u64>(), cluster.traffic(link).passed, "{link:?}");
    }
    let dropped = LINKS.map(|link| cluster.traffic(link).dropped).iter().sum::<u64>();
    assert_eq!(taken(udp, 9) + taken(tcp, 9), dropped);

    let frames = read_capture(&told.capture);
    let datagrams =
        frames.iter().filter(|(_, frame, _)| frame[23] == 17 && frame[36..38] == 7000_u16.to_be_bytes());
    let (passed, dropped): (Vec<_>, Vec<_>) = datagrams.partition(|(_, _, fate)| fate.is_none());
    assert_eq!((passed.len(), dropped.len()), (11, 4));
    assert!(dropped.iter().all(|(from, _, fate)| from == "n1" && fate.as_deref() == Some("dropped by F9")));
    assert_eq!(passed.iter().filter(|(from, frame, _)| from == "n1" && frame.len() == 142).count(), 10);
}
