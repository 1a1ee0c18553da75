//! What three members of etcd do on the switch, next to the kernel's bridge: in turns, so that both have
//! the same machine.

use crate::bridge::Bridge;
use crate::{Host, inside};
use duress::env::Environment as _;
use duress::env::local::{Config, Data, Disks, Local, Ports, Privilege, ServerCommand};
use duress_targets::obtain::{self, Obtained};
use duress_targets::{Completion, Node, Server, Settings, Target};
use duress_workloads::Invocation;
use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

const MEMBERS: usize = 3;
/// Clients that write, one after the other each.
const CLIENTS: usize = 8;
/// Turns of each network.
const TURNS: usize = 5;
/// Length of a turn.
const TURN: Duration = Duration::from_secs(4);
/// How long a cluster may take until it serves.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) fn compare(privilege: Privilege) {
    let entry = duress_targets::registry::find("etcd").expect("the target");
    let Some(obtained) = obtain(entry.recipe.expect("it is a program")) else {
        return println!("etcd: not to be had");
    };
    let target = (entry.make)(&Settings::default(), "register").expect("a target");
    let dir = tempfile::tempdir_in("/dev/shm").expect("a directory in memory");
    let switched = on_switch(privilege, &*target, &obtained, dir.path());
    let nodes = Local::addresses(MEMBERS);
    let writes = |turn: usize| {
        let enter = || switched.enter().expect("the clients' host");
        on_own_thread(|| (enter(), writes(&target, &nodes, turn)).1)
    };
    let Some(bridge) = Bridge::new(MEMBERS + 1) else {
        return println!("etcd on the switch: {:.0} writes per second; no bridge", writes(0));
    };
    let members = Bridged::new(&bridge, &*target, &obtained, dir.path());
    let mut ratios = Vec::new();
    for turn in 0..TURNS {
        let ours = writes(turn);
        let clients = bridge.host(MEMBERS);
        let theirs = inside(clients.0, || self::writes(&target, &members.nodes, turn));
        println!("etcd, turn {turn}: {ours:.0} writes per second on the switch, {theirs:.0} on the bridge");
        ratios.push(ours / theirs);
    }
    ratios.sort_by(f64::total_cmp);
    println!("etcd: {:.2} of the bridge's throughput (median of {TURNS})", ratios[TURNS / 2]);
}

fn obtain(recipe: &obtain::Recipe) -> Option<Obtained> {
    let request = obtain::Request::new(obtain::default_cache().ok()?);
    obtain::obtain(recipe, &request, &mut |_: &str| ()).ok()
}

fn on_switch(privilege: Privilege, target: &dyn Target, obtained: &Obtained, dir: &Path) -> Local {
    let nodes = Local::addresses(MEMBERS);
    let Server::Processes(launch) = target.server() else { unreachable!("etcd is a program") };
    let server = |node: &Node| ServerCommand {
        program: obtained.path.clone(),
        args: launch.args(&nodes, node, &Local::data_dir(dir, node)),
        env: [launch.env(), obtained.env()].concat(),
    };
    let config = Config {
        work_dir: dir.to_owned(),
        servers: nodes.iter().map(server).collect(),
        log_name: "log".into(),
        data: Data::Memory,
        ports: Ports::Auto,
        calls: BTreeSet::new(),
        clocks: false,
        disks: Disks::Plain,
        limited_memory: false,
    };
    let cluster = Local::create(privilege, config).expect("a cluster");
    (0..MEMBERS).for_each(|node| cluster.start(node).expect("a server"));
    cluster
}

/// Members on the hosts of a bridge.
struct Bridged {
    nodes: Vec<Node>,
    processes: Vec<Child>,
}

impl Bridged {
    fn new(bridge: &Bridge, target: &dyn Target, obtained: &Obtained, dir: &Path) -> Self {
        let hosts: Vec<Host> = (0..MEMBERS).map(|n| bridge.host(n)).collect();
        let node = |(n, (_, addr)): (usize, &Host)| Node { name: format!("b{n}"), addr: *addr };
        let nodes: Vec<Node> = hosts.iter().enumerate().map(node).collect();
        let Server::Processes(launch) = target.server() else { unreachable!("etcd is a program") };
        let start = |(node, (pid, _)): (&Node, &Host)| {
            Command::new("nsenter")
                .args(["--net", "--target", &pid.to_string()])
                .arg(&obtained.path)
                .args(launch.args(&nodes, node, &dir.join(&node.name)))
                .envs([launch.env(), obtained.env()].concat())
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .expect("a server")
        };
        let processes = nodes.iter().zip(&hosts).map(start).collect();
        Self { nodes, processes }
    }
}

impl Drop for Bridged {
    fn drop(&mut self) {
        for child in &mut self.processes {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Acknowledged writes per second, by the thread that calls.
fn writes(target: &Arc<dyn Target>, nodes: &[Node], turn: usize) -> f64 {
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

fn on_own_thread<T: Send>(f: impl FnOnce() -> T + Send) -> T {
    thread::scope(|scope| scope.spawn(f).join().expect("it ends"))
}
