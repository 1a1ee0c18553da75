//! What an operator does, with patience, and seen to be done.
//!
//! Members that come and go wait for the cluster's consent, for seconds at times; other faults do
//! not wait for them. Of changes of members there is one at a time: each begins from a list that
//! is to stay true until it is over.

use super::{Held, Scene};
use crate::env::data::Files;
use crate::env::{EnvError, Environment, ProcessState, Program, Stop};
use crate::nemesis::lifecycle::Act;
use duress_checkers::words::counted;
use duress_reports::artifact::JournalEvent;
use duress_targets::{ClientError, Compacted, Lifecycle, Member, Node, Storage, Target};
use std::sync::PoisonError;
use std::time::{Duration, Instant};
use tokio::runtime::Handle;

/// How long a cluster may refuse to let a member go. etcd does until it has been whole for 5 s.
const REMOVE_WITHIN: Duration = Duration::from_secs(15);
/// How long a node may take to become a member again.
const JOIN_WITHIN: Duration = Duration::from_secs(30);
/// How long a server may take to notice that it has been removed, before it is ended.
const NOTICE_WITHIN: Duration = Duration::from_secs(1);
/// How long a cluster may take to follow another leader.
const LED_WITHIN: Duration = Duration::from_secs(3);
/// How long another version may take to serve.
const RESTART_WITHIN: Duration = Duration::from_secs(20);
/// How often one looks, or asks again.
const POLL: Duration = Duration::from_millis(50);

/// Why a server ends that has been removed.
const EXCUSE: &str = "it had been removed from the cluster";

/// Does it, and looks.
pub(super) fn perform(scene: Scene<'_>, held: &Held, victims: &[usize], act: Act) -> JournalEvent {
    let Some(operator) = Operator::of(scene.env, scene.target, scene.nodes) else {
        return JournalEvent::Skipped { why: "its members do not change".to_owned() };
    };
    let _turn = act.changes_members().then(|| held.members.lock().unwrap_or_else(PoisonError::into_inner));
    let mut evidence = Vec::new();
    let (mut bit, mut skipped) = (true, true);
    for &node in victims {
        let runs = matches!(scene.env.state(node), ProcessState::Running { .. });
        let done = match act {
            _ if !runs && !act.changes_members() => Ok(Seen::Nothing("it has no running process".to_owned())),
            Act::MemberRemove | Act::MemberReplace => operator.remove(node, || held.hold(node, scene.fault)),
            Act::LeaderTransfer => operator.transfer(node),
            Act::Defragment => operator.defragment(node),
            Act::Compact => operator.compact(node),
            Act::Upgrade | Act::UpgradeAndBack => match scene.programs.get(1) {
                Some(other) => operator.restart_with(node, other),
                None => Ok(Seen::Nothing("there is no other version".to_owned())),
            },
            Act::SnapshotRestore => unreachable!("it is done to all of them together"),
        };
        let name = &scene.nodes[node].name;
        skipped &= matches!(done, Ok(Seen::Nothing(_)));
        bit &= matches!(done, Ok(Seen::Yes(_)));
        evidence.push(format!("{name}: {}", done.map_or_else(|why| why, Seen::told)));
    }
    let evidence = evidence.join("; ");
    match (skipped, bit) {
        (true, _) => JournalEvent::Skipped { why: evidence },
        (false, true) => JournalEvent::Bit { evidence },
        (false, false) => JournalEvent::DidNotBite { evidence },
    }
}

/// Makes the victims members again, if that was taken from them.
pub(super) fn undo(scene: Scene<'_>, held: &Held, victims: &[usize], act: Act) -> Result<String, EnvError> {
    let undone = act.changes_members() || act == Act::UpgradeAndBack;
    let Some(operator) = Operator::of(scene.env, scene.target, scene.nodes).filter(|_| undone) else {
        return Ok("nothing is left to undo".to_owned());
    };
    let _turn = act.changes_members().then(|| held.members.lock().unwrap_or_else(PoisonError::into_inner));
    let mut evidence = Vec::new();
    let mut failed = None;
    for &node in victims {
        let name = &scene.nodes[node].name;
        if let Some(first) = scene.programs.first().filter(|_| !act.changes_members()) {
            // Whoever starts it next, starts this.
            scene.env.set_program(node, first)?;
        }
        if held.let_go(node, scene.fault) {
            evidence.push(format!("{name} is held by another fault"));
            continue;
        }
        let back = match scene.programs.first() {
            Some(first) if !act.changes_members() => operator.restart_with(node, first).map(Seen::told),
            _ => operator.join(node),
        };
        match back {
            Ok(told) => evidence.push(format!("{name}: {told}")),
            // One that does not come back does not keep the others out.
            Err(why) => failed = failed.or(Some(not_back(name, why))),
        }
    }
    failed.map_or_else(|| Ok(evidence.join("; ")), Err)
}

/// Makes every node a member again that is none, whatever the faults' own undo did.
///
/// # Errors
/// When one stays away.
pub(in super::super) fn restore(
    env: &dyn Environment,
    target: &dyn Target,
    nodes: &[Node],
) -> Result<(), EnvError> {
    let Some(operator) = Operator::of(env, target, nodes) else { return Ok(()) };
    for (at, node) in nodes.iter().enumerate() {
        // A member that has its vote is none of ours: to start it in another way than before
        // would give one that has lost its data a second life.
        let votes = operator.votes(node).map_err(|why| not_back(&node.name, why))?;
        if !votes {
            operator.join(at).map_err(|why| not_back(&node.name, why))?;
        }
    }
    Ok(())
}

fn not_back(node: &str, why: String) -> EnvError {
    EnvError::Unable {
        what: format!("make {node} a member of the cluster"),
        why,
        fix: "look at the logs of the servers".to_owned(),
    }
}

/// What came of an act.
enum Seen {
    /// It was seen to be done.
    Yes(String),
    /// It had no effect.
    No(String),
    /// There was nothing to do it to.
    Nothing(String),
}

impl Seen {
    fn told(self) -> String {
        let (Self::Yes(told) | Self::No(told) | Self::Nothing(told)) = self;
        told
    }
}

/// Who acts.
struct Operator<'a> {
    env: &'a dyn Environment,
    target: &'a dyn Target,
    lifecycle: &'a dyn Lifecycle,
    nodes: &'a [Node],
    runtime: Handle,
}

impl<'a> Operator<'a> {
    /// `None` when there is nothing that such a target can be asked for. On a thread that may block.
    fn of(env: &'a dyn Environment, target: &'a dyn Target, nodes: &'a [Node]) -> Option<Self> {
        Some(Self { env, target, lifecycle: target.lifecycle()?, nodes, runtime: Handle::current() })
    }

    fn ask<T>(&self, answer: impl Future<Output = Result<T, ClientError>>) -> Result<T, String> {
        self.runtime.block_on(answer).map_err(|error| error.to_string())
    }

    /// The members as they are, and who was asked: the first but this one who answers something that
    /// needs a quorum has applied all that was agreed on before.
    fn members(&self, but: Option<usize>) -> Result<(&'a Node, Vec<Member>), String> {
        let mut why = "no other node runs".to_owned();
        for (at, node) in self.nodes.iter().enumerate() {
            if Some(at) == but || !matches!(self.env.state(at), ProcessState::Running { .. }) {
                continue;
            }
            let answer = async {
                self.target.healthy(node).await?;
                self.lifecycle.members(node).await
            };
            match self.ask(answer) {
                Ok(members) => return Ok((node, members)),
                Err(error) => why = format!("asked for the members, {} said: {error}", node.name),
            }
        }
        Err(why)
    }

    /// Is it a member with a vote? Waits until somebody knows.
    fn votes(&self, node: &Node) -> Result<bool, String> {
        let patience = Instant::now() + JOIN_WITHIN;
        loop {
            match self.members(None) {
                Ok((_, members)) => {
                    return Ok(members.iter().any(|member| member.addr == node.addr && !member.learner));
                }
                Err(why) if Instant::now() >= patience => return Err(why),
                Err(_) => std::thread::sleep(POLL),
            }
        }
    }

    /// The membership of a node.
    fn member(&self, node: usize) -> Result<(&'a Node, Vec<Member>, Option<Member>), String> {
        let (asked, members) = self.members(Some(node))?;
        let member = members.iter().find(|member| member.addr == self.nodes[node].addr).cloned();
        Ok((asked, members, member))
    }

    /// Asks until the cluster has let it go, then sees that it ends. `removed` comes between the two.
    fn remove(&self, node: usize, removed: impl Fn()) -> Result<Seen, String> {
        let patience = Instant::now() + REMOVE_WITHIN;
        let mut was = None;
        let left = loop {
            let refused = match self.member(node) {
                Ok((_, members, None)) => break members.len(),
                Ok((asked, _, Some(member))) => {
                    was = Some(member.id);
                    // It ends as soon as it learns of it.
                    self.env.excuse(node, Some(EXCUSE));
                    self.ask(self.lifecycle.remove(asked, member.id)).err()
                }
                Err(why) => Some(why),
            };
            if let Some(why) = refused {
                if Instant::now() >= patience {
                    return Err(why);
                }
                std::thread::sleep(POLL);
            }
        };
        let Some(was) = was else { return Ok(Seen::Nothing("it is no member".to_owned())) };
        removed();
        let patience = Instant::now() + NOTICE_WITHIN;
        let gone = || !self.env.state(node).has_server();
        while !gone() && Instant::now() < patience {
            std::thread::sleep(POLL);
        }
        let how = if gone() { "ended by itself" } else { "was killed" };
        self.env.stop(node, Stop::Kill).map_err(|error| error.to_string())?;
        let left = counted(left as u64, "member is", "members are");
        Ok(Seen::Yes(format!("member {was:x} is removed, {left} left; its server {how}")))
    }

    /// Does what is missing until the node has a vote and answers: whatever of it was done before.
    fn join(&self, node: usize) -> Result<String, String> {
        let begun = Instant::now();
        let mut was_learner = false;
        loop {
            let why = match self.step(node) {
                Ok(Step::Voter(id)) => {
                    self.env.excuse(node, None);
                    let caught_up = if was_learner { " and caught up" } else { "" };
                    let seconds = begun.elapsed().as_secs_f64();
                    return Ok(format!("member {id:x} votes{caught_up} after {seconds:.1} s"));
                }
                Ok(Step::Learner) => {
                    was_learner = true;
                    "it has not caught up".to_owned()
                }
                Err(why) => why,
            };
            if begun.elapsed() >= JOIN_WITHIN {
                return Err(format!("not within {JOIN_WITHIN:?}: {why}"));
            }
            std::thread::sleep(POLL);
        }
    }

    fn step(&self, node: usize) -> Result<Step, String> {
        let told = |error: EnvError| error.to_string();
        let (asked, members, member) = self.member(node)?;
        let here = &self.nodes[node];
        let Some(member) = member else {
            // What a former member has left belongs to nobody.
            self.env.stop(node, Stop::Kill).map_err(told)?;
            self.env.replace_data(node, &Files::default()).map_err(told)?;
            self.ask(self.lifecycle.add(asked, here))?;
            return Ok(Step::Learner);
        };
        let gone = !self.env.state(node).has_server();
        if member.learner && gone {
            let cluster: Vec<Node> = self
                .nodes
                .iter()
                .filter(|node| members.iter().any(|member| member.addr == node.addr))
                .cloned()
                .collect();
            let args = |data: &std::path::Path| self.lifecycle.joining_args(&cluster, here, data);
            self.env.set_args(node, &args).map_err(told)?;
        }
        if gone {
            self.env.start(node).map_err(told)?;
        }
        if member.learner {
            self.ask(self.lifecycle.promote(asked, member.id))?;
            return Ok(Step::Learner);
        }
        self.ask(self.target.healthy(here))?;
        Ok(Step::Voter(member.id))
    }

    /// Has it hand over to the next one that votes and runs.
    fn transfer(&self, node: usize) -> Result<Seen, String> {
        let leader = &self.nodes[node];
        // Nothing is touched yet: one that has ended since it was found to lead is none to ask.
        let asked = async {
            let before = self.target.status(leader).await?;
            Ok((before, self.lifecycle.members(leader).await?))
        };
        let (before, members) = match self.ask(asked) {
            Ok(answer) => answer,
            Err(why) => return Ok(Seen::Nothing(why)),
        };
        if before.leads != Some(true) {
            return Ok(Seen::Nothing("it does not lead".to_owned()));
        }
        let votes = |&at: &usize| {
            let addr = self.nodes[at].addr;
            let id = members.iter().find(|member| member.addr == addr && !member.learner)?.id;
            matches!(self.env.state(at), ProcessState::Running { .. }).then_some(id)
        };
        let n = self.nodes.len();
        let Some(to) = (1..n).map(|next| (node + next) % n).find_map(|at| votes(&at)) else {
            return Ok(Seen::Nothing("there is nobody to hand over to".to_owned()));
        };
        let refused = self.ask(self.lifecycle.transfer(leader, to)).err();
        let patience = Instant::now() + LED_WITHIN;
        loop {
            for (at, other) in self.nodes.iter().enumerate().filter(|(at, _)| *at != node) {
                if let (ProcessState::Running { .. }, Ok(now)) =
                    (self.env.state(at), self.ask(self.target.status(other)))
                    && now.leads == Some(true)
                    && now.term > before.term
                {
                    let term = |term: Option<u64>| term.map_or("-".to_owned(), |term| term.to_string());
                    let (then, now) = (term(before.term), term(now.term));
                    return Ok(Seen::Yes(format!(
                        "it led in term {then}, and {} leads in {now}",
                        other.name
                    )));
                }
            }
            if Instant::now() >= patience {
                let why = refused.unwrap_or_else(|| "nobody else leads".to_owned());
                return Ok(Seen::No(why));
            }
            std::thread::sleep(POLL);
        }
    }

    /// Throws history away first: otherwise all of the storage is in use.
    fn defragment(&self, node: usize) -> Result<Seen, String> {
        let here = &self.nodes[node];
        // Refused when nothing has been written since the last time: then there may be something all
        // the same.
        let _ = self.ask(self.lifecycle.compact(here));
        let before = self.ask(self.lifecycle.storage(here))?;
        self.ask(self.lifecycle.defragment(here))?;
        let after = self.ask(self.lifecycle.storage(here))?;
        let kib = |bytes: u64| bytes.div_ceil(1024);
        let Storage { bytes, used } = before;
        let told =
            format!("{} KiB, of which {} were used, are now {}", kib(bytes), kib(used), kib(after.bytes));
        Ok(if after.bytes < bytes { Seen::Yes(told) } else { Seen::No(told) })
    }

    /// Ends it in order, and starts this version on the same data.
    fn restart_with(&self, node: usize, program: &Program) -> Result<Seen, String> {
        let here = &self.nodes[node];
        let told = |error: EnvError| error.to_string();
        let before = self.ask(self.target.status(here)).map(|status| status.version);
        self.env.stop(node, Stop::Terminate).map_err(told)?;
        self.env.set_program(node, program).map_err(told)?;
        self.env.start(node).map_err(told)?;
        let patience = Instant::now() + RESTART_WITHIN;
        loop {
            let answer = async {
                self.target.healthy(here).await?;
                self.target.status(here).await
            };
            let why = match self.ask(answer) {
                Ok(now) => {
                    let then = before.as_deref().unwrap_or("nothing that answered");
                    let told = format!("it was {then}, and now says that it is {}", now.version);
                    return Ok(if then == now.version { Seen::No(told) } else { Seen::Yes(told) });
                }
                Err(why) => why,
            };
            if Instant::now() >= patience {
                return Err(format!("the other version does not serve after {RESTART_WITHIN:?}: {why}"));
            }
            std::thread::sleep(POLL);
        }
    }

    fn compact(&self, node: usize) -> Result<Seen, String> {
        let Compacted { revision, seen } = self.ask(self.lifecycle.compact(&self.nodes[node]))?;
        let told = format!("compacted at revision {revision}");
        Ok(if seen {
            Seen::Yes(format!("{told}; earlier ones are refused"))
        } else {
            Seen::No(format!("{told}; earlier ones are not refused"))
        })
    }
}

/// How far a node has come.
enum Step {
    /// It has been added, or is to have its vote.
    Learner,
    /// It is a member like any other.
    Voter(u64),
}
