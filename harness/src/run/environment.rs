//! The one place that makes the environment of a run, wherever its nodes are to be.

use super::helpers::Helpers;
use super::{Prepared, hosts};
use crate::engine::Fleet;
use crate::env::Environment;
use crate::env::disk::Layer;
use crate::env::docker::{self, Containers, Docker};
use crate::env::kube::{self, Kube, Pods};
use crate::env::local::{self, Local};
use crate::env::place::Place;
use crate::env::remote;
use crate::env::sim::Sim;
use crate::event::Listener;
use crate::failure::Failure;
use crate::nemesis::fault::Fault;
use crate::plan::Plan;
use crate::store::Claim;
use duress_reports::artifact::RunInfo;
use duress_targets::obtain::image::Image;
use duress_targets::{Launch, Node, Server, ServerFiles};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The nodes of a plan. A host that nobody knows keeps the run from even beginning.
pub(super) fn nodes(plan: &Plan) -> Result<Arc<[Node]>, Failure> {
    Ok(plan.place.nodes(plan.node_names.len())?.into())
}

/// What an environment with processes is made of.
pub(super) struct Parts<'a> {
    pub(super) plan: &'a Plan,
    pub(super) claim: &'a Claim,
    pub(super) nodes: &'a [Node],
    pub(super) prepared: &'a Prepared,
    pub(super) launch: &'a dyn Launch,
    /// Where each node's files go here, in a folder of its name: its log at least.
    pub(super) dir: PathBuf,
    pub(super) log_name: String,
    /// Hears what the user should know.
    pub(super) listener: &'a dyn Listener,
    /// Where clients are, if not here.
    pub(super) fleet: Option<&'a Arc<Fleet>>,
}

/// Makes it; nothing is started yet. What is known only now of the nodes is noted.
pub(super) fn make(
    plan: &Plan,
    claim: &Claim,
    (nodes, fleet): (&[Node], Option<&Arc<Fleet>>),
    prepared: &Prepared,
    (info, listener): (&mut RunInfo, &dyn Listener),
) -> Result<Arc<dyn Environment>, Failure> {
    let launch = match plan.target.server() {
        Server::InProcess(cluster) => return Ok(Arc::new(Sim::new(cluster))),
        Server::Processes(launch) => launch,
    };
    let path = claim.dir.path();
    let dir = std::path::absolute(path)
        .map_err(|source| Failure::File { path: path.to_owned(), what: "found", source })?
        .join("nodes");
    let log_name = format!("{}.log", plan.entry.name);
    for node in &mut info.nodes {
        node.log = Some(format!("nodes/{}/{log_name}", node.name));
    }
    let parts = Parts { plan, claim, nodes, prepared, launch, dir, log_name, listener, fleet };
    if !plan.place.is_here() {
        no_own_files(launch, nodes)?;
    }
    if matches!(plan.place, Place::Ssh(_)) && launch.user().is_some() {
        return Err(Failure::usage(
            "--on with `user` in [server]",
            "what an agent has on a host is closed to other users, and so would be the server's data",
            "leave it out where the server may be root",
        ));
    }
    let env: Arc<dyn Environment> = match &plan.place {
        Place::Here => Arc::new(here(parts)?),
        Place::Ssh(hosts) => Arc::new(hosts::make(parts, hosts, info)?),
        Place::Docker(containers) => Arc::new(in_containers(parts, containers)?),
        Place::Kube(pods) => Arc::new(in_pods(parts, pods)?),
    };
    for (at, node) in nodes.iter().enumerate() {
        env.set_stopping(at, &launch.stopping(nodes, node))?;
    }
    plan.target.attach(Arc::new(Helpers::on(&env, nodes)));
    Ok(env)
}

/// On this machine.
fn here(parts: Parts<'_>) -> Result<Local, Failure> {
    let Parts { plan, nodes, prepared, launch, dir, log_name, .. } = parts;
    let (Some(privilege), Some(obtained)) = (prepared.privilege, &prepared.obtained) else {
        unreachable!("both have been had for nodes on this machine")
    };
    let image_env = prepared.image.as_ref().map_or(&[][..], |image| &*image.defaults.env);
    let user = prepared.image.as_ref().map_or_else(|| launch.user(), |image| image_user(launch, image));
    let server = |node: &Node| local::ServerCommand {
        program: obtained.path.clone(),
        args: launch.args(nodes, node, &Local::data_dir(&dir, node)),
        env: [image_env.to_vec(), launch.env(), obtained.env()].concat(),
        user: user.map(str::to_owned),
    };
    let config = local::Config {
        servers: nodes.iter().map(server).collect(),
        work_dir: dir.clone(),
        log_name,
        data: if plan.options.data_on_disk { local::Data::Disk } else { local::Data::Memory },
        network: local::Network::Switched(local::Ports::Auto),
        calls: plan.schedule.iter().filter_map(|planned| planned.on.as_ref()?.call()).collect(),
        clocks: plan.schedule.iter().any(|planned| planned.fault.needs_clocks()),
        disks: disks(plan),
        limited_memory: limited_memory(plan),
        rootfs: prepared.image.as_ref().map(rootfs),
    };
    let local = Local::create(privilege, config)?;
    for (at, node) in nodes.iter().enumerate() {
        local.set_files(at, &launch.files(nodes, node, &Local::data_dir(&dir, node)))?;
    }
    Ok(local)
}

/// Agents give servers a directory of their own, and send what they print.
fn no_own_files(launch: &dyn Launch, nodes: &[Node]) -> Result<(), Failure> {
    let has = nodes.iter().any(|node| launch.files(nodes, node, Path::new("")) != ServerFiles::default());
    if !has {
        return Ok(());
    }
    Err(Failure::usage(
        "--on with `dir` or `logs` in [server]",
        "they are for nodes on this machine",
        "leave them out, and let the server print its log",
    ))
}

/// Whom servers run as in an image, unless the target says.
pub(super) fn image_user<'a>(launch: &'a dyn Launch, image: &'a Image) -> Option<&'a str> {
    launch.user().or(Some(image.defaults.user.as_str()).filter(|user| !user.is_empty()))
}

fn rootfs(image: &Image) -> local::Rootfs {
    let work_dir = image.defaults.working_dir.clone().unwrap_or_else(|| "/".into());
    local::Rootfs { root: image.root.clone(), work_dir }
}

/// In containers that are there.
fn in_containers(parts: Parts<'_>, containers: &Containers) -> Result<Docker, Failure> {
    let Parts { plan, nodes, dir: logs_dir, log_name, .. } = parts;
    let wants = remote::wants(&plan.schedule);
    Ok(Docker::open(&docker::Config { containers, nodes, logs_dir, log_name, wants })?)
}

/// In pods that are there.
fn in_pods(parts: Parts<'_>, pods: &Pods) -> Result<Kube, Failure> {
    let Parts { plan, claim, nodes, dir: logs_dir, log_name, .. } = parts;
    let (run, wants) = (remote::run_name(&claim.id), remote::wants(&plan.schedule));
    Ok(Kube::open(&kube::Config { pods, nodes, run, logs_dir, log_name, wants })?)
}

/// Can the memory of nodes run out?
pub(super) fn limited_memory(plan: &Plan) -> bool {
    plan.schedule.iter().any(|planned| planned.fault.needs_limited_memory())
}

/// A run without faults of disks is left alone, unless it is to be on ext4.
pub(super) fn disks(plan: &Plan) -> local::Disks {
    let faults = || plan.schedule.iter().map(|planned| &planned.fault);
    if plan.options.disks == Layer::Ext4 {
        local::Disks::Ext4
    } else if faults().any(Fault::needs_a_disk) {
        local::Disks::Faulty { direct_reads: faults().any(Fault::needs_direct_reads) }
    } else {
        local::Disks::Plain
    }
}
