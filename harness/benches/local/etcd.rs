//! What three members of etcd do on the switch, next to the kernel's bridge: in turns, so that both have
//! the same machine, and on hosts that differ in nothing else: same namespaces, logs, data, sessions.

use crate::bridge::Bridge;
use crate::switch_time;
use duress::env::Environment as _;
use duress::env::local::{Config, Data, Disks, Local, Network, Ports, Privilege, ServerCommand};
use duress_targets::obtain::{self, Obtained};
use duress_targets::{Completion, Node, Registry, Server, Settings, Source, Target};
use duress_workloads::Invocation;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

const MEMBERS: usize = 3;
/// Clients that write, one after the other each: enough to keep the machine at work, so that what a network
/// costs shows as writes that are not made. Few clients show what it adds to the time of one.
const CLIENTS: usize = 64;
/// Turns of each network.
const TURNS: usize = 12;
/// Length of a turn.
const TURN: Duration = Duration::from_secs(2);
/// How long a cluster may take until it serves.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) fn compare(privilege: Privilege) {
    let registry = Registry::builtin();
    let entry = registry.find("etcd").expect("the target");
    let target = (entry.make)(&Settings::default(), "register").expect("a target");
    let Server::Processes(launch) = target.server() else { unreachable!("etcd is a program") };
    let Source::Recipe(recipe) = launch.source() else { unreachable!("etcd is obtained") };
    let Some(obtained) = obtain(recipe) else {
        return println!("etcd: not to be had");
    };
    let dir = tempfile::tempdir_in("/dev/shm").expect("a directory in memory");
    let nodes = Local::addresses(MEMBERS);
    let switched = cluster(privilege, &*target, &obtained, (&dir.path().join("switch"), &nodes));
    start(&switched);
    let bridged_nodes: Vec<Node> = (nodes.iter().enumerate())
        .map(|(n, node)| Node { addr: Bridge::address(n), ..node.clone() })
        .collect();
    let bridged = cluster(privilege, &*target, &obtained, (&dir.path().join("bridge"), &bridged_nodes));
    let Some(_bridge) = Bridge::between(&bridged, MEMBERS) else {
        let writes = writes(&target, (&switched, &nodes), 0);
        return println!("etcd on the switch: {writes:.0} writes per second; no bridge");
    };
    start(&bridged);
    let mut ratios = Vec::new();
    for turn in 0..TURNS {
        let ours = || {
            let before = switch_time().unwrap_or_default();
            let writes = writes(&target, (&switched, &nodes), turn);
            let worked = switch_time().unwrap_or_default() - before;
            (writes, worked.as_secs_f64() * 1e6 / (writes * TURN.as_secs_f64()))
        };
        let theirs = || writes(&target, (&bridged, &bridged_nodes), turn);
        // Whoever comes second finds another machine than the first.
        let (theirs, (ours, worked)) = if turn % 2 == 0 {
            let ours = ours();
            (theirs(), ours)
        } else {
            (theirs(), ours())
        };
        let ratio = ours / theirs;
        println!(
            "etcd, turn {turn}: {ours:.0} writes per second on the switch, {worked:.0} µs of its thread each; \
             {theirs:.0} on the bridge; {ratio:.2}"
        );
        ratios.push(ratio);
    }
    ratios.sort_by(f64::total_cmp);
    let quarter = |n: usize| ratios[(TURNS - 1) * n / 4];
    println!(
        "etcd: {:.2} of the bridge's throughput (median of {TURNS}; half of them {:.2} to {:.2})",
        quarter(2),
        quarter(1),
        quarter(3)
    );
}

fn obtain(recipe: &obtain::Recipe) -> Option<Obtained> {
    let request = obtain::Request::new(obtain::default_cache().ok()?);
    obtain::obtain(recipe, &request, &mut |_: &str| ()).ok()
}

/// A cluster whose members find each other at these addresses. Nobody runs yet.
fn cluster(
    privilege: Privilege,
    target: &dyn Target,
    obtained: &Obtained,
    (dir, nodes): (&Path, &[Node]),
) -> Local {
    let Server::Processes(launch) = target.server() else { unreachable!("etcd is a program") };
    let server = |node: &Node| ServerCommand {
        program: obtained.path.clone(),
        args: launch.args(nodes, node, &Local::data_dir(dir, node)),
        env: [launch.env(), obtained.env()].concat(),
        user: None,
    };
    let config = Config {
        work_dir: dir.to_owned(),
        servers: nodes.iter().map(server).collect(),
        log_name: "log".into(),
        data: Data::Memory,
        network: Network::Switched(Ports::Auto),
        calls: BTreeSet::new(),
        clocks: false,
        disks: Disks::Plain,
        limited_memory: false,
        rootfs: None,
    };
    Local::create(privilege, config).expect("a cluster")
}

fn start(cluster: &Local) {
    (0..MEMBERS).for_each(|node| cluster.start(node).expect("a server"));
}

/// Acknowledged writes per second, by clients on the cluster's own host for them.
fn writes(target: &Arc<dyn Target>, (cluster, nodes): (&Local, &[Node]), turn: usize) -> f64 {
    thread::scope(|scope| {
        let clients = scope.spawn(|| {
            cluster.enter().expect("the clients' host");
            written(target, nodes, turn)
        });
        clients.join().expect("it ends")
    })
}

/// Acknowledged writes per second, by the thread that calls.
fn written(target: &Arc<dyn Target>, nodes: &[Node], turn: usize) -> f64 {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let patience = Instant::now() + PATIENCE;
        for node in nodes {
            while let Err(error) = target.healthy(node).await {
                assert!(Instant::now() < patience, "{}: {error}", node.name);
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
        let end = Instant::now() + TURN;
        let mut clients = tokio::task::JoinSet::new();
        for n in 0..CLIENTS {
            let (target, node) = (Arc::clone(target), nodes[n % nodes.len()].clone());
            clients.spawn(async move {
                let mut client = target.connect(&node).await.expect("a client");
                let mut done = 0_u64;
                while Instant::now() < end {
                    let key = turn * CLIENTS + n;
                    let write = Invocation { f: "write".into(), value: serde_json::json!([key, done]) };
                    assert!(matches!(client.invoke(&write).await, Completion::Ok(_)), "a write");
                    done += 1;
                }
                done
            });
        }
        let done: u64 = clients.join_all().await.into_iter().sum();
        done as f64 / TURN.as_secs_f64()
    })
}
