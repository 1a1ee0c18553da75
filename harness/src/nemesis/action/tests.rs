//! Faults on an environment that takes no notice of some of what it is told: no real one does that when it is
//! asked to, and it is what a probe is for.

use super::*;
use crate::env::clock::{Reading, Skews};
use crate::env::cut::{Crossing, Cut};
use crate::env::packet::{Behavior, Policies, Policy};
use crate::env::sim::Sim;
use crate::env::trap::{Call, Snare, Trap};
use crate::env::{Exit, ProcessState, Stop, Whom};
use duress_targets::{Registry, Server, Settings};
use std::path::Path;
use std::sync::Arc;

const NODES: usize = 3;

/// To what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Deaf {
    Nothing,
    Start,
    Stop,
    Pause,
    Resume,
    Links,
    /// Where there are several, to all but the first.
    MoreLinks,
    /// And so on the second of a fault's.
    Packets,
}

/// The simulated cluster.
struct Stage {
    sim: Sim,
    target: Arc<dyn Target>,
    nodes: Vec<Node>,
    clients: Clients,
    held: Held,
    deaf: Mutex<Deaf>,
}

impl Stage {
    /// All nodes run.
    fn new(deaf: Deaf) -> Self {
        let registry = Registry::builtin();
        let entry = registry.find("sim").expect("a target");
        let settings = Settings([("nodes".to_owned(), NODES.to_string())].into());
        let target = (entry.make)(&settings, "register").expect("a cluster");
        let Server::InProcess(cluster) = target.server() else { unreachable!("it lives here") };
        let sim = Sim::new(cluster);
        let node = |n: usize| Node { name: format!("n{n}"), addr: [127, 0, 0, 1].into() };
        (0..NODES).for_each(|node| sim.start(node).expect("started"));
        Self {
            sim,
            target,
            nodes: (1..=NODES).map(node).collect(),
            clients: Clients::new(0, NODES),
            held: Held::default(),
            deaf: Mutex::new(deaf),
        }
    }

    fn is(&self, deaf: Deaf) -> bool {
        *self.deaf.lock().expect("no panic") == deaf
    }

    fn become_deaf(&self, deaf: Deaf) {
        *self.deaf.lock().expect("no panic") = deaf;
    }

    fn hears(&self, deaf: Deaf, act: impl FnOnce() -> Result<(), EnvError>) -> Result<(), EnvError> {
        if self.is(deaf) { Ok(()) } else { act() }
    }

    fn scene(&self, fault: u32) -> Scene<'_> {
        let Self { target, nodes, clients, .. } = self;
        Scene { env: self, target: &**target, nodes, programs: &[], tool: None, clients, fault }
    }

    fn apply(&self, fault: u32, action: Action) -> (JournalEvent, Option<Applied>) {
        let Outcome { event, applied } = apply(self.scene(fault), &self.held, action);
        (event.expect("it shows at once"), applied)
    }

    fn undo(&self, fault: u32, applied: &Applied) -> JournalEvent {
        undo(self.scene(fault), &self.held, applied)
    }
}

impl Environment for Stage {
    fn enter(&self) -> Result<(), EnvError> {
        Ok(())
    }

    fn start(&self, node: usize) -> Result<(), EnvError> {
        self.hears(Deaf::Start, || self.sim.start(node))
    }

    fn stop(&self, node: usize, how: Stop) -> Result<(), EnvError> {
        self.hears(Deaf::Stop, || self.sim.stop(node, how))
    }

    fn stop_main(&self, node: usize, how: Stop) -> Result<(), EnvError> {
        self.stop(node, how)
    }

    fn pause(&self, node: usize) -> Result<(), EnvError> {
        self.hears(Deaf::Pause, || self.sim.pause(node))
    }

    fn resume(&self, node: usize) -> Result<(), EnvError> {
        self.hears(Deaf::Resume, || self.sim.resume(node))
    }

    fn starve(&self, _: usize, _: Option<u32>) -> Result<(), EnvError> {
        Ok(())
    }

    fn starved(&self, _: usize) -> u64 {
        0
    }

    fn state(&self, node: usize) -> ProcessState {
        self.sim.state(node)
    }

    fn set_links(&self, policies: &Policies) -> Result<(), EnvError> {
        let heard = if self.is(Deaf::MoreLinks) { 1 } else { usize::MAX };
        // It has no packets.
        let cuts = |policy: &Policy| Policy { cuts: policy.cuts.clone(), ..Policy::default() };
        let heard = policies.iter().take(heard).map(|(link, policy)| (*link, cuts(policy))).collect();
        self.hears(Deaf::Links, || self.sim.set_links(&heard))
    }

    fn probe(&self, link: Link, cut: &Cut) -> Result<Crossing, EnvError> {
        self.sim.probe(link, cut)
    }

    fn sample(&self, link: Link, _: &Behavior) -> Result<Option<u32>, EnvError> {
        Ok((!self.is(Deaf::Packets) || link.0 == 0).then_some(1))
    }

    fn traffic(&self, link: Link) -> Traffic {
        self.sim.traffic(link)
    }

    fn trap(&self, node: usize, snare: Snare) -> Result<Trap, EnvError> {
        self.sim.trap(node, snare)
    }

    fn calls(&self, _: usize, _: Call) -> u64 {
        0
    }

    fn log(&self, _: usize) -> Option<&Path> {
        None
    }

    fn set_clocks(&self, node: usize, skews: &Skews) -> Result<(), EnvError> {
        self.sim.set_clocks(node, skews)
    }

    fn read_clocks(&self, node: usize, fault: Option<u32>) -> Result<Reading, EnvError> {
        self.sim.read_clocks(node, fault)
    }

    fn exits(&self) -> Vec<Exit> {
        Vec::new()
    }

    fn undo_data(&self, node: usize) -> serde_json::Value {
        self.sim.undo_data(node)
    }
}

fn kill() -> Action {
    Action::Stop(vec![0], Stop::Kill, Whom::Tree)
}

fn kill_main() -> Action {
    Action::Stop(vec![0, 1], Stop::Terminate, Whom::Main)
}

fn pause() -> Action {
    Action::Pause(vec![1, 2])
}

/// From n1 to n2 and back.
fn cut() -> Action {
    Action::Cut([(0, 1), (1, 0)].into(), Cut::default())
}

fn slow() -> Action {
    Action::Packet([(0, 1), (1, 0)].into(), Behavior::Duplicate { percent: 50 })
}

#[test]
fn what_is_seen_to_happen_bit_and_is_undone() {
    for action in [kill, kill_main, pause, cut, slow] {
        let stage = Stage::new(Deaf::Nothing);
        let (event, applied) = stage.apply(1, action());
        assert!(matches!(event, JournalEvent::Bit { .. }), "{:?}: {event:?}", action());
        let applied = applied.expect("something was done");
        // Twice is as good as once.
        for _ in 0..2 {
            let event = stage.undo(1, &applied);
            assert!(matches!(event, JournalEvent::Healed { .. }), "{applied:?}: {event:?}");
            assert!((0..NODES).all(|node| matches!(stage.state(node), ProcessState::Running { .. })));
            assert_eq!(stage.probe((0, 1), &Cut::default()).expect("probed"), Crossing::Arrived);
        }
    }
}

#[test]
fn what_is_not_seen_to_happen_did_not_bite() {
    for (deaf, action, told) in [
        (Deaf::Stop, kill as fn() -> Action, "is running"),
        (Deaf::Stop, kill_main, "is running"),
        (Deaf::Pause, pause, "is running"),
        (Deaf::Links, cut, "2 of 2 cut links let their probe pass"),
        (Deaf::MoreLinks, cut, "1 of 2 cut links let their probe pass"),
        (Deaf::Packets, slow, "it was not seen on 1 of 2 links"),
    ] {
        let (event, _) = Stage::new(deaf).apply(1, action());
        let JournalEvent::DidNotBite { evidence } = &event else { panic!("{deaf:?}: {event:?}") };
        assert!(evidence.contains(told), "{deaf:?}: {evidence}");
    }
    // One of several is not all of them.
    let stage = Stage::new(Deaf::Pause);
    stage.sim.pause(1).expect("paused");
    let (event, _) = stage.apply(1, pause());
    assert!(matches!(event, JournalEvent::DidNotBite { .. }), "{event:?}");
}

#[test]
fn what_stays_as_it_is_was_not_healed() {
    for (deaf, action, told) in [
        (Deaf::Resume, pause as fn() -> Action, "resume n2"),
        (Deaf::Links, cut, "free the link from n1 to n2"),
    ] {
        let stage = Stage::new(Deaf::Nothing);
        let (_, applied) = stage.apply(1, action());
        stage.become_deaf(deaf);
        let event = stage.undo(1, &applied.expect("something was done"));
        let JournalEvent::HealFailed { why } = &event else { panic!("{deaf:?}: {event:?}") };
        assert!(why.contains(told), "{deaf:?}: {why}");
    }
    // What flaps may drop a probe for that alone.
    let stage = Stage::new(Deaf::Nothing);
    let (_, applied) = stage.apply(1, cut());
    let flap = Behavior::Flap { up_ms: 30, down_ms: 10 };
    stage.apply(2, Action::Packet([(0, 1), (1, 0)].into(), flap));
    stage.become_deaf(Deaf::Links);
    let event = stage.undo(1, &applied.expect("something was done"));
    assert!(matches!(event, JournalEvent::Healed { .. }), "{event:?}");
}

#[test]
fn what_another_fault_holds_stays_until_both_let_go() {
    for (action, holds) in [
        (
            pause as fn() -> Action,
            (|stage| !matches!(stage.state(1), ProcessState::Running { .. })) as fn(&Stage) -> bool,
        ),
        (cut, |stage| stage.probe((0, 1), &Cut::default()).expect("probed") != Crossing::Arrived),
    ] {
        let stage = Stage::new(Deaf::Nothing);
        let (first, second) = (stage.apply(1, action()).1, stage.apply(2, action()).1);
        let _ = stage.undo(1, &first.expect("something was done"));
        assert!(holds(&stage), "{:?}", action());
        let _ = stage.undo(2, &second.expect("something was done"));
        assert!(!holds(&stage), "{:?}", action());
    }
}

#[test]
fn where_there_is_nothing_to_break_nothing_is_held() {
    let no_link = || Action::Cut([].into(), Cut::default());
    let clients = || Action::Clients(vec![0], ClientFault::Kill);
    for action in [kill as fn() -> Action, no_link, clients] {
        let stage = Stage::new(Deaf::Nothing);
        stage.sim.stop(0, Stop::Kill).expect("stopped");
        let (event, applied) = stage.apply(1, action());
        assert!(matches!(event, JournalEvent::Skipped { .. }), "{:?}: {event:?}", action());
        assert!(applied.is_none(), "{:?}", action());
    }
}
