//! The Redis client against a real server on a loopback address. Asked for with
//! `DURESS_CLUSTERS=1`, since it fetches and starts servers.

mod common;

use common::{Cluster, asked_for, class, client_of, follow, invoke, scripts};
use duress_targets::Completion;
use serde_json::json;

#[tokio::test]
async fn objects_do_what_such_objects_do() {
    if !asked_for() {
        return;
    }
    let server = Cluster::start("redis", None, 1, &[]).await;
    let kinds = ["register", "set", "counter", "queue", "log"];
    let scripts: Vec<_> = scripts().into_iter().filter(|(workload, _)| kinds.contains(workload)).collect();
    assert_eq!(scripts.len(), kinds.len());
    for (workload, script) in scripts {
        let mut client = client_of(&server, workload, &[]).await;
        follow(&mut client, script, workload).await;
    }
    let status = server.target.status(&server.nodes[0]).await.expect("an answer");
    assert!(
        status.leads == Some(true) && status.version.starts_with(|c: char| c.is_ascii_digit()),
        "{status:?}"
    );
}

/// What is in the log comes back, and without a log nothing does.
#[tokio::test]
async fn a_dead_server_refuses_and_comes_back_with_what_is_in_its_log() {
    if !asked_for() {
        return;
    }
    for (setting, kept) in [(("appendfsync", "always"), json!(5)), (("appendonly", "no"), json!(null))] {
        let mut server = Cluster::start("redis", None, 1, &[setting]).await;
        let mut client = server.client(0).await;
        assert_eq!(class(&invoke(&mut client, "write", json!([1, 5])).await), ("ok", ""));
        server.kill(0);
        // The first one may find the old connection; that it is closed may show only after sending,
        // and is then in doubt.
        let first = class(&invoke(&mut client, "write", json!([2, 6])).await);
        assert!(first == ("fail", "refused") || first.0 == "info", "{setting:?}: {first:?}");
        for (f, value) in [("write", json!([2, 6])), ("cas", json!([2, [5, 6]])), ("read", json!([2, null]))]
        {
            let mut fresh = server.client(0).await;
            let got = invoke(&mut fresh, f, value).await;
            assert_eq!(class(&got), ("fail", "refused"), "{setting:?}: {f}: {got:?}");
        }
        let unhealthy = server.target.healthy(&server.nodes[0]).await.expect_err("dead");
        assert_eq!(unhealthy.class, "refused");

        server.boot(0);
        server.await_healthy().await;
        // On the connection that broke, as on a new one: there is none any more.
        for mut client in [client, server.client(0).await] {
            let read = invoke(&mut client, "read", json!([1, null])).await;
            assert_eq!(read, Completion::Ok(json!([1, kept])), "{setting:?}");
        }
    }
}
