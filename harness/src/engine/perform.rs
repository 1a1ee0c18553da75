//! One operation of one client, from connecting to its end, and what faults on clients do to it.
//!
//! Where in an operation they hit is decided by how often it had to wait, which depends on what it
//! does and not on how fast: each operation in its turn is hit one step later. One that waits for
//! long at one step is hit there, by the clock.

use super::clients::{ClientFault, Clients};
use duress_targets::{Client, ClientError, Completion, Node, Target};
use duress_workloads::Invocation;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;
use tokio::time::Instant;

/// An operation is hit at its first to its sixteenth step. The longest, work under a lock, has about
/// as many; one that ends before is not hit.
const MOST_STEPS: u64 = 16;
/// A step counts as taken after this.
const STEP_LIMIT: Duration = Duration::from_millis(20);

/// All that one operation needs.
pub(super) struct Attempt {
    pub(super) target: Arc<dyn Target>,
    pub(super) node: Node,
    pub(super) invocation: Invocation,
    pub(super) timeout: Duration,
    pub(super) clients: Arc<Clients>,
    pub(super) thread: usize,
    /// How many operations the thread has done before.
    pub(super) nth: u64,
}

impl Attempt {
    /// Connects if need be, and performs the operation within the time limit. Without the client when
    /// that must not be used again.
    pub(super) async fn perform(
        self,
        client: Option<Box<dyn Client>>,
    ) -> (Option<Box<dyn Client>>, Completion) {
        let mut client = match client {
            Some(client) => client,
            // Nothing of the operation has been sent while there is no connection: a certain `fail`.
            None => match tokio::time::timeout(self.timeout, self.target.connect(&self.node)).await {
                Ok(Ok(client)) => client,
                Ok(Err(error)) => return (None, Completion::Fail(error)),
                Err(_) => {
                    let error =
                        ClientError::new("connect-timeout", format!("no connection to {}", self.node.name));
                    return (None, Completion::Fail(error));
                }
            },
        };
        match self.invoke(&mut *client).await {
            Ok(completion) => (Some(client), completion),
            // In doubt: it may have been sent.
            Err(given_up) => (None, Completion::Info(given_up)),
        }
    }

    /// `Err` when nobody waits for the answer any more.
    async fn invoke(&self, client: &mut dyn Client) -> Result<Completion, ClientError> {
        let mut operation = pin!(client.invoke(&self.invocation));
        let mut seen = self.clients.watch();
        let begun = Instant::now();
        let mut deadline = begun + self.timeout;
        let hit_after = 1 + self.nth % MOST_STEPS;
        let hit_at = begun + STEP_LIMIT * u32::try_from(hit_after).unwrap_or(u32::MAX);
        let mut steps = 0;
        loop {
            let on = seen.borrow_and_update().on(self.thread);
            let ripe = steps >= hit_after || Instant::now() >= hit_at;
            match on.filter(|_| ripe) {
                Some((id, ClientFault::Kill)) => {
                    self.clients.hit(id);
                    return Err(ClientError::new("client-killed", "its connection was closed meanwhile"));
                }
                Some((id, ClientFault::Pause)) => {
                    self.clients.hit(id);
                    let stood = Instant::now();
                    // The sender is in `clients`: it cannot close.
                    let _ = seen.wait_for(|state| state.on(self.thread).is_none_or(|(on, _)| on != id)).await;
                    // A client that stands still does not lose patience.
                    deadline += stood.elapsed();
                }
                Some((_, ClientFault::Churn)) | None => {}
            }
            let wake = if on.is_some() && !ripe { deadline.min(hit_at) } else { deadline };
            tokio::select! {
                biased;
                ended = step(operation.as_mut()) => match ended {
                    Some(completion) => return Ok(completion),
                    None => steps += 1,
                },
                _ = seen.changed() => {}
                () = tokio::time::sleep_until(wake) => if Instant::now() >= deadline {
                    return Err(ClientError::new("timeout", format!("no answer within {:?}", self.timeout)));
                },
            }
        }
    }
}

/// Lets the operation go on until it has to wait, and then waits: `None` when it can go on.
async fn step<T>(mut operation: Pin<&mut impl Future<Output = T>>) -> Option<T> {
    let mut waits = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut waits, true) {
            return Poll::Ready(None);
        }
        operation.as_mut().poll(cx).map(Some)
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;
    use async_trait::async_trait;
    use duress_targets::{NodeStatus, Server};
    use serde_json::Value;
    use std::net::{IpAddr, Ipv4Addr};
    use std::sync::atomic::{AtomicU64, Ordering};

    /// Waits so often, and then answers; counts how often it has waited.
    struct Waiting {
        waits: u64,
        waited: Arc<AtomicU64>,
    }

    #[async_trait]
    impl Client for Waiting {
        async fn invoke(&mut self, _: &Invocation) -> Completion {
            if self.waits == FOREVER {
                std::future::pending::<()>().await;
            }
            for _ in 0..self.waits {
                self.waited.fetch_add(1, Ordering::Relaxed);
                tokio::task::yield_now().await;
            }
            Completion::Ok(Value::Null)
        }
    }

    /// Never asked: there is a client already.
    struct Nobody;

    #[async_trait]
    impl Target for Nobody {
        fn server(&self) -> Server<'_> {
            unreachable!("nothing is started")
        }

        async fn connect(&self, _: &Node) -> Result<Box<dyn Client>, ClientError> {
            unreachable!("there is a client")
        }

        async fn healthy(&self, _: &Node) -> Result<(), ClientError> {
            unreachable!("nobody asks")
        }

        async fn status(&self, _: &Node) -> Result<NodeStatus, ClientError> {
            unreachable!("nobody asks")
        }
    }

    const LONG: Duration = Duration::from_secs(3_600);
    const FOREVER: u64 = u64::MAX;

    fn attempt(clients: &Arc<Clients>, nth: u64, timeout: Duration) -> Attempt {
        Attempt {
            target: Arc::new(Nobody),
            node: Node { name: "n1".to_owned(), addr: IpAddr::V4(Ipv4Addr::LOCALHOST) },
            invocation: Invocation::new("write", Value::Null),
            timeout,
            clients: Arc::clone(clients),
            thread: 0,
            nth,
        }
    }

    fn waiting(waits: u64) -> (Option<Box<dyn Client>>, Arc<AtomicU64>) {
        let waited = Arc::new(AtomicU64::new(0));
        (Some(Box::new(Waiting { waits, waited: Arc::clone(&waited) })), waited)
    }

    fn struck(fault: ClientFault) -> Arc<Clients> {
        let clients = Arc::new(Clients::new(1, 1));
        assert_eq!(clients.strike(1, &[0], fault), 1);
        clients
    }

    fn class(completion: &Completion) -> &'static str {
        match completion {
            Completion::Ok(_) => "ok",
            Completion::Fail(error) | Completion::Info(error) => error.class,
        }
    }

    #[tokio::test]
    async fn an_operation_is_cut_off_at_its_step_and_in_doubt() {
        for nth in [0, 2, MOST_STEPS - 1] {
            let clients = struck(ClientFault::Kill);
            let (client, waited) = waiting(MOST_STEPS);
            let (client, completion) = attempt(&clients, nth, LONG).perform(client).await;
            assert!(client.is_none() && matches!(completion, Completion::Info(_)), "{completion:?}");
            assert_eq!(class(&completion), "client-killed");
            // By the clock, where this machine takes longer for the steps before.
            assert!((1..=nth + 1).contains(&waited.load(Ordering::Relaxed)), "{nth}");
            // One that is over before is left alone.
            let (client, _) = waiting(0);
            let (client, completion) = attempt(&clients, nth, LONG).perform(client).await;
            assert_eq!((client.is_some(), class(&completion)), (true, "ok"));
            assert_eq!(clients.release(1), 1);
        }
    }

    #[tokio::test]
    async fn what_waits_for_long_is_hit_by_the_clock() {
        let clients = struck(ClientFault::Kill);
        let (client, _) = waiting(FOREVER);
        let (_, completion) = attempt(&clients, MOST_STEPS - 1, LONG).perform(client).await;
        assert_eq!(class(&completion), "client-killed");
    }

    #[tokio::test]
    async fn who_stands_still_goes_on_without_having_lost_patience() {
        let timeout = Duration::from_secs(1);
        let let_go: [fn(&Clients); 2] = [|clients| _ = clients.release(1), Clients::let_go];
        for let_go in let_go {
            let clients = struck(ClientFault::Pause);
            let (client, waited) = waiting(MOST_STEPS);
            let held = tokio::spawn(attempt(&clients, 0, timeout).perform(client));
            clients.first_hit(1).await;
            let stands_at = waited.load(Ordering::Relaxed);
            tokio::time::sleep(2 * timeout).await;
            assert_eq!((held.is_finished(), waited.load(Ordering::Relaxed)), (false, stands_at));
            let_go(&clients);
            let (client, completion) = held.await.expect("no panic");
            assert_eq!((client.is_some(), class(&completion)), (true, "ok"));
            assert_eq!(waited.load(Ordering::Relaxed), MOST_STEPS);
        }
    }

    #[tokio::test]
    async fn without_an_answer_the_time_is_up() {
        for fault in [None, Some(ClientFault::Churn)] {
            let clients = fault.map_or_else(|| Arc::new(Clients::new(1, 1)), struck);
            let (client, _) = waiting(FOREVER);
            let (client, completion) = attempt(&clients, 0, Duration::from_millis(50)).perform(client).await;
            assert!(client.is_none() && matches!(completion, Completion::Info(_)), "{completion:?}");
            assert_eq!(class(&completion), "timeout");
        }
    }
}
