//! Links that are cut, or whose packets are mistreated, and mended.

use super::{Scene, did_not_bite};
use crate::env::packet::{Behavior, Policies, Traffic};
use crate::env::{EnvError, Environment, Link};
use crate::nemesis::grudge::Grudge;
use duress_reports::artifact::JournalEvent;
use std::collections::BTreeMap;

/// What is done to links, by fault.
#[derive(Debug, Default)]
pub(super) struct Mistreated {
    cuts: BTreeMap<u32, Grudge>,
    packets: BTreeMap<u32, (Grudge, Behavior)>,
}

/// What each of a fault's links had done before it.
type Before = Vec<(Link, Traffic)>;

impl Mistreated {
    fn all_cuts(&self) -> Grudge {
        self.cuts.values().flatten().copied().collect()
    }

    fn policies(&self) -> Policies {
        let mut policies = Policies::new();
        for link in self.all_cuts() {
            policies.entry(link).or_default().cut = true;
        }
        for (links, behavior) in self.packets.values() {
            for &link in links {
                policies.entry(link).or_default().behaviors.push(behavior.clone());
            }
        }
        policies
    }
}

pub(super) fn cut(scene: Scene<'_>, links: &mut Mistreated, grudge: &Grudge) -> (JournalEvent, Before) {
    let Scene { env, fault, .. } = scene;
    if grudge.is_empty() {
        return (no_link(), Vec::new());
    }
    let before = traffic(env, grudge);
    links.cuts.insert(fault, grudge.clone());
    let event = match env.set_links(&links.policies()).and_then(|()| passing(env, grudge)) {
        Err(error) => did_not_bite(&error),
        Ok(0) => JournalEvent::Bit { evidence: format!("all {} cut links drop their probe", grudge.len()) },
        Ok(n) => JournalEvent::DidNotBite {
            evidence: format!("{n} of {} cut links let their probe pass", grudge.len()),
        },
    };
    (event, before)
}

/// Undoes [`cut`].
pub(super) fn mend(
    scene: Scene<'_>,
    links: &mut Mistreated,
    grudge: &Grudge,
    before: &Before,
) -> Result<String, EnvError> {
    let Scene { env, fault, .. } = scene;
    links.cuts.remove(&fault);
    let dropped = counted(env, before, |traffic| traffic.dropped);
    let freed = free(env, links, grudge)?;
    Ok(format!("{dropped} frames dropped; {freed}"))
}

pub(super) fn mistreat(
    scene: Scene<'_>,
    links: &mut Mistreated,
    grudge: &Grudge,
    behavior: &Behavior,
) -> (JournalEvent, Before) {
    let Scene { env, fault, .. } = scene;
    if grudge.is_empty() {
        return (no_link(), Vec::new());
    }
    let before = traffic(env, grudge);
    links.packets.insert(fault, (grudge.clone(), behavior.clone()));
    let event = env.set_links(&links.policies()).and_then(|()| sampled(env, grudge, behavior));
    (event.unwrap_or_else(|error| did_not_bite(&error)), before)
}

/// Undoes [`mistreat`].
pub(super) fn spare(
    scene: Scene<'_>,
    links: &mut Mistreated,
    grudge: &Grudge,
    behavior: &Behavior,
    before: &Before,
) -> Result<String, EnvError> {
    let Scene { env, fault, .. } = scene;
    links.packets.remove(&fault);
    let (_, word) = behavior.count(&Traffic::default());
    let befallen = counted(env, before, |traffic| behavior.count(traffic).0);
    let passed = counted(env, before, |traffic| traffic.passed);
    let freed = free(env, links, grudge)?;
    Ok(format!("{befallen} frames {word}, {passed} passed; {freed}"))
}

/// Does to the links what is still to be done to them, and probes those that nothing cuts any more.
fn free(env: &dyn Environment, links: &Mistreated, grudge: &Grudge) -> Result<String, EnvError> {
    let free: Grudge = grudge.difference(&links.all_cuts()).copied().collect();
    env.set_links(&links.policies())?;
    let passing = passing(env, &free)?;
    Ok(format!("{passing} of {} links that were freed pass a probe", free.len()))
}

/// A set of no links would pass its probe, too.
fn no_link() -> JournalEvent {
    JournalEvent::Skipped { why: "there is no link between these nodes".to_owned() }
}

/// Looks on each link whether packets are treated like this.
fn sampled(env: &dyn Environment, links: &Grudge, behavior: &Behavior) -> Result<JournalEvent, EnvError> {
    let (mut seen, mut probes) = (0, 0);
    for &link in links {
        if let Some(sent) = env.sample(link, behavior)? {
            seen += 1;
            probes += sent;
        }
    }
    if seen == links.len() {
        let evidence = format!("seen on all {seen} links within {probes} probes");
        return Ok(JournalEvent::Bit { evidence });
    }
    let evidence = format!("it was not seen on {} of {} links", links.len() - seen, links.len());
    Ok(JournalEvent::DidNotBite { evidence })
}

fn traffic(env: &dyn Environment, links: &Grudge) -> Before {
    links.iter().map(|&link| (link, env.traffic(link))).collect()
}

/// What these links did since.
fn counted(env: &dyn Environment, before: &Before, count: impl Fn(&Traffic) -> u64) -> u64 {
    let since = |(link, before): &(Link, Traffic)| count(&env.traffic(*link)).saturating_sub(count(before));
    before.iter().map(since).sum()
}

/// How many of these links let a probe pass.
fn passing(env: &dyn Environment, links: &Grudge) -> Result<usize, EnvError> {
    let mut n = 0;
    for &link in links {
        n += usize::from(env.probe(link)?);
    }
    Ok(n)
}
