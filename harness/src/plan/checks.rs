//! What cannot be, told before anything starts: numbers out of range, faults that a target or its disks cannot
//! have, gates that nothing decides.
//!
//! Not here: what a place other than this machine cannot have (`place`).

use super::{MAX_CONCURRENCY, MAX_KEYS, MAX_TIME, MIN_CHECK_MIB, RunOptions};
use crate::env::disk::Layer;
use crate::failure::Failure;
use crate::nemesis::catalogue;
use crate::nemesis::fault::{Fault, PlannedFault};
use crate::nemesis::lifecycle::Act;
use crate::run::noted;
use duress_reports::conclusion::Rule;
use duress_targets::{Refusal, Server, Source, Target, TargetEntry};

/// Faults that bring in another version need one, and it needs them.
pub(super) fn versions(schedule: &[PlannedFault], upgrade_to: Option<&str>) -> Result<(), Failure> {
    let has = |wanted: Act| {
        schedule.iter().any(|planned| matches!(planned.fault, Fault::Lifecycle { act, .. } if act == wanted))
    };
    let (up, back) = (has(Act::Upgrade), has(Act::UpgradeAndBack));
    match upgrade_to {
        Some(version) if !up && !back => Err(Failure::usage(
            format!("--upgrade-to {version}"),
            "no fault brings another version in",
            "add --faults upgrade or upgrade-and-back, or leave it out",
        )),
        None if up || back => Err(Failure::usage(
            if up { Act::Upgrade.kind() } else { Act::UpgradeAndBack.kind() },
            "there is no other version",
            "add --upgrade-to VERSION, or use other faults",
        )),
        _ if up && back => Err(Failure::usage(
            "upgrade with upgrade-and-back",
            "a cluster all of whose nodes have been upgraded may refuse to go back",
            "use two runs",
        )),
        _ => Ok(()),
    }
}

/// Those of all targets that this one can bear.
pub(super) fn default_faults(entry: &TargetEntry, nodes: usize) -> Vec<String> {
    let bearable = |kind: &String| refused(entry, kind).is_none();
    catalogue::default_faults(nodes).into_iter().filter(bearable).collect()
}

/// What the target refuses has to be a fault, and may not be asked for.
pub(super) fn refusals(entry: &TargetEntry, asked: &[String]) -> Result<(), Failure> {
    if let Some(refusal) = entry.refuses.iter().find(|refusal| catalogue::find(&refusal.fault).is_err()) {
        let why = format!("there is no fault `{}` to be refused", refusal.fault);
        return Err(Failure::usage(&refusal.place, why, catalogue::choose(&refusal.fault)));
    }
    match asked.iter().find_map(|kind| refused(entry, kind)) {
        Some((fault, refusal)) => Err(not_to_be_borne(fault, refusal)),
        None => Ok(()),
    }
}

pub(super) fn refused<'a>(entry: &'a TargetEntry, kind: &'a str) -> Option<(&'a str, &'a Refusal)> {
    entry.refuses.iter().find(|refusal| refusal.fault == kind).map(|refusal| (kind, refusal))
}

pub(super) fn not_to_be_borne(fault: &str, Refusal { why, place, .. }: &Refusal) -> Failure {
    Failure::usage(format!("fault {fault}"), format!("{place} refuses it: {why}"), "use other faults")
}

/// What a program can be asked to be.
pub(super) fn program(options: &RunOptions, entry: &TargetEntry, target: &dyn Target) -> Result<(), Failure> {
    let versions = [("--version", &options.version), ("--upgrade-to", &options.upgrade_to)];
    let version = versions.into_iter().find(|(_, version)| version.is_some()).map(|(flag, _)| flag);
    let bin = options.bin.as_ref().map(|_| "--bin");
    let (flag, why, fix) = match target.server() {
        Server::InProcess(_) => {
            (bin.or(version), "it lives inside Duress: there is nothing to obtain", "leave it out")
        }
        Server::Processes(launch) => match launch.source() {
            Source::Recipe(_) => (None, "", ""),
            Source::Named { .. } => {
                (version, "its program has to be there, in one version", "leave it out, or use --bin")
            }
        },
    };
    flag.map_or(Ok(()), |flag| Err(Failure::usage(format!("{flag} with {}", entry.name), why, fix)))
}

/// Faults of disks are what the disks can do, and neither kind of disk is in the run directory.
pub(super) fn disks(
    options: &RunOptions,
    (entry, inside): (&TargetEntry, bool),
    schedule: &[PlannedFault],
) -> Result<(), Failure> {
    let ext4 = options.disks == Layer::Ext4;
    if ext4 && inside {
        return Err(Failure::usage(
            format!("--disks ext4 with {}", entry.name),
            "what lives inside Duress has no disks",
            "leave it out, or use a target with real servers",
        ));
    }
    if ext4 && let Some((fault, why)) = schedule.iter().find_map(|p| Some((&p.fault, p.fault.beyond_ext4()?)))
    {
        return Err(Failure::usage(
            format!("{} with --disks ext4", fault.kind()),
            why,
            "change the fault, or leave out --disks ext4",
        ));
    }
    let faulty = schedule.iter().find(|planned| planned.fault.needs_a_disk());
    let asks = faulty.map(|planned| planned.fault.kind()).or(ext4.then_some("--disks ext4"));
    match asks {
        Some(asks) if options.data_on_disk => Err(Failure::usage(
            format!("{asks} with --data disk"),
            "disks that can go wrong are in memory, and end with the run",
            "leave out --data disk",
        )),
        _ => Ok(()),
    }
}

/// A gate that nothing in the run can decide would make every run inconclusive.
pub(super) fn gates(gates: &[Rule], target: &dyn Target, schedule: &[PlannedFault]) -> Result<(), Failure> {
    for gate in gates {
        let refuse = |why: String, fix: &str| Err(Failure::usage(format!("--gate {gate}"), why, fix));
        if let Some(kind) = gate.demand.kind()
            && !schedule.iter().any(|planned| planned.fault.kind() == kind)
        {
            return refuse(
                format!("no fault `{kind}` is planned"),
                "use a kind of this run's faults, or leave it out",
            );
        }
        if let Some(goal) = gate.demand.log_goal()
            && (matches!(target.server(), Server::InProcess(_)) || noted::text(goal, target).is_none())
        {
            return refuse(
                "it is not known how the logs of this target tell it".to_owned(),
                "say what a line has to contain: sometimes=log:TEXT; what lives inside Duress logs nothing",
            );
        }
    }
    Ok(())
}

/// What the machine allows is tried when the hosts are made.
pub(super) fn clocks(kind: &str, entry: &TargetEntry, inside: bool) -> Result<(), Failure> {
    let refuse = |why, fix| Err(Failure::usage(format!("{kind} on {}", entry.name), why, fix));
    if inside {
        return refuse(
            "what lives inside Duress has no clocks of its own",
            "use a target with real servers, or other faults",
        );
    }
    if cfg!(not(target_arch = "x86_64")) {
        return refuse("clocks are skewed on x86-64 only", "use such a machine, or other faults");
    }
    Ok(())
}

pub(super) fn numbers(o: &RunOptions) -> Result<(), Failure> {
    let range = |name: &str, value: String, ok: bool, takes: String| {
        if ok { Ok(()) } else { Err(Failure::usage(format!("--{name} {value}"), "out of range", takes)) }
    };
    let time = humantime::format_duration(o.time).to_string();
    range(
        "time",
        time,
        !o.time.is_zero() && o.time <= MAX_TIME,
        "use more than 0s and at most 24h".to_owned(),
    )?;
    let concurrency = o.concurrency.unwrap_or(1);
    range(
        "concurrency",
        concurrency.to_string(),
        (1..=MAX_CONCURRENCY).contains(&concurrency),
        format!("use 1 to {MAX_CONCURRENCY}"),
    )?;
    let keys = (1..=MAX_KEYS).contains(&o.keys);
    range("keys", o.keys.to_string(), keys, format!("use 1 to {MAX_KEYS}"))?;
    range("ops", "0".to_owned(), o.ops != Some(0), "use 1 or more".to_owned())?;
    range("ops-per-key", o.ops_per_key.to_string(), o.ops_per_key > 0, "use 1 or more".to_owned())?;
    let memory = o.check_memory >> 20;
    let enough = memory >= MIN_CHECK_MIB;
    range("check-memory", memory.to_string(), enough, format!("use {MIN_CHECK_MIB} or more"))?;
    if let Some(timeout) = o.op_timeout {
        let typed = humantime::format_duration(timeout).to_string();
        range("op-timeout", typed, !timeout.is_zero(), "use more than 0s".to_owned())?;
    }
    let interval = humantime::format_duration(o.interval).to_string();
    range("interval", interval, !o.interval.is_zero(), "use more than 0s".to_owned())?;
    if let Some(faults) = &o.faults
        && faults.len() > 1
        && faults.iter().any(|kind| kind == "none")
    {
        return Err(Failure::usage(
            format!("--faults {}", faults.join(",")),
            "`none` cannot be combined with faults",
            "leave it out, or use it alone",
        ));
    }
    Ok(())
}
