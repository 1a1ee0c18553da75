//! Links that are cut, or whose packets are mistreated, and mended.

use super::{Scene, did_not_bite};
use crate::env::cut::{Crossing, Cut};
use crate::env::packet::{Behavior, Policies, Traffic};
use crate::env::{EnvError, Environment, Link};
use crate::nemesis::grudge::Grudge;
use duress_reports::artifact::JournalEvent;
use std::collections::BTreeMap;

/// What is done to links, by fault.
#[derive(Debug, Default)]
pub(super) struct Mistreated {
    cuts: BTreeMap<u32, (Grudge, Cut)>,
    packets: BTreeMap<u32, (Grudge, Behavior)>,
}

/// What each of a fault's links had done before it.
type Before = Vec<(Link, Traffic)>;

impl Mistreated {
    /// Those that any fault cuts.
    pub(super) fn all_cuts(&self) -> Grudge {
        self.cuts.values().flat_map(|(links, _)| links).copied().collect()
    }

    /// Is this one cut and mended by turns?
    fn flaps(&self, link: Link) -> bool {
        let mut packets = self.packets.values();
        packets.any(|(links, behavior)| matches!(behavior, Behavior::Flap { .. }) && links.contains(&link))
    }

    fn policies(&self) -> Policies {
        let mut policies = Policies::new();
        for (&fault, (links, cut)) in &self.cuts {
            for &link in links {
                policies.entry(link).or_default().cuts.insert(fault, *cut);
            }
        }
        for (&fault, (links, behavior)) in &self.packets {
            for &link in links {
                policies.entry(link).or_default().behaviors.insert(fault, behavior.clone());
            }
        }
        policies
    }
}

pub(super) fn cut(
    scene: Scene<'_>,
    links: &mut Mistreated,
    grudge: &Grudge,
    cut: &Cut,
) -> (JournalEvent, Before) {
    let Scene { env, fault, .. } = scene;
    if grudge.is_empty() {
        return (no_link(), Vec::new());
    }
    let before = traffic(env, grudge);
    let elsewhere = links.all_cuts();
    links.cuts.insert(fault, (grudge.clone(), *cut));
    let tried = env
        .acquaint(grudge, cut)
        .and_then(|()| env.set_links(&links.policies()))
        .and_then(|()| crossings(env, grudge, cut));
    (tried.map_or_else(|error| did_not_bite(&error), |seen| judged(&seen, cut, &elsewhere)), before)
}

/// Do all links do what was asked for? One that another fault cuts already need not do it in the same
/// way, and one without an end proves nothing.
fn judged(seen: &[(Link, Crossing)], cut: &Cut, elsewhere: &Grudge) -> JournalEvent {
    let expected = cut.leads_to();
    let (endless, seen): (Vec<_>, Vec<_>) =
        seen.iter().partition(|(_, crossing)| *crossing == Crossing::Endless);
    if seen.is_empty() {
        let evidence = format!("all {} cut links end at a node that does not run", endless.len());
        return JournalEvent::DidNotBite { evidence };
    }
    let right = |(link, crossing): &&(Link, Crossing)| {
        *crossing == expected || (*crossing != Crossing::Arrived && elsewhere.contains(link))
    };
    let wrong = seen.len() - seen.iter().filter(right).count();
    if wrong == 0 {
        let verb = if cut.reject { "refuse" } else { "drop" };
        let rest = match endless.len() {
            0 => String::new(),
            endless => format!("; {endless} more end at a node that does not run"),
        };
        let evidence = format!("all {} cut links {verb} their probe{}{rest}", seen.len(), cut.of());
        return JournalEvent::Bit { evidence };
    }
    let passing = seen.iter().filter(|(_, crossing)| *crossing == Crossing::Arrived).count();
    let rest = if cut.reject { format!(", {} drop it silently", wrong - passing) } else { String::new() };
    let evidence = format!("{passing} of {} cut links let their probe pass{rest}", seen.len());
    JournalEvent::DidNotBite { evidence }
}

/// Undoes [`cut`].
pub(super) fn mend(
    scene: Scene<'_>,
    links: &mut Mistreated,
    (grudge, cut): (&Grudge, &Cut),
    before: &Before,
) -> Result<String, EnvError> {
    let Scene { env, fault, .. } = scene;
    links.cuts.remove(&fault);
    let dropped = env.taken(fault).unwrap_or_else(|| counted(env, before, |traffic| traffic.dropped));
    let freed = free(scene, links, grudge, cut)?;
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
    let elsewhere = links.all_cuts();
    let event = env.set_links(&links.policies()).and_then(|()| sampled(env, grudge, behavior, &elsewhere));
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
    let freed = free(scene, links, grudge, &Cut::default())?;
    Ok(format!("{befallen} frames {word}, {passed} passed; {freed}"))
}

/// Does to the links what is still to be done to them, and probes those that nothing cuts any more. All of
/// them have to pass but those that flap, and those of containers that do not run, where nobody hears a probe.
fn free(
    Scene { env, nodes, .. }: Scene<'_>,
    links: &Mistreated,
    grudge: &Grudge,
    cut: &Cut,
) -> Result<String, EnvError> {
    let free: Grudge = grudge.difference(&links.all_cuts()).copied().collect();
    env.set_links(&links.policies())?;
    let seen = crossings(env, &free, cut)?;
    let closed: Vec<Link> =
        seen.iter().filter(|(_, crossing)| *crossing != Crossing::Arrived).map(|(link, _)| *link).collect();
    let told = format!("{} of {} links that were freed pass a probe", seen.len() - closed.len(), free.len());
    let runs = |end: usize| end == nodes.len() || env.state(end).has_server();
    match closed.iter().find(|&&(from, to)| runs(from) && runs(to) && !links.flaps((from, to))) {
        None => Ok(told),
        Some(&(from, to)) => {
            let name = |end: usize| nodes.get(end).map_or("the clients", |node| &node.name);
            Err(EnvError::Unable {
                what: format!("free the link from {} to {}", name(from), name(to)),
                why: told,
                fix: "look whether somebody else cuts it, too".to_owned(),
            })
        }
    }
}

/// A set of no links would pass its probe, too.
fn no_link() -> JournalEvent {
    JournalEvent::Skipped { why: "there is no link between these nodes".to_owned() }
}

/// Looks on each link whether packets are treated like this. One that another fault cuts need not show
/// it: there, a packet may be dropped before it can be late.
fn sampled(
    env: &dyn Environment,
    links: &Grudge,
    behavior: &Behavior,
    elsewhere: &Grudge,
) -> Result<JournalEvent, EnvError> {
    let (mut seen, mut cut, mut probes) = (0, 0, 0);
    for &link in links {
        match env.sample(link, behavior)? {
            Some(sent) => {
                seen += 1;
                probes += sent;
            }
            None => cut += usize::from(elsewhere.contains(&link)),
        }
    }
    let unseen = links.len() - seen;
    if seen > 0 && unseen == cut {
        let which = if cut == 0 { "all".to_owned() } else { format!("all but {cut} cut ones:") };
        let evidence = format!("seen on {which} {seen} links within {probes} probes");
        return Ok(JournalEvent::Bit { evidence });
    }
    let evidence = format!("it was not seen on {unseen} of {} links, {cut} of them cut", links.len());
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

/// What each of these links does to a probe.
fn crossings(env: &dyn Environment, links: &Grudge, cut: &Cut) -> Result<Vec<(Link, Crossing)>, EnvError> {
    links.iter().map(|&link| Ok((link, env.probe(link, cut)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_bites_if_a_link_shows_it_and_none_shows_otherwise() {
        use Crossing::{Arrived, Dropped, Endless};
        let judge = |crossings: &[Crossing]| {
            let seen: Vec<(Link, Crossing)> =
                crossings.iter().enumerate().map(|(at, crossing)| ((at, 9), *crossing)).collect();
            judged(&seen, &Cut::default(), &Grudge::new())
        };
        let bit = |evidence: &str| JournalEvent::Bit { evidence: evidence.to_owned() };
        assert_eq!(judge(&[Dropped, Dropped]), bit("all 2 cut links drop their probe"));
        let some = "all 1 cut links drop their probe; 1 more end at a node that does not run";
        assert_eq!(judge(&[Endless, Dropped]), bit(some));
        for none in [&[Endless, Endless][..], &[Endless, Arrived], &[Dropped, Arrived]] {
            assert!(matches!(judge(none), JournalEvent::DidNotBite { .. }), "{none:?}");
        }
    }
}
