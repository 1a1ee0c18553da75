//! Real servers on loopback addresses, and what is done to their objects. Asked for with
//! `DURESS_CLUSTERS=1`, since it fetches and starts servers.

use duress_targets::obtain::{Obtained, Request, default_cache, obtain};
use duress_targets::{
    Client, Completion, Launch, Node, Registry, Server, Settings, Source, Target, TargetEntry,
};
use duress_workloads::Invocation;
use serde_json::{Value, json};
use std::net::{IpAddr, Ipv4Addr};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};
use tempfile::TempDir;

const HEALTHY_WITHIN: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(50);
/// Longer than etcd's own bound on a request.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

pub(crate) fn asked_for() -> bool {
    let asked = std::env::var_os("DURESS_CLUSTERS").is_some_and(|v| v == "1");
    if !asked {
        eprintln!("skipped: set DURESS_CLUSTERS=1");
    }
    asked
}

/// A cluster on addresses of its own; its members end with it.
pub(crate) struct Cluster {
    entry: Arc<TargetEntry>,
    obtained: Obtained,
    pub(crate) target: Arc<dyn Target>,
    pub(crate) nodes: Vec<Node>,
    members: Vec<Option<Child>>,
    data: TempDir,
}

impl Cluster {
    pub(crate) async fn start(
        name: &str,
        version: Option<&str>,
        n_nodes: u8,
        settings: &[(&str, &str)],
    ) -> Self {
        let registry = Registry::builtin();
        let entry = registry.find(name).expect("registered").clone();
        let settings = settings.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let target = (entry.make)(&Settings(settings), "register").expect("settings");
        let Server::Processes(launch) = target.server() else { unreachable!("it has processes") };
        let Source::Recipe(recipe) = launch.source() else { unreachable!("it is obtained") };
        let request = Request {
            version: version.map(str::to_owned),
            ..Request::new(default_cache().expect("a place"))
        };
        let obtained = obtain(recipe, &request, &mut |line| eprintln!("{line}")).expect("obtained");
        // A network per cluster: fixed ports, no two alike.
        static CLUSTERS: AtomicU8 = AtomicU8::new(0);
        let [_, _, high, low] = std::process::id().to_be_bytes();
        let cluster = CLUSTERS.fetch_add(1, Ordering::Relaxed);
        let addr = |n| IpAddr::V4(Ipv4Addr::new(127, 100 + high % 100, low, cluster * 10 + n));
        let nodes: Vec<_> = (1..=n_nodes).map(|n| Node { name: format!("n{n}"), addr: addr(n) }).collect();
        let members = nodes.iter().map(|_| None).collect();
        let data = tempfile::tempdir().expect("a directory");
        let mut cluster = Self { entry, obtained, target, nodes, members, data };
        (0..cluster.nodes.len()).for_each(|n| cluster.boot(n));
        cluster.await_healthy().await;
        cluster
    }

    fn launch(&self) -> &dyn Launch {
        match self.target.server() {
            Server::Processes(launch) => launch,
            Server::InProcess(_) => unreachable!("it has processes"),
        }
    }

    pub(crate) fn boot(&mut self, n: usize) {
        let dir = self.data.path().join(&self.nodes[n].name);
        std::fs::create_dir_all(&dir).expect("a directory");
        let log = std::fs::File::create(dir.with_extension("log")).expect("a log");
        let launch = self.launch();
        let child = Command::new(&self.obtained.path)
            .args(launch.args(&self.nodes, &self.nodes[n], &dir))
            .env_clear()
            .envs(launch.env())
            .envs(self.obtained.env())
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a file"))
            .stderr(log)
            .spawn()
            .expect("started");
        self.members[n] = Some(child);
    }

    /// SIGKILL.
    pub(crate) fn kill(&mut self, n: usize) {
        if let Some(mut child) = self.members[n].take() {
            child.kill().expect("killed");
            child.wait().expect("gone");
        }
    }

    pub(crate) async fn await_healthy(&self) {
        let end = Instant::now() + HEALTHY_WITHIN;
        for node in &self.nodes {
            while let Err(error) = self.target.healthy(node).await {
                assert!(Instant::now() < end, "{} is not healthy: {error}", node.name);
                tokio::time::sleep(POLL).await;
            }
        }
    }

    pub(crate) async fn client(&self, n: usize) -> Box<dyn Client> {
        self.target.connect(&self.nodes[n]).await.expect("a client")
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        (0..self.members.len()).for_each(|n| self.kill(n));
    }
}

pub(crate) async fn invoke(client: &mut Box<dyn Client>, f: &str, value: Value) -> Completion {
    let invocation = Invocation { f: f.to_owned(), value };
    tokio::time::timeout(ANSWER_WITHIN, client.invoke(&invocation)).await.expect("an answer in time")
}

pub(crate) fn class(completion: &Completion) -> (&'static str, &'static str) {
    match completion {
        Completion::Ok(_) => ("ok", ""),
        Completion::Fail(error) => ("fail", error.class),
        Completion::Info(error) => ("info", error.class),
    }
}

/// What is done to objects of one workload, one after the other, and how each ends: with this
/// answer, or in `fail` of this class.
pub(crate) type Script = Vec<(&'static str, Value, Result<Value, &'static str>)>;

/// Key 11 is there in every script because its name begins like that of key 1.
pub(crate) fn scripts() -> [(&'static str, Script); 7] {
    let same = |f, value: Value| (f, value.clone(), Ok(value));
    let read = |value: Value| ("read", json!([1, null]), Ok(json!([1, value])));
    [
        (
            "register",
            vec![
                read(json!(null)),
                ("cas", json!([1, [5, 6]]), Err("precondition")),
                read(json!(null)),
                same("cas", json!([1, [null, 4]])),
                ("cas", json!([1, [null, 7]]), Err("precondition")),
                read(json!(4)),
                same("write", json!([1, 5])),
                ("cas", json!([1, [4, 6]]), Err("precondition")),
                same("cas", json!([1, [5, -6]])),
                read(json!(-6)),
                same("read", json!([11, null])),
                ("delete", json!([1, null]), Err("unsupported")),
                ("read", json!(["1", null]), Err("unsupported")),
                ("read", json!(1), Err("unsupported")),
            ],
        ),
        (
            "set",
            vec![
                read(json!([])),
                same("add", json!([1, 2])),
                same("add", json!([1, -3])),
                same("add", json!([1, 2])),
                read(json!([-3, 2])),
                ("read", json!([11, null]), Ok(json!([11, []]))),
            ],
        ),
        (
            "counter",
            vec![
                read(json!(0)),
                same("add", json!([1, -3])),
                same("add", json!([1, 5])),
                read(json!(2)),
                same("add", json!([1, i64::MAX - 2])),
                ("add", json!([1, 1]), Err("unsupported")),
                read(json!(i64::MAX)),
                ("read", json!([11, null]), Ok(json!([11, 0]))),
            ],
        ),
        (
            "multi-register",
            vec![
                same("txn", json!([1, [["r", 0, null], ["r", 1, null]]])),
                same("txn", json!([1, [["w", 0, 4], ["r", 1, null], ["w", 2, 5]]])),
                (
                    "txn",
                    json!([1, [["r", 2, null], ["w", 1, 6], ["r", 0, null]]]),
                    Ok(json!([1, [["r", 2, 5], ["w", 1, 6], ["r", 0, 4]]])),
                ),
                same("txn", json!([11, [["r", 0, null]]])),
            ],
        ),
        (
            "queue",
            vec![
                same("dequeue", json!([1, null])),
                same("enqueue", json!([1, 9])),
                same("enqueue", json!([1, 10])),
                same("enqueue", json!([1, 2])),
                ("dequeue", json!([1, null]), Ok(json!([1, 9]))),
                ("dequeue", json!([1, null]), Ok(json!([1, 10]))),
                ("dequeue", json!([1, null]), Ok(json!([1, 2]))),
                same("dequeue", json!([1, null])),
                same("dequeue", json!([11, null])),
            ],
        ),
        (
            "log",
            vec![
                read(json!([])),
                ("append", json!([1, 5]), Ok(json!([1, [0, 5]]))),
                ("append", json!([1, 4]), Ok(json!([1, [1, 4]]))),
                read(json!([5, 4])),
                ("read", json!([1, [1, null]]), Ok(json!([1, [1, 4]]))),
                same("read", json!([1, [2, null]])),
                ("read", json!([11, null]), Ok(json!([11, []]))),
            ],
        ),
        (
            "lock",
            vec![
                read(json!(0)),
                ("fetch-add", json!([1, [3, null]]), Ok(json!([1, [3, 0]]))),
                ("fetch-add", json!([1, [-1, null]]), Ok(json!([1, [-1, 3]]))),
                read(json!(2)),
                ("read", json!([11, null]), Ok(json!([11, 0]))),
            ],
        ),
    ]
}

pub(crate) async fn follow(client: &mut Box<dyn Client>, script: Script, of: &str) {
    for (f, asked, answered) in script {
        let expected = match &answered {
            Ok(_) => ("ok", ""),
            Err(class) => ("fail", *class),
        };
        let got = invoke(client, f, asked.clone()).await;
        assert_eq!(class(&got), expected, "{of}: {f} {asked}: {got:?}");
        if let (Completion::Ok(got), Ok(answered)) = (got, answered) {
            assert_eq!(got, answered, "{of}: {f} {asked}");
        }
    }
}

/// A client of the first member for one workload.
pub(crate) async fn client_of(
    cluster: &Cluster,
    workload: &str,
    settings: &[(&str, &str)],
) -> Box<dyn Client> {
    let settings = Settings(settings.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect());
    let target = (cluster.entry.make)(&settings, workload).expect("settings");
    target.connect(&cluster.nodes[0]).await.expect("a client")
}
