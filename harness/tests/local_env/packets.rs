//! What befalls packets, measured by sockets on the hosts, and that nothing of it remains.

use super::{Setting, address, in_network_of, pid, udp_on};
use duress::env::Environment;
use duress::env::cut::{Crossing, Cut};
use duress::env::local::Local;
use duress::env::packet::{Behavior, Distribution, Policies, Policy, Traffic};
use std::collections::BTreeSet;
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// The link that is mistreated.
const LINK: (usize, usize) = (0, 1);

/// How long one listens after the last datagram was sent and its latest is due.
const QUIET: Duration = Duration::from_millis(100);

const PAYLOAD: usize = 64;

/// A datagram that arrived.
struct Arrival {
    number: u32,
    after: Duration,
    intact: bool,
}

fn payload(number: u32) -> [u8; PAYLOAD] {
    let mut payload = [0x5a; PAYLOAD];
    payload[..4].copy_from_slice(&number.to_be_bytes());
    // Twice: a flipped bit of one of them makes no other datagram.
    payload[PAYLOAD - 4..].copy_from_slice(&number.to_be_bytes());
    payload
}

fn befall(cluster: &Local, behavior: &Behavior) {
    cluster.set_links(&Policies::from([(LINK, Policy::mistreat(1, behavior.clone()))])).unwrap();
}

fn traffic(cluster: &Local) -> Traffic {
    cluster.traffic(LINK)
}

/// Sends numbered datagrams over the link, `gap` apart at least, and listens until all are sent and nothing has
/// come for a while. Whoever was held up does not catch up: a socket has room for a few hundred.
fn send(sockets: &[UdpSocket], count: u32, gap: Duration, latest: Duration) -> Vec<Arrival> {
    let began = Instant::now();
    let all_sent = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            for number in 0..count {
                sockets[0].send_to(&payload(number), (address(1), 7000)).unwrap();
                let next = (began + gap * (number + 1)).saturating_duration_since(Instant::now());
                thread::sleep(next.max(gap / 2));
            }
            all_sent.store(true, Ordering::Release);
        });
        sockets[1].set_read_timeout(Some(latest + QUIET)).unwrap();
        let mut arrivals = Vec::new();
        let mut buffer = [0; 2 * PAYLOAD];
        loop {
            let is_last_wait = all_sent.load(Ordering::Acquire);
            match sockets[1].recv(&mut buffer) {
                Ok(length) => {
                    let number = u32::from_be_bytes(buffer[..4].try_into().unwrap());
                    let intact = buffer[..length] == payload(number);
                    arrivals.push(Arrival { number, after: began.elapsed(), intact });
                }
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    if is_last_wait {
                        break;
                    }
                }
                Err(error) => panic!("{error}"),
            }
        }
        arrivals
    })
}

fn sockets(cluster: &Local) -> Vec<UdpSocket> {
    (0..2).map(|node| udp_on(cluster, node, 7000)).collect()
}

fn numbers(arrivals: &[Arrival]) -> Vec<u32> {
    arrivals.iter().map(|arrival| arrival.number).collect()
}

pub(super) fn delays_are_as_long_as_asked_for_and_in_order(setting: &Setting) {
    let cluster = setting.cluster(2, "exec sleep 1000");
    let sockets = sockets(&cluster);
    let gap = Duration::from_millis(10);
    let mut medians = Vec::new();
    for (ms, jitter_ms) in [(0, 0), (40, 0), (120, 60)] {
        let behavior = Behavior::Delay { ms, jitter_ms, distribution: Distribution::Uniform };
        if ms > 0 {
            befall(&cluster, &behavior);
            assert_eq!(cluster.sample(LINK, &behavior).unwrap(), Some(1));
        }
        let arrivals = send(&sockets, 30, gap, Duration::from_millis(200));
        assert_eq!(numbers(&arrivals), (0..30).collect::<Vec<_>>(), "all, in order");
        let mut waits: Vec<Duration> =
            arrivals.iter().map(|arrival| arrival.after.saturating_sub(gap * arrival.number)).collect();
        waits.sort();
        let least = Duration::from_millis((ms - jitter_ms).into());
        assert!(waits[0] >= least, "{:?} is less than {least:?}", waits[0]);
        medians.push(waits[waits.len() / 2]);
    }
    assert!(medians.is_sorted(), "{medians:?}");
    assert_eq!(traffic(&cluster).delayed, 60);
    cluster.set_links(&Policies::new()).unwrap();
    assert_eq!(cluster.probe(LINK, &Cut::default()).unwrap(), Crossing::Arrived);
    let after = send(&sockets, 5, gap, Duration::ZERO);
    assert_eq!((after.len(), traffic(&cluster).delayed), (5, 60), "nothing of it remains");
}

pub(super) fn losses_and_copies_are_as_many_as_counted(setting: &Setting) {
    const COUNT: u32 = 1_000;
    let cluster = setting.cluster(2, "exec sleep 1000");
    let sockets = sockets(&cluster);
    let gap = Duration::from_micros(200);
    for burst in [1, 6] {
        let before = traffic(&cluster);
        let loss = Behavior::Loss { percent: 30, burst };
        befall(&cluster, &loss);
        assert!(cluster.sample(LINK, &loss).unwrap().is_some());
        let arrived = send(&sockets, COUNT, gap, Duration::ZERO).len() as u64;
        let (passed, lost) = (traffic(&cluster).passed - before.passed, traffic(&cluster).lost - before.lost);
        assert_eq!((arrived, arrived + lost), (passed, COUNT.into()), "in bursts of {burst}");
        assert!((150..=450).contains(&lost), "{lost} of {COUNT} are lost, not about 300");
    }
    let before = traffic(&cluster);
    befall(&cluster, &Behavior::Duplicate { percent: 20 });
    let arrivals = send(&sockets, COUNT, gap, Duration::ZERO);
    let twice = traffic(&cluster).duplicated - before.duplicated;
    assert_eq!(arrivals.len() as u64, u64::from(COUNT) + twice);
    assert_eq!(numbers(&arrivals).into_iter().collect::<BTreeSet<_>>().len(), COUNT as usize);
    assert!((100..=300).contains(&twice), "{twice} of {COUNT} arrive twice, not about 200");
}

pub(super) fn some_packets_overtake_others(setting: &Setting) {
    let cluster = setting.cluster(2, "exec sleep 1000");
    let sockets = sockets(&cluster);
    let reorder = Behavior::Reorder { percent: 20, ms: 30 };
    befall(&cluster, &reorder);
    assert!(cluster.sample(LINK, &reorder).unwrap().is_some());
    let arrivals = send(&sockets, 200, Duration::from_millis(2), Duration::from_millis(30));
    let mut order = numbers(&arrivals);
    assert!(!order.is_sorted(), "nothing was overtaken");
    order.sort_unstable();
    assert_eq!(order, (0..200).collect::<Vec<_>>(), "nothing is lost");
}

pub(super) fn damage_is_dropped_by_the_host_or_reaches_the_server(setting: &Setting) {
    const COUNT: u32 = 400;
    let cluster = setting.cluster(2, "exec sleep 1000");
    let sockets = sockets(&cluster);
    let gap = Duration::from_micros(200);
    for silent in [false, true] {
        let before = traffic(&cluster);
        let corrupt = Behavior::Corrupt { percent: 40, silent };
        befall(&cluster, &corrupt);
        assert!(cluster.sample(LINK, &corrupt).unwrap().is_some());
        let arrivals = send(&sockets, COUNT, gap, Duration::ZERO);
        let corrupted = (traffic(&cluster).corrupted - before.corrupted) as usize;
        assert!((100..=220).contains(&corrupted), "{corrupted} of {COUNT}");
        let intact = arrivals.iter().filter(|arrival| arrival.intact).count();
        // A flipped bit of the length or of a port loses the datagram before its checksum does.
        let arrived = if silent { COUNT as usize } else { intact };
        assert_eq!((arrivals.len(), intact), (arrived, COUNT as usize - corrupted), "silent: {silent}");
    }
}

pub(super) fn held_packets_all_arrive_afterwards_and_those_on_a_cut_link_never(setting: &Setting) {
    let cluster = setting.cluster(2, "exec sleep 1000");
    let sockets = sockets(&cluster);
    let late = Behavior::Delay { ms: 5_000, jitter_ms: 0, distribution: Distribution::Uniform };
    for behavior in [Behavior::Hold, late] {
        befall(&cluster, &behavior);
        assert_eq!(cluster.sample(LINK, &behavior).unwrap(), Some(1));
        assert_eq!(send(&sockets, 10, Duration::ZERO, Duration::ZERO).len(), 0);
        cluster.set_links(&Policies::new()).unwrap();
        assert_eq!(numbers(&send(&sockets, 1, Duration::ZERO, Duration::ZERO)), {
            let mut all: Vec<u32> = (0..10).collect();
            all.push(0);
            all
        });
        let before = traffic(&cluster);
        befall(&cluster, &behavior);
        send(&sockets, 10, Duration::ZERO, Duration::ZERO);
        cluster.set_links(&Policies::from([(LINK, Policy::cut(2, Cut::default()))])).unwrap();
        cluster.set_links(&Policies::new()).unwrap();
        assert_eq!(send(&sockets, 1, Duration::ZERO, Duration::ZERO).len(), 1);
        let after = traffic(&cluster);
        assert_eq!((after.dropped - before.dropped, after.passed - before.passed), (10, 1));
    }
}

pub(super) fn a_flapping_link_is_up_and_down(setting: &Setting) {
    let cluster = setting.cluster(2, "exec sleep 1000");
    let sockets = sockets(&cluster);
    let flap = Behavior::Flap { up_ms: 40, down_ms: 40 };
    befall(&cluster, &flap);
    assert!(cluster.sample(LINK, &flap).unwrap().is_some());
    let arrivals = send(&sockets, 200, Duration::from_millis(2), Duration::ZERO);
    let gaps = numbers(&arrivals).windows(2).filter(|pair| pair[1] - pair[0] > 5).count();
    assert!(gaps >= 2, "400 ms of a link that is down every other 40 ms: {gaps} gaps");
    assert!(arrivals.len() > 20, "{} arrived", arrivals.len());
}

/// Seconds that a transfer over TCP takes; what arrives has to be what was sent.
fn transfer(cluster: &Local, port: u16, length: usize) -> f64 {
    let listener = in_network_of(pid(cluster, 1), || TcpListener::bind((address(1), port)).unwrap());
    let sent: Vec<u8> = (0..length).map(|i| (i * 31 + i / 251) as u8).collect();
    let began = Instant::now();
    let received = thread::scope(|scope| {
        scope.spawn(|| {
            let mut stream =
                in_network_of(pid(cluster, 0), || TcpStream::connect((address(1), port)).unwrap());
            stream.write_all(&sent).unwrap();
        });
        let mut received = Vec::new();
        listener.accept().unwrap().0.read_to_end(&mut received).unwrap();
        received
    });
    assert!(sent == received, "{} bytes of {length} arrived, or others", received.len());
    began.elapsed().as_secs_f64()
}

pub(super) fn a_slow_link_takes_its_time(setting: &Setting) {
    const LENGTH: usize = 256 << 10;
    let cluster = setting.cluster(2, "exec sleep 1000");
    let slow = Behavior::Rate { kbit: 4_000, queue_kib: 64 };
    befall(&cluster, &slow);
    assert!(cluster.sample(LINK, &slow).unwrap().is_some());
    let least = LENGTH as f64 * 8.0 / 4e6;
    let took = transfer(&cluster, 7000, LENGTH);
    assert!(took >= least, "{took} s, and the link needs {least} s");
    cluster.set_links(&Policies::new()).unwrap();
    let free = transfer(&cluster, 7001, LENGTH);
    assert!(free < took, "{free} s without, {took} s with it");
}

pub(super) fn tcp_survives_all_of_it_together(setting: &Setting) {
    let cluster = setting.cluster(2, "exec sleep 1000");
    let behaviors = vec![
        Behavior::Delay { ms: 3, jitter_ms: 2, distribution: Distribution::Tail },
        Behavior::Loss { percent: 2, burst: 2 },
        Behavior::Duplicate { percent: 5 },
        Behavior::Reorder { percent: 5, ms: 3 },
        Behavior::Corrupt { percent: 2, silent: false },
    ];
    let policy = Policy { behaviors: (1..).zip(behaviors).collect(), ..Policy::default() };
    cluster.set_links(&Policies::from([(LINK, policy.clone()), ((1, 0), policy)])).unwrap();
    transfer(&cluster, 7000, 512 << 10);
    let seen = traffic(&cluster);
    // So many packets are needed if each is one: offloads would hand over a few dozen.
    assert!(seen.passed > 300, "{seen:?}");
    assert!([seen.lost, seen.duplicated, seen.reordered, seen.corrupted].iter().all(|&n| n > 0), "{seen:?}");
}
