//! The etcd client against real etcd on loopback addresses, in both versions that Duress
//! obtains by itself. Asked for with `DURESS_CLUSTERS=1`, since it fetches and starts servers.

use duress_targets::obtain::{Request, default_cache, obtain};
use duress_targets::{Client, Completion, Launch, Node, Server, Settings, Target, registry};
use duress_workloads::Invocation;
use serde_json::{Value, json};
use std::net::{IpAddr, Ipv4Addr};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};
use tempfile::TempDir;

const VERSIONS: [&str; 2] = ["3.4.23", "3.5.1"];
const HEALTHY_WITHIN: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(50);
/// Longer than etcd's own bound on a request.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

fn asked_for() -> bool {
    let asked = std::env::var_os("DURESS_CLUSTERS").is_some_and(|v| v == "1");
    if !asked {
        eprintln!("skipped: set DURESS_CLUSTERS=1");
    }
    asked
}

/// A cluster on addresses of its own; its members end with it.
struct Cluster {
    program: std::path::PathBuf,
    target: Arc<dyn Target>,
    nodes: Vec<Node>,
    members: Vec<Option<Child>>,
    data: TempDir,
}

impl Cluster {
    async fn start(version: &str, n_nodes: u8, settings: &[(&str, &str)]) -> Self {
        let entry = registry::find("etcd").expect("registered");
        let recipe = entry.recipe.expect("etcd is obtained");
        let request =
            Request { version: Some(version.to_owned()), ..Request::new(default_cache().expect("a place")) };
        let program = obtain(recipe, &request, &mut |line| eprintln!("{line}")).expect("obtained").path;
        let settings = settings.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let target = (entry.make)(&Settings(settings), "register").expect("settings");
        // A network per cluster: fixed ports, no two alike.
        static CLUSTERS: AtomicU8 = AtomicU8::new(0);
        let [_, _, high, low] = std::process::id().to_be_bytes();
        let cluster = CLUSTERS.fetch_add(1, Ordering::Relaxed);
        let addr = |n| IpAddr::V4(Ipv4Addr::new(127, 100 + high % 100, low, cluster * 10 + n));
        let nodes: Vec<_> = (1..=n_nodes).map(|n| Node { name: format!("n{n}"), addr: addr(n) }).collect();
        let members = nodes.iter().map(|_| None).collect();
        let data = tempfile::tempdir().expect("a directory");
        let mut cluster = Self { program, target, nodes, members, data };
        (0..cluster.nodes.len()).for_each(|n| cluster.boot(n));
        cluster.await_healthy().await;
        cluster
    }

    fn launch(&self) -> &dyn Launch {
        match self.target.server() {
            Server::Processes(launch) => launch,
            Server::InProcess(_) => unreachable!("etcd has processes"),
        }
    }

    fn boot(&mut self, n: usize) {
        let dir = self.data.path().join(&self.nodes[n].name);
        let launch = self.launch();
        let child = Command::new(&self.program)
            .args(launch.args(&self.nodes, &self.nodes[n], &dir))
            .env_clear()
            .envs(launch.env())
            .stdin(Stdio::null())
            .stderr(std::fs::File::create(dir.with_extension("log")).expect("a log"))
            .spawn()
            .expect("started");
        self.members[n] = Some(child);
    }

    /// SIGKILL.
    fn kill(&mut self, n: usize) {
        if let Some(mut child) = self.members[n].take() {
            child.kill().expect("killed");
            child.wait().expect("gone");
        }
    }

    async fn await_healthy(&self) {
        let end = Instant::now() + HEALTHY_WITHIN;
        for node in &self.nodes {
            while let Err(error) = self.target.healthy(node).await {
                assert!(Instant::now() < end, "{} is not healthy: {error}", node.name);
                tokio::time::sleep(POLL).await;
            }
        }
    }

    async fn client(&self, n: usize) -> Box<dyn Client> {
        self.target.connect(&self.nodes[n]).await.expect("a client")
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        (0..self.members.len()).for_each(|n| self.kill(n));
    }
}

async fn invoke(client: &mut Box<dyn Client>, f: &str, value: Value) -> Completion {
    let invocation = Invocation { f: f.to_owned(), value };
    tokio::time::timeout(ANSWER_WITHIN, client.invoke(&invocation)).await.expect("an answer in time")
}

fn class(completion: &Completion) -> (&'static str, &'static str) {
    match completion {
        Completion::Ok(_) => ("ok", ""),
        Completion::Fail(error) => ("fail", error.class),
        Completion::Info(error) => ("info", error.class),
    }
}

/// What is done to objects of one workload, one after the other, and how each ends: with this
/// answer, or in `fail` of this class.
type Script = Vec<(&'static str, Value, Result<Value, &'static str>)>;

/// Key 11 is there in every script because its name begins like that of key 1.
fn scripts() -> [(&'static str, Script); 7] {
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

#[tokio::test]
async fn objects_do_what_such_objects_do() {
    if !asked_for() {
        return;
    }
    for version in VERSIONS {
        let cluster = Cluster::start(version, 1, &[]).await;
        for (workload, script) in scripts() {
            let mut client = client_of(&cluster, workload, &[]).await;
            follow(&mut client, script, &format!("{version}: {workload}")).await;
        }
        // Without fencing nothing is different as long as nobody stands still.
        let mut unfenced = client_of(&cluster, "lock", &[("fencing", "off")]).await;
        let script = vec![
            ("fetch-add", json!([3, [5, null]]), Ok(json!([3, [5, 0]]))),
            ("read", json!([3, null]), Ok(json!([3, 5]))),
        ];
        follow(&mut unfenced, script, version).await;
        concurrent_changes_exclude_each_other(&cluster).await;
    }
}

async fn follow(client: &mut Box<dyn Client>, script: Script, of: &str) {
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

/// Everybody adds at once, and loses or waits; nothing that was acknowledged is missing.
async fn concurrent_changes_exclude_each_other(cluster: &Cluster) {
    const CLIENTS: i64 = 8;
    for (workload, f) in [("counter", "add"), ("log", "append"), ("lock", "fetch-add")] {
        let mut clients = tokio::task::JoinSet::new();
        for n in 1..=CLIENTS {
            let mut client = client_of(cluster, workload, &[]).await;
            let asked = if workload == "lock" { json!([2, [n, null]]) } else { json!([2, n]) };
            clients.spawn(async move { (n, invoke(&mut client, f, asked).await) });
        }
        let (mut sum, mut n_ok) = (0, 0);
        while let Some(ended) = clients.join_next().await {
            let (n, ended) = ended.expect("no panic");
            match class(&ended) {
                ("ok", _) => (sum, n_ok) = (sum + n, n_ok + 1),
                // Whoever waits for a lock gets it.
                lost => assert!(lost == ("fail", "precondition") && workload != "lock", "{ended:?}"),
            }
        }
        assert!(n_ok > 0, "{workload}: nobody came first");
        let mut client = client_of(cluster, workload, &[]).await;
        let read = invoke(&mut client, "read", json!([2, null])).await;
        let Completion::Ok(read) = read else { panic!("{workload}: {read:?}") };
        match &read[1] {
            Value::Array(entries) => assert_eq!(entries.len(), n_ok, "{workload}: {read}"),
            count => assert_eq!(*count, json!(sum), "{workload}"),
        }
    }
}

#[tokio::test]
async fn a_dead_member_refuses_and_comes_back_with_its_data() {
    if !asked_for() {
        return;
    }
    for version in VERSIONS {
        let mut cluster = Cluster::start(version, 1, &[]).await;
        let mut client = cluster.client(0).await;
        assert_eq!(class(&invoke(&mut client, "write", json!([1, 5])).await), ("ok", ""));
        cluster.kill(0);
        // The first one finds the old connection; that it is closed may show only after
        // sending, and is then in doubt.
        let first = class(&invoke(&mut client, "write", json!([1, 6])).await);
        assert!(first == ("fail", "refused") || first.0 == "info", "{version}: {first:?}");
        for (f, value) in [("write", json!([2, 6])), ("cas", json!([2, [5, 6]])), ("read", json!([2, null]))]
        {
            let mut fresh = cluster.client(0).await;
            let got = invoke(&mut fresh, f, value).await;
            assert_eq!(class(&got), ("fail", "refused"), "{version}: {f}: {got:?}");
        }
        let unhealthy = cluster.target.healthy(&cluster.nodes[0]).await.expect_err("dead");
        assert_eq!(unhealthy.class, "refused");

        cluster.boot(0);
        cluster.await_healthy().await;
        let mut client = cluster.client(0).await;
        assert_eq!(invoke(&mut client, "read", json!([1, null])).await, Completion::Ok(json!([1, 5])));
    }
}

#[tokio::test]
async fn without_a_quorum_writes_are_in_doubt_and_only_serializable_reads_answer() {
    if !asked_for() {
        return;
    }
    for version in VERSIONS {
        let fast = [("heartbeat-interval", "20"), ("election-timeout", "200")];
        let mut cluster = Cluster::start(version, 3, &fast).await;
        let mut client = cluster.client(0).await;
        assert_eq!(class(&invoke(&mut client, "write", json!([1, 5])).await), ("ok", ""));
        // Through this member, so that its own state has it.
        assert_eq!(invoke(&mut client, "read", json!([1, null])).await, Completion::Ok(json!([1, 5])));
        cluster.kill(1);
        cluster.kill(2);

        let mut stale = client_of(&cluster, "register", &[("reads", "serializable")]).await;
        assert_eq!(invoke(&mut stale, "read", json!([1, null])).await, Completion::Ok(json!([1, 5])));
        let mut reader = cluster.client(0).await;
        let (written, read) = tokio::join!(
            invoke(&mut client, "write", json!([1, 6])),
            invoke(&mut reader, "read", json!([1, null])),
        );
        assert_eq!(class(&written), ("info", "timeout"), "{version}: {written:?}");
        assert_eq!(class(&read), ("fail", "timeout"), "{version}: {read:?}");
        let unhealthy = cluster.target.healthy(&cluster.nodes[0]).await.expect_err("no quorum");
        assert_eq!(unhealthy.class, "timeout");
        let status = cluster.target.status(&cluster.nodes[0]).await.expect("it still speaks");
        assert_eq!((status.version.as_str(), status.is_leader), (version, false));

        // Killed while the write waits for its quorum.
        let mut killed = cluster.client(0).await;
        let write = tokio::spawn(async move { invoke(&mut killed, "cas", json!([1, [5, 7]])).await });
        tokio::time::sleep(Duration::from_millis(500)).await;
        assert!(!write.is_finished(), "{version}: it waits");
        cluster.kill(0);
        let written = write.await.expect("no panic");
        assert!(matches!(class(&written), ("info", "reset" | "disconnected")), "{version}: {written:?}");
    }
}

/// A client of the first member for one workload.
async fn client_of(cluster: &Cluster, workload: &str, settings: &[(&str, &str)]) -> Box<dyn Client> {
    let settings = Settings(settings.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect());
    let target = (registry::find("etcd").expect("registered").make)(&settings, workload).expect("settings");
    target.connect(&cluster.nodes[0]).await.expect("a client")
}

#[tokio::test]
async fn exactly_one_member_leads() {
    if !asked_for() {
        return;
    }
    for version in VERSIONS {
        let cluster = Cluster::start(version, 3, &[]).await;
        let mut leaders = 0;
        for node in &cluster.nodes {
            let status = cluster.target.status(node).await.expect("an answer");
            assert_eq!(status.version, version);
            assert!(status.term.is_some_and(|term| term > 0), "{status:?}");
            leaders += usize::from(status.is_leader);
        }
        assert_eq!(leaders, 1, "{version}");
    }
}
