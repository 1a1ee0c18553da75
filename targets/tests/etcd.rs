//! The etcd client against real etcd on loopback addresses, in both versions that Duress
//! obtains by itself. Asked for with `DURESS_CLUSTERS=1`, since it fetches and starts servers.

mod common;

use common::{Cluster, asked_for, class, client_of, follow, invoke, scripts};
use duress_targets::obtain::{Request, default_cache, obtain};
use duress_targets::{Completion, Context, Node, Registry, Server, Settings, Source, http};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const VERSIONS: [&str; 2] = ["3.4.23", "3.5.1"];

#[tokio::test]
async fn objects_do_what_such_objects_do() {
    if !asked_for() {
        return;
    }
    for version in VERSIONS {
        let cluster = Cluster::start("etcd", Some(version), 1, &[]).await;
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

/// Everybody adds at once, and loses or waits; nothing that was acknowledged is missing.
async fn concurrent_changes_exclude_each_other(cluster: &Cluster) {
    // The lease of whoever waits for a lock goes on: few enough that the last one has it still.
    const CLIENTS: i64 = 5;
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
        let mut cluster = Cluster::start("etcd", Some(version), 1, &[]).await;
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
        let mut cluster = Cluster::start("etcd", Some(version), 3, &fast).await;
        // Elections this fast come by themselves on a machine that is busy.
        answered(&cluster, "write", json!([1, 5])).await;
        // Through this member, so that its own state has it.
        answered(&cluster, "read", json!([1, null])).await;
        let mut client = cluster.client(0).await;
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
        assert_eq!((status.version.as_str(), status.leads), (version, Some(false)));

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

/// Asks the first member until it says `ok`.
async fn answered(cluster: &Cluster, f: &str, value: Value) {
    const TRIES: u32 = 30;
    for _ in 0..TRIES {
        if let Completion::Ok(_) = invoke(&mut cluster.client(0).await, f, value.clone()).await {
            return;
        }
    }
    panic!("{f} {value}: no `ok` in {TRIES} tries");
}

#[tokio::test]
async fn exactly_one_member_leads() {
    if !asked_for() {
        return;
    }
    for version in VERSIONS {
        let cluster = Cluster::start("etcd", Some(version), 3, &[]).await;
        let mut by_term: BTreeMap<u64, Vec<Option<bool>>> = BTreeMap::new();
        // Members are asked one after the other, and another may be elected meanwhile.
        while by_term.values().all(|leads| leads.len() < cluster.nodes.len()) {
            by_term.clear();
            for node in &cluster.nodes {
                let status = cluster.target.status(node).await.expect("an answer");
                assert_eq!(status.version, version);
                by_term
                    .entry(status.term.filter(|term| *term > 0).expect("a term"))
                    .or_default()
                    .push(status.leads);
            }
        }
        let leaders = by_term.values().flatten().filter(|leads| **leads == Some(true)).count();
        assert_eq!(leaders, 1, "{version}");
    }
}

/// etcd's first API, as a user would describe it who knows nothing else of etcd.
const OVER_HTTP: &str = r#"{
  "url": "http://{address}:{port}/v2/keys",
  "read": { "method": "GET", "path": "/r{key}", "query": { "quorum": "true" }, "ok": { "status": 200 },
            "value": "/node/value", "absent": { "status": 404, "json": "/errorCode", "is": "100" } },
  "write": { "method": "PUT", "path": "/r{key}", "form": { "value": "{value}" }, "ok": { "status": [200, 201] } },
  "cas": { "method": "PUT", "path": "/r{key}", "query": { "prevValue": "{old}" }, "form": { "value": "{new}" },
           "ok": { "status": 200 }, "fail": { "status": [404, 412] } }
}"#;

const SET_OVER_HTTP: &str = r#"{
  "url": "http://{address}:{port}/v2/keys",
  "read": { "method": "GET", "path": "/s{key}", "query": { "quorum": "true" }, "ok": { "status": 200 },
            "value": "/node/nodes/*/value", "absent": { "status": 404 } },
  "add": { "method": "PUT", "path": "/s{key}/{value}", "form": { "value": "{value}" },
           "ok": { "status": [200, 201] } }
}"#;

#[tokio::test]
async fn a_template_is_a_client() {
    if !asked_for() {
        return;
    }
    let registry = Registry::builtin();
    let entry = registry.find("etcd").expect("registered");
    let target = (entry.make)(&Settings::default(), "register").expect("a target");
    let Server::Processes(launch) = target.server() else { unreachable!("it has processes") };
    let Source::Recipe(recipe) = launch.source() else { unreachable!("it is obtained") };
    let version = Some(VERSIONS[0].to_owned());
    let request = Request { version, ..Request::new(default_cache().expect("a place")) };
    let etcd = obtain(recipe, &request, &mut |line| eprintln!("{line}")).expect("obtained");
    let [_, _, high, low] = std::process::id().to_be_bytes();
    let addr = std::net::IpAddr::from([127, 201 + high % 50, low, 1]);
    let data = tempfile::tempdir().expect("a directory");
    let (clients, peers) = (format!("http://{addr}:2379"), format!("http://{addr}:2380"));
    let mut server = Command::new(&etcd.path)
        .args(["--enable-v2", "--name", "n1", "--data-dir"])
        .arg(data.path())
        .args(["--listen-client-urls", &clients, "--advertise-client-urls", &clients])
        .args(["--listen-peer-urls", &peers, "--initial-advertise-peer-urls", &peers])
        .args(["--initial-cluster", &format!("n1={peers}")])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("started");
    let node = Node { name: "n1".to_owned(), addr };
    let client = async |workload: &str, template: &str| {
        let spec: http::Spec = serde_json::from_str(template).expect("a template");
        assert_eq!(spec.check(workload), Ok(()));
        let cx = Context::new(workload, [].into(), [("client".to_owned(), 2379)].into());
        spec.connect(&node, &cx).await.expect("a client")
    };
    let mut register = client("register", OVER_HTTP).await;
    let up = Instant::now() + Duration::from_secs(60);
    while class(&invoke(&mut register, "read", json!([1, null])).await).0 != "ok" {
        assert!(Instant::now() < up, "it does not come up");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let same = |f, value: Value| (f, value.clone(), Ok(value));
    let script = vec![
        same("read", json!([1, null])),
        ("cas", json!([1, [5, 6]]), Err("precondition")),
        same("write", json!([1, 5])),
        ("cas", json!([1, [4, 6]]), Err("precondition")),
        same("cas", json!([1, [5, -6]])),
        ("read", json!([1, null]), Ok(json!([1, -6]))),
        ("add", json!([1, 3]), Err("unsupported")),
        ("cas", json!([1, [null, 6]]), Err("unsupported")),
    ];
    follow(&mut register, script, "registers").await;
    let script = vec![
        ("read", json!([1, null]), Ok(json!([1, []]))),
        same("add", json!([1, 2])),
        ("read", json!([1, null]), Ok(json!([1, [2]]))),
    ];
    follow(&mut client("set", SET_OVER_HTTP).await, script, "sets").await;
    // What the template has no word for: certain for what changes nothing, and for nothing else.
    let strict = OVER_HTTP
        .replace("[200, 201]", "202")
        .replace(r#""ok": { "status": 200 }, "#, r#""ok": { "status": 299 }, "#);
    let strict = strict.replace(r#""ok": { "status": 200 },"#, r#""ok": { "status": 299 },"#);
    let mut strict = client("register", &strict).await;
    assert_eq!(class(&invoke(&mut strict, "write", json!([1, 7])).await), ("info", "http-200"));
    assert_eq!(class(&invoke(&mut strict, "read", json!([1, null])).await), ("fail", "http-200"));
    server.kill().expect("killed");
    server.wait().expect("gone");
    let mut fresh = client("register", OVER_HTTP).await;
    assert_eq!(class(&invoke(&mut fresh, "write", json!([1, 8])).await), ("fail", "refused"));
}
