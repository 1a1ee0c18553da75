//! A target whose servers may hold what earlier runs have left: each run gets keys of its own, so that every
//! object that it uses begins as a new one does.
//!
//! Keys are moved up by one number where clients are asked, and back where they answer, so that neither
//! histories nor generators nor clients know of it. A prefix would be for every client program to keep to,
//! and one that does not would read values from nowhere.

use crate::{
    Client, ClientError, Completion, Context, Lifecycle, Needs, Node, NodeStatus, OnHosts, Server, Stoppable,
    Surroundings, Target, exec,
};
use async_trait::async_trait;
use duress_workloads::Invocation;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Keys that no run before has used and none after it will: microseconds since 1970. A run uses up fewer keys
/// than microseconds, so it never gets to those of a later one. They fit the numbers of every language that
/// counts in doubles until the year 2255.
pub fn first_key() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.as_micros()).unwrap_or(i64::MAX / 2)
}

/// A target with keys from a number on, whatever it is asked about.
pub struct Apart {
    target: Arc<dyn Target>,
    first_key: i64,
    told: AtomicBool,
}

impl Apart {
    /// The same target; its key 0 is this one.
    pub fn new(target: Arc<dyn Target>, first_key: i64) -> Self {
        Self { target, first_key, told: AtomicBool::new(false) }
    }
}

#[async_trait]
impl Target for Apart {
    fn server(&self) -> Server<'_> {
        self.target.server()
    }

    fn keeps_data(&self) -> bool {
        self.target.keeps_data()
    }

    async fn connect(&self, node: &Node) -> Result<Box<dyn Client>, ClientError> {
        let client = self.target.connect(node).await?;
        Ok(Box::new(Mover { client, by: self.first_key }))
    }

    fn opens_within(&self) -> Option<Duration> {
        self.target.opens_within()
    }

    async fn started(&self, node: &Node) -> Result<(), ClientError> {
        self.target.started(node).await
    }

    async fn healthy(&self, node: &Node) -> Result<(), ClientError> {
        self.target.healthy(node).await
    }

    async fn status(&self, node: &Node) -> Result<NodeStatus, ClientError> {
        self.target.status(node).await
    }

    fn signs(&self) -> &[(&'static str, &'static str)] {
        self.target.signs()
    }

    fn attach(&self, hosts: Arc<dyn OnHosts>) {
        self.target.attach(hosts);
    }

    fn enter(&self, run: &Surroundings) {
        self.target.enter(run);
    }

    async fn set_up(&self, run: &Surroundings) -> Result<(), ClientError> {
        self.target.set_up(run).await
    }

    /// Also, once, where in the servers' data the keys of the history are.
    fn notes(&self, over: bool) -> Vec<String> {
        let mut notes = self.target.notes(over);
        if !self.told.swap(true, Ordering::Relaxed) {
            let first = self.first_key;
            notes.push(format!("servers may hold data of earlier runs: key 0 of this one is {first} there"));
        }
        notes
    }

    fn client_program(&self) -> Option<(exec::Spec, Context)> {
        self.target.client_program()
    }

    fn client_needs(&self) -> Needs {
        self.target.client_needs()
    }

    fn lifecycle(&self) -> Option<&dyn Lifecycle> {
        self.target.lifecycle()
    }
}

/// Asks a client about keys so much higher.
struct Mover {
    client: Box<dyn Client>,
    by: i64,
}

#[async_trait]
impl Client for Mover {
    async fn invoke(&mut self, invocation: &Invocation) -> Completion {
        let Some(value) = moved(&invocation.value, self.by) else {
            // It has no key: nothing that a client of ours knows, and so nothing was sent.
            let message = format!("no key in {} {}", invocation.f, invocation.value);
            return Completion::Fail(ClientError::new("bad-request", message));
        };
        match self.client.invoke(&Invocation { f: invocation.f.clone(), value }).await {
            // What is no answer about a key stays as it is, for the checker to wonder at.
            Completion::Ok(answer) => Completion::Ok(moved(&answer, -self.by).unwrap_or(answer)),
            other => other,
        }
    }

    fn stoppable(&self) -> Option<Arc<dyn Stoppable>> {
        self.client.stoppable()
    }
}

/// `[key, …]` with another key.
fn moved(value: &Value, by: i64) -> Option<Value> {
    let mut items = value.as_array()?.clone();
    let key = items.first_mut()?;
    *key = json!(key.as_i64()?.checked_add(by)?);
    Some(Value::Array(items))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use std::net::Ipv4Addr;
    use std::sync::Mutex;

    /// Registers that outlive every run.
    #[derive(Clone, Default)]
    struct Store(Arc<Mutex<BTreeMap<i64, Value>>>);

    #[async_trait]
    impl Client for Store {
        async fn invoke(&mut self, invocation: &Invocation) -> Completion {
            let key = invocation.value[0].as_i64().expect("a key");
            let mut held = self.0.lock().expect("one thread");
            if invocation.f == "write" {
                held.insert(key, invocation.value[1].clone());
            }
            Completion::Ok(json!([key, held.get(&key)]))
        }
    }

    #[async_trait]
    impl Target for Store {
        fn server(&self) -> Server<'_> {
            unreachable!("nothing is started")
        }

        async fn connect(&self, _: &Node) -> Result<Box<dyn Client>, ClientError> {
            Ok(Box::new(self.clone()))
        }

        async fn healthy(&self, _: &Node) -> Result<(), ClientError> {
            Ok(())
        }

        async fn status(&self, _: &Node) -> Result<NodeStatus, ClientError> {
            unreachable!("nobody asks")
        }
    }

    async fn perform(target: &dyn Target, f: &str, value: Value) -> Completion {
        let node = Node { name: "n1".to_owned(), addr: Ipv4Addr::LOCALHOST.into() };
        let mut client = target.connect(&node).await.expect("a client");
        client.invoke(&Invocation::new(f, value)).await
    }

    #[tokio::test]
    async fn a_run_sees_nothing_of_the_one_before() {
        let store = Store::default();
        for run in 1..=3 {
            let apart = Apart::new(Arc::new(store.clone()), run * 1_000);
            let ask = |f: &'static str, value| perform(&apart, f, value);
            assert_eq!(ask("read", json!([7, null])).await, Completion::Ok(json!([7, null])), "run {run}");
            assert_eq!(ask("write", json!([7, run])).await, Completion::Ok(json!([7, run])));
            assert_eq!(ask("read", json!([7, null])).await, Completion::Ok(json!([7, run])));
        }
        let apart = Apart::new(Arc::new(store.clone()), 1_000);
        assert!(
            apart.notes(false)[0].contains("key 0 of this one is 1000 there") && apart.notes(true).is_empty()
        );
        let without = perform(&store, "read", json!([1_007, null])).await;
        assert_eq!(without, Completion::Ok(json!([1_007, 1])), "it is all there");
    }

    #[tokio::test]
    async fn what_has_no_key_is_not_sent() {
        let apart = Apart::new(Arc::new(Store::default()), 1_000);
        for value in [json!(null), json!([]), json!(["x", null])] {
            let refused = perform(&apart, "read", value).await;
            assert!(matches!(refused, Completion::Fail(error) if error.class == "bad-request"));
        }
    }

    #[test]
    fn keys_of_later_runs_are_higher_and_fit_a_double() {
        let (first, then) = (first_key(), first_key());
        assert!(first > 1_700_000_000_000_000 && then >= first && then < 1 << 53);
    }
}
