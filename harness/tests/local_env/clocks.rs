//! Clocks of nodes, as their servers read them, and that nothing of a skew remains.
//!
//! A server's readings are compared with what the kernel tells it in the same moment.

use super::{Cluster, PATIENCE, Setting, address, config, in_network_of, pid};
use duress::env::clock::{Clocks, Skew, Skews};
use duress::env::local::{Data, Local, Privilege, ServerCommand};
use duress::env::{Environment, Stop};
use duress_targets::obtain::{Request, default_cache, obtain};
use duress_targets::{Registry, Server, Settings, Source};
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

/// How often the server reads its clocks.
const READING: Duration = Duration::from_millis(1);

/// Makes this program the server.
pub(super) const TELL: &str = "tell-the-time";

/// One reading of both clocks by a server: nanoseconds, true ones around what was shown.
#[derive(Clone, Copy, Debug)]
struct Reading {
    wall: [i64; 3],
    monotonic: [i64; 3],
}

/// A server that tells what its clocks show until it is killed.
pub(super) fn tell() -> ! {
    let shown = |clock| {
        let time = nix::time::clock_gettime(nix::time::ClockId::from_raw(clock)).unwrap();
        time.tv_sec() * 1_000_000_000 + time.tv_nsec()
    };
    loop {
        let around = |clock| [kernel(clock), shown(clock), kernel(clock)];
        let (wall, monotonic) = (around(libc::CLOCK_REALTIME), around(libc::CLOCK_MONOTONIC));
        let values: Vec<String> = wall.iter().chain(&monotonic).map(i64::to_string).collect();
        println!("{}", values.join(" "));
        thread::sleep(READING);
    }
}

#[expect(unsafe_code, reason = "the system call past the function that programs use")]
fn kernel(clock: libc::clockid_t) -> i64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the kernel writes it.
    unsafe { libc::syscall(libc::SYS_clock_gettime, clock, &raw mut time) };
    time.tv_sec * 1_000_000_000 + time.tv_nsec
}

fn with_clocks(setting: &Setting, nodes: usize, server: Option<ServerCommand>, script: &str) -> Cluster {
    let dir = tempfile::tempdir().unwrap();
    let mut config = config(setting.ports, dir.path(), nodes, script, Data::Disk);
    config.clocks = true;
    if let Some(server) = server {
        config.servers.fill(server);
    }
    let local = Local::create(setting.privilege, config).unwrap();
    (0..nodes).for_each(|node| local.start(node).unwrap());
    Cluster { local, dir }
}

fn clock_server() -> Option<ServerCommand> {
    let program = std::env::current_exe().unwrap();
    Some(ServerCommand { program, args: vec![TELL.into()], env: Vec::new(), user: None })
}

/// What a server has told since it had told so many bytes, at least so many readings.
fn readings(cluster: &Local, node: usize, since: usize, least: usize) -> Vec<Reading> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let text = fs::read_to_string(cluster.log(node).unwrap()).unwrap();
        let told = &text[since..];
        // What it was about to write may be of before.
        let lines = told[..told.rfind('\n').map_or(0, |end| end + 1)].lines().skip(1);
        let found: Vec<Reading> = lines
            .map(|line| {
                let values: Vec<i64> = line.split(' ').map(|value| value.parse().unwrap()).collect();
                Reading { wall: values[..3].try_into().unwrap(), monotonic: values[3..].try_into().unwrap() }
            })
            .collect();
        if found.len() >= least {
            return found;
        }
        assert!(Instant::now() < deadline, "{} readings: {text}", found.len());
        thread::sleep(READING);
    }
}

fn told(cluster: &Local, node: usize) -> usize {
    fs::metadata(cluster.log(node).unwrap()).unwrap().len() as usize
}

/// By how much a clock is ahead, at least and at most.
fn ahead([before, shown, after]: [i64; 3]) -> (i64, i64) {
    (shown - after, shown - before)
}

/// May it be ahead by so much? What it is compared with is rounded, on a busy machine to a millisecond.
fn is_ahead(reading: [i64; 3], by: i64) -> bool {
    const ROUNDED: i64 = 1_000_000;
    let (least, most) = ahead(reading);
    (least - ROUNDED..=most + ROUNDED).contains(&by)
}

fn one(clocks: Clocks, skew: Skew) -> Skews {
    Skews::from([(1, (clocks, skew))])
}

pub(super) fn servers_see_skewed_clocks(setting: &Setting) {
    const MS: i64 = 1_000_000;
    let cluster = with_clocks(setting, 2, clock_server(), "");
    for (clocks, skew) in [
        (Clocks::Wall, Skew::Jump { ms: 3_600_000 }),
        (Clocks::Wall, Skew::Jump { ms: -250 }),
        (Clocks::Wall, Skew::Drift { ppm: -500_000 }),
        (Clocks::Wall, Skew::Strobe { ms: 2_000, period_ms: 50 }),
        (Clocks::Wall, Skew::Freeze),
        (Clocks::Monotonic, Skew::Drift { ppm: 500_000 }),
        (Clocks::Monotonic, Skew::Freeze),
        (Clocks::Both, Skew::Jump { ms: 5_000 }),
    ] {
        let remained = cluster.read_clocks(0, None).unwrap().monotonic_ns;
        cluster.set_clocks(0, &one(clocks, skew)).unwrap();
        let since = [told(&cluster, 0), told(&cluster, 1)];
        let probe = cluster.read_clocks(0, Some(1)).unwrap();
        assert!(probe.shows && probe.processes == 1 && probe.strays == 0, "{skew:?}: {probe:?}");
        // Some periods of a strobe, and in any case enough to see a clock run.
        let least = if matches!(skew, Skew::Strobe { .. }) { 200 } else { 30 };
        let seen = readings(&cluster, 0, since[0], least);
        let (first, last) = (seen[0], seen[seen.len() - 1]);
        for (of_it, name, read) in [
            (clocks.wall(), "wall", (|reading| reading.wall) as fn(Reading) -> [i64; 3]),
            (clocks.monotonic(), "monotonic", |reading| reading.monotonic),
        ] {
            let before = if name == "wall" { 0 } else { remained };
            let (first, last) = (read(first), read(last));
            let shown = last[1] - first[1];
            let all = |by: i64| seen.iter().all(|reading| is_ahead(read(*reading), by));
            let right = match skew {
                _ if !of_it => all(before),
                Skew::Jump { ms } => all(before + ms * MS),
                Skew::Freeze => shown == 0 && last[0] > first[0],
                Skew::Strobe { ms, .. } => {
                    let wrong = seen.iter().filter(|reading| is_ahead(read(**reading), ms * MS)).count();
                    let right = seen.iter().filter(|reading| is_ahead(read(**reading), 0)).count();
                    wrong > 0 && right > 0 && wrong + right >= seen.len()
                }
                Skew::Drift { ppm } => {
                    // It was read at some time between the two true ones.
                    let at_pace = |passed: i64| passed as f64 * (1.0 + f64::from(ppm) / 1e6);
                    let (least, most) = (at_pace(last[0] - first[2]), at_pace(last[2] - first[0]));
                    (least - 1_000.0..=most + 1_000.0).contains(&(shown as f64)) && last[0] > first[2]
                }
            };
            assert!(right, "{name} under {skew:?} of {clocks:?}, ahead by {before} before: {seen:?}");
        }
        let others = readings(&cluster, 1, since[1], 5);
        assert!(others.iter().all(|other| is_ahead(other.wall, 0) && is_ahead(other.monotonic, 0)));
        cluster.set_clocks(0, &Skews::new()).unwrap();
        let healed = readings(&cluster, 0, told(&cluster, 0), 5);
        let remains = cluster.read_clocks(0, None).unwrap();
        assert_eq!(
            (remains.wall_ns, remains.monotonic_ns == 0 || remained != 0 || clocks.monotonic()),
            (0, true)
        );
        assert!(healed.iter().all(|reading| is_ahead(reading.wall, 0)), "{skew:?}: {healed:?}");
        let pace = healed.iter().map(|reading| ahead(reading.monotonic));
        let (least, most) = pace.fold((i64::MIN, i64::MAX), |(a, b), (c, d)| (a.max(c), b.min(d)));
        assert!(least <= most + 2, "the monotonic clock does not run as the true one: {healed:?}");
    }
    let all = readings(&cluster, 0, 0, 100);
    assert!(all.is_sorted_by_key(|reading| reading.monotonic[1]), "a monotonic clock went back");
}

pub(super) fn skews_add_up_and_end_one_by_one(setting: &Setting) {
    let cluster = with_clocks(setting, 1, clock_server(), "");
    let jump = |ms| (Clocks::Wall, Skew::Jump { ms });
    let reads = |least| readings(&cluster, 0, told(&cluster, 0), least);
    let all_ahead = |ms: i64| reads(5).iter().all(|reading| is_ahead(reading.wall, ms * 1_000_000));
    let mut skews = Skews::from([(1, jump(10_000))]);
    cluster.set_clocks(0, &skews).unwrap();
    skews.insert(2, jump(-3_000));
    cluster.set_clocks(0, &skews).unwrap();
    assert!(all_ahead(7_000));
    assert!(cluster.read_clocks(0, Some(2)).unwrap().shows);
    // Restarted, it finds the clocks as they are; what it skews while it is stopped, too.
    cluster.stop(0, Stop::Kill).unwrap();
    cluster.start(0).unwrap();
    assert!(all_ahead(7_000));
    cluster.pause(0).unwrap();
    skews.remove(&1);
    cluster.set_clocks(0, &skews).unwrap();
    let wall_ns = cluster.read_clocks(0, None).unwrap().wall_ns;
    assert_eq!((wall_ns as f64 / 1e9).round(), -3.0, "{wall_ns}");
    cluster.resume(0).unwrap();
    assert!(all_ahead(-3_000));
    cluster.set_clocks(0, &Skews::new()).unwrap();
    cluster.set_clocks(0, &Skews::new()).unwrap();
    assert!(all_ahead(0));
    let most = (1..=16).map(|fault| (fault, jump(1))).collect();
    // A monotonic clock is left ahead, but for those who have seen it there.
    cluster.set_clocks(0, &one(Clocks::Monotonic, Skew::Jump { ms: 9_000 })).unwrap();
    cluster.set_clocks(0, &Skews::new()).unwrap();
    assert!(reads(5).iter().all(|reading| is_ahead(reading.monotonic, 9_000_000_000)));
    cluster.stop(0, Stop::Kill).unwrap();
    cluster.start(0).unwrap();
    assert!(reads(5).iter().all(|reading| is_ahead(reading.monotonic, 0)));
    assert!(cluster.set_clocks(0, &most).is_err(), "more than there is room for");
    assert!(all_ahead(0));
}

pub(super) fn a_server_that_becomes_another_program_has_not_ended(setting: &Setting) {
    // Fifteen programs in a row, each as the same process.
    const SCRIPT: &str = "echo 'echo .; [ $# -lt 15 ] && exec sh again $* .; exec sleep 1000' > again; \
        exec sh again";
    let cluster = with_clocks(setting, 1, None, SCRIPT);
    let first = pid(&cluster, 0);
    let deadline = Instant::now() + PATIENCE;
    while fs::read_to_string(cluster.log(0).unwrap()).unwrap().lines().count() <= 15 {
        assert_eq!(cluster.exits(), Vec::new());
        assert!(Instant::now() < deadline, "{:?}", fs::read_to_string(cluster.log(0).unwrap()));
        thread::sleep(READING);
    }
    assert_eq!((cluster.exits(), pid(&cluster, 0)), (Vec::new(), first));
    assert_eq!(cluster.read_clocks(0, None).unwrap().strays, 0);
}

pub(super) fn every_program_of_a_node_has_its_clocks(setting: &Setting) {
    // Programs that are looked for in vain, that run in a session of their own, as a shell's child, and
    // one after the other.
    const SCRIPT: &str = "PATH=/nowhere:/nor/there:$PATH; nothing-of-this-name; \
        (setsid sh -c 'while :; do date +%s%N >> orphan; sleep 0.02; done' &); \
        while :; do date +%s%N >> child; sleep 0.02; done";
    const HOUR: i64 = 3_600_000_000_000;
    let cluster = with_clocks(setting, 1, None, SCRIPT);
    cluster.set_clocks(0, &one(Clocks::Wall, Skew::Jump { ms: HOUR / 1_000_000 })).unwrap();
    let dir = cluster.dir.path().join("n1");
    let dates = |name: &str| -> Vec<i64> {
        let text = fs::read_to_string(dir.join(name)).unwrap_or_default();
        let whole = &text[..text.rfind('\n').map_or(0, |end| end + 1)];
        whole.lines().map(|line| line.parse().unwrap()).collect()
    };
    for name in ["child", "orphan"] {
        let deadline = Instant::now() + PATIENCE;
        let (before, began) = (dates(name).len(), kernel(libc::CLOCK_REALTIME));
        while dates(name).len() < before + 5 {
            assert!(Instant::now() < deadline, "{name} tells no time: {}", pid(&cluster, 0));
            thread::sleep(READING);
        }
        // The first one may have been born before the skew.
        let (found, now) = (dates(name), kernel(libc::CLOCK_REALTIME));
        let skewed = found[before + 1..].iter().all(|date| (began + HOUR..=now + HOUR).contains(date));
        assert!(skewed, "{name}: {found:?} between {began} and {now}");
    }
    let probe = cluster.read_clocks(0, Some(1)).unwrap();
    assert!(probe.processes >= 2 && probe.strays == 0, "{probe:?}");
    assert!(cluster.warnings().iter().all(|warning| !warning.contains("clocks")), "{:?}", cluster.warnings());
}

/// A server that is no program of ours. Obtained as root only: an ordinary user's copy of this program has
/// no cache.
pub(super) fn redis_tells_the_time_that_it_is_given(setting: &Setting) {
    let wanted = std::env::var_os("DURESS_CLUSTERS").is_some_and(|value| value == "1");
    if !wanted || setting.privilege != Privilege::Root {
        println!("Redis skipped: it is asked as root, with DURESS_CLUSTERS=1");
        return;
    }
    let registry = Registry::builtin();
    let entry = registry.find("redis").expect("a target");
    let target = (entry.make)(&Settings::default(), "register").expect("redis");
    let Server::Processes(launch) = target.server() else { unreachable!("it is a program") };
    let Source::Recipe(recipe) = launch.source() else { unreachable!("it is obtained") };
    let request = Request::new(default_cache().expect("a cache"));
    let redis = obtain(recipe, &request, &mut |_| ()).expect("redis");
    let (env, program) = (redis.env(), redis.path);
    let args = ["--bind", "0.0.0.0", "--protected-mode", "no", "--save", ""].map(str::to_owned).into();
    let cluster = with_clocks(setting, 2, Some(ServerCommand { program, args, env, user: None }), "");
    let shown = |node: usize| {
        let ask = || -> std::io::Result<String> {
            let mut stream = TcpStream::connect((address(node), 6379))?;
            stream.write_all(b"TIME\r\n")?;
            let mut answer = [0; 128];
            let n = stream.read(&mut answer)?;
            Ok(String::from_utf8_lossy(&answer[..n]).into_owned())
        };
        let deadline = Instant::now() + PATIENCE;
        loop {
            let before = kernel(libc::CLOCK_REALTIME);
            // Two bulk strings: seconds, microseconds.
            let answer = in_network_of(pid(&cluster, node), ask).unwrap_or_default();
            if let [_, _, seconds, _, micros] = answer.lines().collect::<Vec<_>>()[..] {
                let [seconds, micros] = [seconds, micros].map(|text| text.parse::<i64>().expect("a number"));
                return [before, (seconds * 1_000_000 + micros) * 1_000, kernel(libc::CLOCK_REALTIME)];
            }
            assert!(Instant::now() < deadline, "{answer:?}");
            thread::sleep(READING);
        }
    };
    assert!(is_ahead(shown(0), 0) && is_ahead(shown(1), 0));
    cluster.set_clocks(0, &one(Clocks::Wall, Skew::Jump { ms: -3_600_000 })).expect("skewed");
    assert!(is_ahead(shown(0), -3_600_000_000_000) && is_ahead(shown(1), 0));
    cluster.set_clocks(0, &Skews::from([(2, (Clocks::Wall, Skew::Freeze))])).expect("frozen");
    let frozen = shown(0)[1];
    assert_eq!(shown(0)[1], frozen);
    cluster.set_clocks(0, &Skews::new()).expect("righted");
    assert!(is_ahead(shown(0), 0));
}
