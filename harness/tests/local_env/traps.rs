//! System calls that are caught: exactly the one that was asked for, over all processes of a node,
//! and nothing is different for the server but the wait.

use super::{Cluster, PATIENCE, SILENCE, Setting, config, eventually, shell};
use duress::env::clock::{Clocks, Skew};
use duress::env::local::{Config, Data, Local};
use duress::env::trap::{Call, Moment, Snare, Trap};
use duress::env::{Environment, ProcessState, Stop};
use std::fs;
use std::thread;

/// Two processes that make files durable, one after the other, for ever; and a line for each.
const SYNCS: &str =
    "work() { i=0; while :; do i=$((i+1)); echo $i > data/$1; sync data/$1 && echo did; done; }
                     work a & work b & wait";

impl Setting {
    fn caught(&self, script: &str, calls: &[Call]) -> Cluster {
        let dir = tempfile::tempdir().unwrap();
        let config = Config {
            calls: calls.iter().copied().collect(),
            servers: vec![bash(script)],
            ..config(self.ports, dir.path(), 1, script, Data::Memory)
        };
        let local = Local::create(self.privilege, config).unwrap();
        Cluster { local, dir }
    }
}

/// Unlike other shells, it has sockets.
fn bash(script: &str) -> duress::env::local::ServerCommand {
    duress::env::local::ServerCommand { program: "/bin/bash".into(), ..shell(script) }
}

fn snare(call: Call, nth: u64, moment: Moment) -> Snare {
    Snare { call, nth, moment }
}

fn catches(trap: &mut Trap) -> bool {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(PATIENCE, trap.caught()).await.is_ok() })
}

fn lines(cluster: &Cluster, text: &str) -> usize {
    let log = fs::read_to_string(cluster.log(0).unwrap()).unwrap();
    log.lines().filter(|line| line.contains(text)).count()
}

pub(super) fn exactly_the_nth_sync_waits(setting: &Setting) {
    const NTH: u64 = 17;
    let cluster = setting.caught(SYNCS, &[Call::Sync]);
    let mut trap = cluster.trap(0, snare(Call::Sync, NTH, Moment::Before)).unwrap();
    cluster.start(0).unwrap();
    assert!(catches(&mut trap), "it was not caught");
    let before = usize::try_from(NTH - 1).unwrap();
    eventually("the calls before it return", || lines(&cluster, "did") == before);
    thread::sleep(SILENCE);
    assert_eq!((lines(&cluster, "did"), cluster.calls(0, Call::Sync)), (before, NTH));
    drop(trap);
    eventually("it goes on", || lines(&cluster, "did") > before + 5);
}

/// A process has one that asks and no more: both have to share it.
pub(super) fn calls_are_caught_of_servers_with_clocks_of_their_own(setting: &Setting) {
    if cfg!(not(target_arch = "x86_64")) {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let tells = "while :; do date +%s; echo x > data/x; sync data/x && echo did; done";
    let config = Config {
        calls: [Call::Sync].into(),
        clocks: true,
        servers: vec![bash(tells); 2],
        ..config(setting.ports, dir.path(), 2, tells, Data::Memory)
    };
    let cluster = Cluster { local: Local::create(setting.privilege, config).unwrap(), dir };
    let mut trap = cluster.trap(0, snare(Call::Sync, 3, Moment::Before)).unwrap();
    cluster.set_clocks(0, &[(1, (Clocks::Wall, Skew::Jump { ms: 86_400_000 }))].into()).unwrap();
    (0..2).for_each(|node| cluster.start(node).unwrap());
    assert!(catches(&mut trap), "it was not caught");
    let log = |node: usize| fs::read_to_string(cluster.log(node).unwrap()).unwrap();
    // The other node goes on, new programs and all, while this one stands still.
    let before = log(1).lines().count();
    eventually("the other node goes on", || log(1).lines().count() > before + 10);
    assert_eq!(lines(&cluster, "did"), 2);
    drop(trap);
    eventually("it goes on", || lines(&cluster, "did") > 5);
    let first = |node: usize| log(node).lines().next().and_then(|line| line.parse::<i64>().ok()).unwrap();
    let ahead = first(0) - first(1);
    assert!((86_300..86_500).contains(&ahead), "{ahead} s");
    assert!(
        cluster.warnings().iter().all(|warning| !warning.contains("left with")),
        "{:?}",
        cluster.warnings()
    );
}

pub(super) fn who_is_killed_in_a_call_never_makes_it(setting: &Setting) {
    let cluster = setting.caught(SYNCS, &[Call::Sync]);
    cluster.start(0).unwrap();
    let mut trap = cluster.trap(0, snare(Call::Sync, 5, Moment::Before)).unwrap();
    assert!(catches(&mut trap), "it was not caught");
    cluster.stop(0, Stop::Kill).unwrap();
    assert_eq!(cluster.state(0), ProcessState::Gone);
    drop(trap);
    let (did, seen) = (lines(&cluster, "did"), cluster.calls(0, Call::Sync));
    // Those of the second life are counted on, and a snare may wait for one of them.
    let mut trap = cluster.trap(0, snare(Call::Sync, 3, Moment::Before)).unwrap();
    cluster.start(0).unwrap();
    assert!(catches(&mut trap), "it was not caught");
    assert_eq!(cluster.calls(0, Call::Sync), seen + 3);
    eventually("two go through", || lines(&cluster, "did") == did + 2);
}

pub(super) fn a_call_made_in_its_place_has_the_same_result(setting: &Setting) {
    // A pipe cannot be made durable: the caller has to be told so, by whoever makes the call.
    let script = "echo 1 > data/file; mkfifo data/pipe; sync data/file; echo file $?; sync data/pipe; \
                  echo pipe $?; exec sleep 1000";
    for moment in [Moment::Before, Moment::After] {
        let cluster = setting.caught(script, &[Call::Sync]);
        let mut traps = [1, 2].map(|nth| cluster.trap(0, snare(Call::Sync, nth, moment)).unwrap());
        cluster.start(0).unwrap();
        assert!(catches(&mut traps[0]), "{moment:?}: the first was not caught");
        thread::sleep(SILENCE);
        assert_eq!(lines(&cluster, "file"), 0, "{moment:?}: its caller goes on");
        drop(traps);
        eventually("both return", || lines(&cluster, "pipe 1") == 1);
        assert_eq!(lines(&cluster, "file 0"), 1, "{moment:?}");
    }
}

pub(super) fn renames_and_sends_are_caught_as_well(setting: &Setting) {
    let script = "touch data/1; mv data/1 data/2; mv data/2 data/3; echo moved; \
                  exec 3>/dev/udp/127.0.0.1/9; echo one >&3; echo two >&3; echo sent; exec sleep 1000";
    let cluster = setting.caught(script, &[Call::Rename, Call::Send]);
    let mut rename = cluster.trap(0, snare(Call::Rename, 2, Moment::Before)).unwrap();
    let mut send = cluster.trap(0, snare(Call::Send, 2, Moment::Before)).unwrap();
    cluster.start(0).unwrap();
    assert!(catches(&mut rename), "the rename was not caught");
    assert_eq!(lines(&cluster, "moved"), 0);
    drop(rename);
    assert!(catches(&mut send), "the send was not caught");
    // What is written to the log and to pipes is no send.
    assert_eq!((lines(&cluster, "moved"), lines(&cluster, "sent")), (1, 0));
    assert_eq!((cluster.calls(0, Call::Rename), cluster.calls(0, Call::Send)), (2, 2));
    drop(send);
    eventually("it goes on", || lines(&cluster, "sent") == 1);
}

pub(super) fn what_is_not_watched_cannot_be_caught(setting: &Setting) {
    let cluster = setting.caught(SYNCS, &[Call::Rename]);
    let error = cluster.trap(0, snare(Call::Sync, 1, Moment::Before)).unwrap_err().to_string();
    assert!(error.contains("watch its sync calls"), "{error}");
    cluster.start(0).unwrap();
    eventually("it works", || lines(&cluster, "did") > 3);
    assert_eq!(cluster.calls(0, Call::Sync), 0);
}
