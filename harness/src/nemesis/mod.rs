//! Breaks things on schedule, proves that they broke, and mends them.
//!
//! Every fault lives through the same four steps: journal (fsynced), apply, probe, undo. One
//! task per fault, so that faults overlap; what they share (which links are cut, who keeps a
//! node down) is kept here, and an undo takes back only what no other fault still holds.

mod action;
mod budget;
pub mod catalogue;
pub mod fault;
pub mod grudge;
mod journal;
mod length;
pub mod lifecycle;
pub mod schedule;
pub mod trigger;

use crate::engine::{ClientFault, Clients, Clock, OpBody, Recorder};
use crate::env::{EnvError, Environment, Program};
use crate::event::{Event, Listener};
use crate::failure::Failure;
use crate::observing::Asker;
use action::{Applied, Held, Scene, Showing};
use duress_checkers::{Kind, Process};
use duress_reports::artifact::{JournalEntry, JournalEvent};
use duress_targets::{Node, Target};
use fault::{PlannedFault, Resolved};
pub use journal::Journal;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;
use trigger::{Armed, Came};

/// How long a fault on the leader waits for somebody to lead, at most.
const LEADER_WAIT: Duration = Duration::from_secs(3);
/// The part of a fault's own length that may go by with that. The answers may take as long again;
/// what remains is for the fault, on whoever it is.
const LEADER_SHARE: u32 = 3;
/// How often one looks whether a fault has shown, in milliseconds.
const LOOK_EVERY_MS: u64 = 20;

/// Makes every node a member of the cluster again, where faults have changed that. Blocks, for half
/// a minute per node at most; on a thread of the runtime that may.
///
/// # Errors
/// When a node is none afterwards.
pub fn restore_members(env: &dyn Environment, target: &dyn Target, nodes: &[Node]) -> Result<(), EnvError> {
    action::restore(env, target, nodes)
}

/// The one that breaks things.
pub struct Nemesis {
    /// Breaks and looks.
    pub env: Arc<dyn Environment>,
    /// What is done to members of the cluster is asked of it.
    pub target: Arc<dyn Target>,
    /// Knows who leads.
    pub asker: Asker,
    /// The nodes.
    pub nodes: Arc<[Node]>,
    /// The versions of the server: the one that the nodes begin with, then the other, if there is one.
    pub programs: Arc<[Program]>,
    /// The operators' own program, if a fault needs it.
    pub tool: Option<Program>,
    /// Those who talk to them.
    pub clients: Arc<Clients>,
    /// Written before anything is touched.
    pub journal: Arc<Journal>,
    /// Faults are part of the history, too.
    pub recorder: Arc<Recorder>,
    /// Told of everything.
    pub listener: Arc<dyn Listener>,
    /// The run's clock.
    pub clock: Clock,
    /// What is in force.
    pub held: Arc<Held>,
}

impl Nemesis {
    /// Runs the schedule to its end, or until `over` turns true; then everything is healed.
    ///
    /// # Errors
    /// When the journal cannot be written: a fault that cannot be journaled is not applied.
    pub async fn run(
        self: Arc<Self>,
        schedule: Vec<Armed>,
        over: watch::Receiver<bool>,
    ) -> Result<(), Failure> {
        let mut faults = JoinSet::new();
        for (id, armed) in (1..).zip(schedule) {
            faults.spawn(Arc::clone(&self).live(id, armed, over.clone()));
        }
        let mut outcome = Ok(());
        while let Some(ended) = faults.join_next().await {
            let ended = ended.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()));
            outcome = outcome.and(ended);
        }
        outcome
    }

    /// One fault, from its time to its end.
    async fn live(
        self: Arc<Self>,
        id: u32,
        Armed { planned, trap }: Armed,
        mut over: watch::Receiver<bool>,
    ) -> Result<(), Failure> {
        if self.sleep_until(planned.at_ms, &mut over).await {
            return Ok(());
        }
        let came = match &planned.on {
            Some(trigger) => self.await_trigger(trigger, trap, &mut over).await,
            None => Came::Yes(None),
        };
        let held = match came {
            Came::Yes(held) => held,
            Came::No(why) => return self.skip(id, &planned, why).await,
            Came::Over => return Ok(()),
        };
        let Some(mut resolved) = self.resolve(id, &planned, &over).await else {
            // What a run that was ended early had no time for is no news.
            let early = *over.borrow();
            let late = "its time was over before it could begin: this machine is too busy, or nobody led";
            return if early { Ok(()) } else { self.skip(id, &planned, late.to_owned()).await };
        };
        if let Some(trigger) = &planned.on {
            resolved.description = format!("{} {}", resolved.description, trigger.told());
        }
        let kind = planned.fault.kind();
        let begun = self.clock.now() / 1_000_000;
        let applied = self.strike(id, kind, resolved).await?;
        // What waited in a system call goes on, if it still can.
        drop(held);
        let Some(applied) = applied.map(Arc::new) else { return Ok(()) };
        let mut end_ms = if planned.on.is_some() { begun + planned.for_ms } else { planned.end_ms() };
        if planned.fault.begins_slowly() {
            // The cluster's consent, or a copy of the data, may have taken as long as the fault itself.
            end_ms = end_ms.max(self.clock.now() / 1_000_000 + planned.for_ms / 2);
        }
        match applied.shows_later() {
            Some(Showing::Clients(nodes, what)) => {
                self.await_hit(id, (nodes, what), end_ms, &mut over).await?;
            }
            Some(Showing::Disks(victims)) => self.look_for(id, &victims, end_ms, &mut over).await?,
            Some(Showing::Data) => self.let_age(id, &applied, end_ms, &mut over).await?,
            Some(Showing::Replaced) => self.turn(id, &applied).await?,
            None => {}
        }
        self.sleep_until(end_ms, &mut over).await;
        self.heal(id, kind, applied).await
    }

    /// Fills in the leader; `None` when the fault is over before it begins.
    async fn resolve(
        &self,
        id: u32,
        planned: &PlannedFault,
        over: &watch::Receiver<bool>,
    ) -> Option<Resolved> {
        let names = self.names();
        let wait = LEADER_WAIT.min(Duration::from_millis(planned.for_ms) / LEADER_SHARE);
        let (asked, alone) = (planned.fault.named().is_none(), names.len() == 1);
        let leader = if asked && !alone { self.asker.leader(wait).await } else { None };
        let instead = match leader {
            Some(_) => None,
            // Who leads nobody is the one that there is.
            None if alone => Some(""),
            None => asked.then_some("(nobody leads) "),
        };
        let leader = leader.unwrap_or(id as usize % names.len());
        // Waiting for a leader takes time: a fault that is over before it begins breaks nothing.
        if *over.borrow() || self.clock.now() >= planned.end_ms().saturating_mul(1_000_000) {
            return None;
        }
        let mut resolved = planned.fault.resolve(&names, leader);
        if let Some(instead) = instead {
            for role in ["the leader ", "the follower "] {
                resolved.description = resolved.description.replace(role, instead);
            }
        }
        Some(resolved)
    }

    /// Journals that a fault had no occasion.
    async fn skip(self: &Arc<Self>, id: u32, planned: &PlannedFault, why: String) -> Result<(), Failure> {
        let kind = planned.fault.kind();
        let told = planned.on.as_ref().map(|trigger| format!("{kind} {}", trigger.told()));
        let applying = JournalEvent::Applying {
            kind: kind.to_owned(),
            description: told.unwrap_or_else(|| kind.to_owned()),
            nodes: planned.fault.named().unwrap_or_default().into_iter().cloned().collect(),
            undo: serde_json::Value::Null,
        };
        let this = Arc::clone(self);
        self.blocking(move || {
            this.log(id, applying)?;
            this.log(id, JournalEvent::Skipped { why })?;
            Ok(())
        })
        .await
    }

    fn names(&self) -> Vec<String> {
        self.nodes.iter().map(|node| node.name.clone()).collect()
    }

    /// Journals, applies and probes; `None` when there was nothing to break.
    async fn strike(
        self: &Arc<Self>,
        id: u32,
        kind: &'static str,
        resolved: Resolved,
    ) -> Result<Option<Applied>, Failure> {
        let this = Arc::clone(self);
        self.blocking(move || {
            let applying = JournalEvent::Applying {
                kind: kind.to_owned(),
                description: resolved.description.clone(),
                nodes: resolved.disrupted.iter().map(|&node| this.nodes[node].name.clone()).collect(),
                undo: action::undo_data(&*this.env, &resolved.action),
            };
            this.log(id, applying)?;
            this.tell(&format!("start-{kind}"), &resolved.description);
            let outcome = action::apply(this.scene(id), &this.held, resolved.action);
            this.listener.event(&Event::Links(&this.held.cuts()));
            if let Some(event) = outcome.event {
                this.log(id, event)?;
            }
            Ok(outcome.applied)
        })
        .await
    }

    /// A fault on clients shows in the first operation that it hits, whenever that comes.
    async fn await_hit(
        self: &Arc<Self>,
        id: u32,
        (nodes, what): (Vec<usize>, ClientFault),
        end_ms: u64,
        over: &mut watch::Receiver<bool>,
    ) -> Result<(), Failure> {
        let hit = tokio::select! {
            () = self.clients.first_hit(id) => true,
            _ = self.sleep_until(end_ms, over) => false,
        };
        let this = Arc::clone(self);
        self.blocking(move || {
            let event = match action::can_show(this.scene(id), &nodes) {
                _ if hit => JournalEvent::Bit { evidence: "the first operation was hit".to_owned() },
                Ok(()) => JournalEvent::DidNotBite { evidence: what.told(0) },
                Err(why) => JournalEvent::Skipped { why },
            };
            this.log(id, event).map(|_| ())
        })
        .await
    }

    /// A fault of disks shows in calls of every victim, whenever those come. Of those whom something
    /// else takes down before they call, nobody can say.
    async fn look_for(
        self: &Arc<Self>,
        id: u32,
        victims: &[usize],
        end_ms: u64,
        over: &mut watch::Receiver<bool>,
    ) -> Result<(), Failure> {
        let mut down = BTreeSet::new();
        loop {
            let (this, disks) = (Arc::clone(self), victims.to_vec());
            let seen = self.blocking(move || action::seen(this.scene(id), &disks)).await;
            down.extend(seen.spared.iter().filter(|(_, has_server)| !has_server).map(|(node, _)| *node));
            let now_ms = self.clock.now() / 1_000_000;
            let event = if seen.bit {
                JournalEvent::Bit { evidence: seen.told }
            } else if now_ms < end_ms && !*over.borrow() {
                self.sleep_until(end_ms.min(now_ms + LOOK_EVERY_MS), over).await;
                continue;
            } else if seen.spared.iter().all(|(node, _)| down.contains(node)) {
                JournalEvent::Skipped { why: format!("cut short, its server went down; {}", seen.told) }
            } else {
                JournalEvent::DidNotBite { evidence: seen.told }
            };
            let this = Arc::clone(self);
            return self.blocking(move || this.log(id, event).map(|_| ())).await;
        }
    }

    /// Data that is to be older is given back in the middle of the fault.
    async fn let_age(
        self: &Arc<Self>,
        id: u32,
        applied: &Arc<Applied>,
        end_ms: u64,
        over: &mut watch::Receiver<bool>,
    ) -> Result<(), Failure> {
        let now_ms = self.clock.now() / 1_000_000;
        let is_over = self.sleep_until(now_ms.midpoint(end_ms), over).await;
        if !is_over {
            return self.turn(id, applied).await;
        }
        let evidence = "the run was over before the data was older".to_owned();
        let this = Arc::clone(self);
        self.blocking(move || this.log(id, JournalEvent::DidNotBite { evidence }).map(|_| ())).await
    }

    /// The second half of a fault that has two.
    async fn turn(self: &Arc<Self>, id: u32, applied: &Arc<Applied>) -> Result<(), Failure> {
        let (this, applied) = (Arc::clone(self), Arc::clone(applied));
        self.blocking(move || match action::turn(this.scene(id), &this.held, &applied) {
            Some(event) => this.log(id, event).map(|_| ()),
            None => Ok(()),
        })
        .await
    }

    async fn heal(
        self: &Arc<Self>,
        id: u32,
        kind: &'static str,
        applied: Arc<Applied>,
    ) -> Result<(), Failure> {
        let this = Arc::clone(self);
        self.blocking(move || {
            this.log(id, JournalEvent::Healing)?;
            let event = action::undo(this.scene(id), &this.held, &applied);
            this.listener.event(&Event::Links(&this.held.cuts()));
            this.tell(&format!("stop-{kind}"), "");
            this.log(id, event)?;
            Ok(())
        })
        .await
    }

    fn scene(&self, fault: u32) -> Scene<'_> {
        Scene {
            env: &*self.env,
            target: &*self.target,
            nodes: &self.nodes,
            programs: &self.programs,
            tool: self.tool.as_ref(),
            clients: &self.clients,
            fault,
        }
    }

    /// Sleeps until a time of the run's clock; true when the run is over first.
    async fn sleep_until(&self, ms: u64, over: &mut watch::Receiver<bool>) -> bool {
        let at = self.clock.at(ms.saturating_mul(1_000_000));
        tokio::select! {
            () = tokio::time::sleep_until(at.into()) => false,
            _ = over.wait_for(|over| *over) => true,
        }
    }

    fn log(&self, fault: u32, event: JournalEvent) -> Result<JournalEntry, Failure> {
        let entry = self.journal.write(fault, event)?;
        self.listener.event(&Event::Fault { id: fault, time: entry.time, event: &entry.event });
        Ok(entry)
    }

    fn tell(&self, f: &str, description: &str) {
        let body = OpBody { f: f.to_owned(), value: description.into(), error: None, node: None };
        self.recorder.record(Process::Nemesis, Kind::Info, body);
    }

    /// Environments block; the engine's thread must not.
    async fn blocking<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> T {
        tokio::task::spawn_blocking(work)
            .await
            .unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
    }
}
