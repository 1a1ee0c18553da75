//! What is tried to make a run smaller, and in which order: what saves most time first, as every question
//! is a run.

use super::candidate::Candidate;
use super::lab::Halt;
use super::shrink::Work;
use duress_checkers::ddmin;
use std::collections::BTreeSet;

/// A run goes on for so long after what is sought showed, in milliseconds.
const AFTER_MS: u64 = 2_000;
/// A fault that ended so long before may still have to do with it, in nanoseconds.
const BEFORE_NS: u64 = 2_000_000_000;
/// Less is not worth a run, in milliseconds.
const WORTH_MS: u64 = 1_000;
/// How often one thing is made smaller.
const MAX_ROUNDS: usize = 3;
/// Sizes of clusters that are tried.
const CLUSTERS: [usize; 2] = [3, 1];
/// Fewer clients do not meet.
const MIN_CLIENTS: usize = 2;
/// Fewer operations per second hardly show anything.
const MIN_RATE: u64 = 25;

/// Tries everything.
pub(super) fn search(work: &mut Work<'_>) -> Result<(), Halt> {
    around_it(work)?;
    fewer_faults(work)?;
    for _ in 0..MAX_ROUNDS {
        if !sooner(work)? {
            break;
        }
    }
    shorter_faults(work)?;
    fewer_nodes(work)?;
    less_work(work)
}

/// Only what was in effect when it showed, and nothing after it. A guess: but if it is right, every run from
/// here on takes a fraction of the time.
fn around_it(work: &mut Work<'_>) -> Result<(), Halt> {
    let (time, end_ms) = (work.original.time, millis(&work.best));
    let cut_ms = time / 1_000_000 + AFTER_MS;
    // What only final reads saw may have happened at any time.
    if cut_ms > end_ms {
        return Ok(());
    }
    let near = work.original.windows.iter().filter(|window| {
        let over = window.heal.unwrap_or(u64::MAX).saturating_add(BEFORE_NS);
        window.in_effect.is_some_and(|from| from <= time) && time <= over
    });
    let near: BTreeSet<u32> = near.map(|window| window.id).collect();
    let cut = work.best.cut(cut_ms);
    if !near.is_empty() {
        let few = cut.only(|fault| near.contains(&fault.number));
        let names = few.fault_names().join(", ");
        let at_once = few.earlier(few.idle_ms());
        let idle = few.idle_ms() > 0;
        if idle
            && work.take(at_once, &format!("only {names}, from the start, and nothing after it showed"))?
            || work.take(few, &format!("only {names}, and nothing after it showed"))?
        {
            return Ok(());
        }
    }
    work.take(cut, "nothing after it showed").map(drop)
}

fn fewer_faults(work: &mut Work<'_>) -> Result<(), Halt> {
    if work.best.faults.is_empty() || work.take(work.best.with(Vec::new()), "without any fault")? {
        return Ok(());
    }
    let kind = |candidate: &Candidate| -> BTreeSet<&'static str> {
        candidate.faults.iter().map(|fault| fault.planned.fault.kind()).collect()
    };
    let kinds = kind(&work.best);
    for gone in kinds.iter().filter(|_| kinds.len() > 1) {
        let without = work.best.only(|fault| fault.planned.fault.kind() != *gone);
        if !without.faults.is_empty() {
            work.take(without, &format!("without any {gone}"))?;
        }
    }
    let all = work.best.faults.clone();
    ddmin(&all, |some| {
        let candidate = work.best.with(some.to_vec());
        let what = format!("only {}", candidate.fault_names().join(", "));
        work.take(candidate, &what)
    })
    .map(drop)
}

/// No quiet before the first fault, and no more than it takes after it showed. Was anything gained?
fn sooner(work: &mut Work<'_>) -> Result<bool, Halt> {
    let idle_ms = work.best.idle_ms();
    let mut gained = false;
    if idle_ms >= WORTH_MS {
        gained |= work.take(work.best.earlier(idle_ms), "without the quiet before the first fault")?;
    }
    let (end_ms, latest) = (millis(&work.best), work.latest());
    let cut_ms = match latest {
        Some((at_ms, _)) if at_ms + AFTER_MS < end_ms => at_ms + AFTER_MS,
        // It shows at the end, or in the final reads.
        _ => end_ms / 2,
    };
    if cut_ms >= WORTH_MS && cut_ms + WORTH_MS <= end_ms {
        let what = format!("over after {}.{:01} s", cut_ms / 1000, cut_ms % 1000 / 100);
        gained |= work.take(work.best.cut(cut_ms), &what)?;
    }
    Ok(gained)
}

fn shorter_faults(work: &mut Work<'_>) -> Result<(), Halt> {
    let numbered: Vec<(u32, String)> =
        work.best.faults.iter().map(|fault| (fault.number, work.best.name(fault))).collect();
    for (number, name) in numbered {
        for _ in 0..MAX_ROUNDS {
            let Some(shorter) = work.best.shorter(number) else { break };
            let fault = shorter.faults.iter().find(|fault| fault.number == number);
            let for_ms = fault.map_or(0, |fault| fault.planned.for_ms);
            if !work.take(shorter, &format!("{name} for {for_ms} ms"))? {
                break;
            }
        }
    }
    Ok(())
}

fn fewer_nodes(work: &mut Work<'_>) -> Result<(), Halt> {
    for n in CLUSTERS {
        let now = work.best.options.nodes.unwrap_or(0);
        let names: Vec<String> = (1..=now).map(|n| format!("n{n}")).collect();
        if n < now && !work.take(work.best.on(n, &names), &format!("{n} of {now} nodes"))? {
            break;
        }
    }
    Ok(())
}

/// Clients, keys, operations per second, operations: each halved until that is too few.
fn less_work(work: &mut Work<'_>) -> Result<(), Halt> {
    type Less = fn(&mut Candidate) -> Option<String>;
    let less: [Less; 3] = [
        |candidate| {
            let clients = candidate.options.concurrency.unwrap_or(0) / 2;
            candidate.options.concurrency = Some(clients);
            (clients >= MIN_CLIENTS).then(|| format!("{clients} clients"))
        },
        |candidate| {
            candidate.options.keys /= 2;
            (candidate.options.keys >= 1).then(|| format!("{} keys", candidate.options.keys))
        },
        |candidate| {
            candidate.options.rate /= 2;
            (candidate.options.rate >= MIN_RATE)
                .then(|| format!("{} operations per second", candidate.options.rate))
        },
    ];
    for halve in less {
        for _ in 0..MAX_ROUNDS {
            let mut candidate = work.best.clone();
            let Some(what) = halve(&mut candidate) else { break };
            if !work.take(candidate, &what)? {
                break;
            }
        }
    }
    if let Some((_, ops)) = work.latest() {
        // Some more than it took: it is not the same in every run.
        let ops = ops + ops / 2;
        let mut candidate = work.best.clone();
        if candidate.options.ops.is_none_or(|most| ops < most) {
            candidate.options.ops = Some(ops);
            work.take(candidate, &format!("{ops} operations"))?;
        }
    }
    Ok(())
}

fn millis(candidate: &Candidate) -> u64 {
    u64::try_from(candidate.options.time.as_millis()).unwrap_or(u64::MAX)
}
