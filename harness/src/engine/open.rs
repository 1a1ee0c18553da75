//! Clients that are there before the run's clock goes: those that are programs. An interpreter takes a while to
//! start, and that is no part of an operation.
//!
//! Not here: clients that have to begin anew while the run goes on. The operation that needs one starts it.

use duress_targets::{Client, Node, Target};
use std::sync::Arc;
use tokio::task::JoinSet;

/// Programs that start at the same time: more would get in each other's way.
const AT_ONCE: usize = 16;

/// By thread; `None` where there is none yet.
pub type Opened = Vec<Option<Box<dyn Client>>>;

/// Starts the clients of so many threads, if they are programs, and waits until they are ready. One that does not
/// get ready is left to its first operation, which says why.
pub async fn open(target: &Arc<dyn Target>, nodes: &[Node], threads: usize) -> Opened {
    let mut opened: Opened = (0..threads).map(|_| None).collect();
    let Some(limit) = target.opens_within() else { return opened };
    let mut waiting = 0..threads;
    let mut opening = JoinSet::new();
    loop {
        while opening.len() < AT_ONCE
            && let Some(thread) = waiting.next()
        {
            let (target, node) = (Arc::clone(target), nodes[thread % nodes.len()].clone());
            opening.spawn(async move { (thread, tokio::time::timeout(limit, target.connect(&node)).await) });
        }
        match opening.join_next().await {
            Some(Ok((thread, Ok(Ok(client))))) => opened[thread] = Some(client),
            Some(_) => {}
            None => return opened,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::perform::{Attempt, Performed};
    use super::*;
    use crate::engine::Clients;
    use async_trait::async_trait;
    use duress_targets::{ClientError, Completion, NodeStatus, Server};
    use duress_workloads::Invocation;
    use serde_json::Value;
    use std::net::{IpAddr, Ipv4Addr};
    use std::time::Duration;
    use tokio::time::Instant;

    /// Clients of `n2` take longer than anybody waits, others so long.
    const TAKES: Duration = Duration::from_secs(4);
    const OP_TIMEOUT: Duration = Duration::from_secs(2);

    struct Slow {
        opens_within: Option<Duration>,
    }

    struct Ready;

    #[async_trait]
    impl Client for Ready {
        async fn invoke(&mut self, _: &Invocation) -> Completion {
            Completion::Ok(Value::Null)
        }
    }

    #[async_trait]
    impl Target for Slow {
        fn server(&self) -> Server<'_> {
            unreachable!("nothing is started")
        }

        async fn connect(&self, node: &Node) -> Result<Box<dyn Client>, ClientError> {
            tokio::time::sleep(if node.name == "n2" { Duration::from_secs(3_600) } else { TAKES }).await;
            Ok(Box::new(Ready))
        }

        fn opens_within(&self) -> Option<Duration> {
            self.opens_within
        }

        async fn healthy(&self, _: &Node) -> Result<(), ClientError> {
            unreachable!("nobody asks")
        }

        async fn status(&self, _: &Node) -> Result<NodeStatus, ClientError> {
            unreachable!("nobody asks")
        }
    }

    fn slow(seconds: Option<u64>) -> Arc<dyn Target> {
        Arc::new(Slow { opens_within: seconds.map(Duration::from_secs) })
    }

    fn node(name: &str) -> Node {
        Node { name: name.to_owned(), addr: IpAddr::V4(Ipv4Addr::LOCALHOST) }
    }

    async fn first_operation(target: Arc<dyn Target>) -> Completion {
        let attempt = Attempt {
            target,
            node: node("n1"),
            invocation: Invocation::new("write", Value::Null),
            timeout: OP_TIMEOUT,
            clients: Arc::new(Clients::new(1, 1)),
            thread: 0,
            nth: 0,
            usual_steps: 1,
        };
        let Performed { completion, .. } = attempt.perform(None).await;
        completion
    }

    #[tokio::test(start_paused = true)]
    async fn a_program_may_take_longer_to_start_than_an_operation() {
        assert_eq!(first_operation(slow(Some(10))).await, Completion::Ok(Value::Null));
        for (limit, told) in [(None, "no connection to n1 within 2s"), (Some(3), "within 3s")] {
            let Completion::Fail(error) = first_operation(slow(limit)).await else {
                panic!("it is not open")
            };
            assert!(error.class == "connect-timeout" && error.message.ends_with(told), "{error}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn programs_are_started_at_the_same_time_and_not_all_at_once() {
        let begun = Instant::now();
        let opened = open(&slow(Some(10)), &[node("n1")], AT_ONCE + 1).await;
        assert!(opened.len() == AT_ONCE + 1 && opened.iter().all(Option::is_some));
        assert_eq!(begun.elapsed().as_secs(), 2 * TAKES.as_secs());
        // One that does not get ready keeps no other one from that.
        let opened = open(&slow(Some(10)), &[node("n1"), node("n2")], 4).await;
        assert_eq!(opened.iter().map(Option::is_some).collect::<Vec<_>>(), [true, false, true, false]);
        // What is only a connection is made by its first operation.
        let begun = Instant::now();
        assert!(open(&slow(None), &[node("n1")], 2).await.iter().all(Option::is_none));
        assert!(begun.elapsed().is_zero());
    }
}
