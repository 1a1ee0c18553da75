//! How many nodes there are, and what cannot be asked of a run that has them on other hosts.
//!
//! Whether a host can do what is left is asked there, before anything is started.

use super::{MAX_NODES, RunOptions};
use crate::env::disk::Layer;
use crate::env::place::Place;
use crate::failure::Failure;
use crate::nemesis::fault::PlannedFault;
use duress_targets::{Apart, Server, Target, TargetEntry};
use std::sync::Arc;

/// Real hosts are not broken in all ways in which our own are, and what is on them stays there.
pub(super) fn check(
    place: &Place,
    options: &RunOptions,
    (entry, target): (&TargetEntry, &dyn Target),
    schedule: &[PlannedFault],
) -> Result<(), Failure> {
    if place.is_here() {
        return Ok(());
    }
    let refuse = |what: String, why: &str, fix: &str| Err(Failure::usage(what, why, fix));
    let fix = "leave it out, or use a target with real servers";
    match target.server() {
        Server::InProcess(_) => {
            return refuse(format!("--on with {}", entry.name), "it lives inside Duress", fix);
        }
        Server::Processes(_) if place.has_servers() => return check_servers(place, options, schedule),
        Server::Processes(launch) if launch.rootfs().is_some() => {
            let why = "an image's files stay on this machine";
            let fix = "leave out `rootfs`, and install the server on the hosts; or leave out --on";
            return refuse(format!("--on with {}", entry.name), why, fix);
        }
        Server::Processes(_) => {}
    }
    if options.disks == Layer::Ext4 || options.data_on_disk || options.capture {
        let what = "--on with --disks ext4, --data disk or --capture".to_owned();
        return refuse(what, "disks and networks of real hosts are their own", "leave one out");
    }
    match place.refusal(schedule) {
        Some((kind, why)) => refuse(format!("{kind} with --on"), why, "use other faults, or leave out --on"),
        None => Ok(()),
    }
}

/// Servers that are there have been made by somebody else.
fn check_servers(place: &Place, options: &RunOptions, schedule: &[PlannedFault]) -> Result<(), Failure> {
    let flags = [
        ("--version", options.version.is_some()),
        ("--bin", options.bin.is_some()),
        ("--upgrade-to", options.upgrade_to.is_some()),
        ("--disks ext4", options.disks == Layer::Ext4),
        ("--data disk", options.data_on_disk),
        ("--capture", options.capture),
        ("--keep-data", options.keep_data),
    ];
    if let Some((flag, _)) = flags.into_iter().find(|(_, given)| *given) {
        let why = "servers, disks and networks are those of the containers";
        return Err(Failure::usage(format!("{flag} with --on"), why, "leave it out"));
    }
    match place.refusal(schedule) {
        Some((kind, why)) => {
            Err(Failure::usage(format!("{kind} with --on"), why, "use other faults, or leave out --on"))
        }
        None => Ok(()),
    }
}

/// The target, with keys of its own for this run where servers may hold data of earlier ones; and where they begin.
pub(super) fn apart(place: &Place, target: Arc<dyn Target>) -> (Arc<dyn Target>, Option<i64>) {
    if place.has_servers() || target.keeps_data() {
        let first_key = duress_targets::first_key();
        (Arc::new(Apart::new(target, first_key)), Some(first_key))
    } else {
        (target, None)
    }
}

/// Where there are hosts, one node on each, unless fewer are asked for.
pub(super) fn nodes(
    entry: &TargetEntry,
    asked: Option<usize>,
    hosts: Option<usize>,
) -> Result<usize, Failure> {
    let most = entry.max_nodes.unwrap_or(MAX_NODES);
    let nodes = asked.unwrap_or(hosts.map_or(entry.default_nodes, |hosts| hosts.min(most)));
    if let Some(hosts) = hosts.filter(|&hosts| nodes > hosts) {
        let fix = format!("use --nodes {hosts}, or name more of them");
        let why = format!("there is a place for {hosts} only");
        return Err(Failure::usage(format!("--nodes {nodes}"), why, fix));
    }
    if !(1..=MAX_NODES).contains(&nodes) {
        let fix = format!("use 1 to {MAX_NODES}");
        return Err(Failure::usage(format!("--nodes {nodes}"), "out of range", fix));
    }
    match entry.max_nodes {
        Some(most) if nodes > most => Err(Failure::usage(
            format!("--nodes {nodes} with {}", entry.name),
            format!("that target has at most {most}"),
            format!("use --nodes {most}, or another target"),
        )),
        _ => Ok(nodes),
    }
}
