//! One operation of one client, from connecting to its end, and what faults on clients do to it.
//!
//! Every other operation of a client is hit, each at another step: one step is what it does until it
//! has to wait. Thus all of them are tried that the operations before it have taken, however long
//! each lasts; the moment of a clock would fall into the longest ones only.

use super::clients::{ClientFault, Clients};
use duress_targets::{Client, ClientError, Completion, Node, Stoppable, Target};
use duress_workloads::Invocation;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;
use tokio::time::Instant;

/// An operation that is in flight for so long is hit wherever it is: its node may be dead, and the
/// fault over before it takes another step.
const LONG_ENOUGH: Duration = Duration::from_millis(300);

/// All that one operation needs.
pub(super) struct Attempt {
    pub(super) target: Arc<dyn Target>,
    pub(super) node: Node,
    pub(super) invocation: Invocation,
    pub(super) timeout: Duration,
    pub(super) clients: Arc<Clients>,
    pub(super) thread: usize,
    /// How many operations the thread has begun before.
    pub(super) nth: u64,
    /// How many steps the last of them took that came to its end; 1 at first.
    pub(super) usual_steps: u64,
}

/// What came of it.
pub(super) struct Performed<C = Box<dyn Client>> {
    /// `None` when it must not be used again.
    pub(super) client: Option<C>,
    pub(super) completion: Completion,
    /// How many steps it took, if it came to its end.
    pub(super) steps: Option<u64>,
}

impl<C> Performed<C> {
    pub(super) fn without_client(completion: Completion) -> Self {
        Self { client: None, completion, steps: None }
    }

    pub(super) fn map<D>(self, client: impl FnOnce(C) -> D) -> Performed<D> {
        Performed { client: self.client.map(client), completion: self.completion, steps: self.steps }
    }
}

impl Attempt {
    /// Connects if need be, and performs the operation within the time limit.
    pub(super) async fn perform(self, client: Option<Box<dyn Client>>) -> Performed {
        let mut client = match client {
            Some(client) => client,
            // Nothing of the operation has been sent while there is no connection: a certain `fail`.
            None => match self.connect().await {
                Ok(client) => client,
                Err(error) => return Performed::without_client(Completion::Fail(error)),
            },
        };
        match self.invoke(&mut *client).await {
            Ok((completion, steps)) => Performed { client: Some(client), completion, steps: Some(steps) },
            // In doubt: it may have been sent.
            Err(given_up) => Performed::without_client(Completion::Info(given_up)),
        }
    }

    /// A program may take longer to start than an operation to be answered, and says itself what it waited for.
    async fn connect(&self) -> Result<Box<dyn Client>, ClientError> {
        let limit = self.target.opens_within().unwrap_or(self.timeout);
        let connected = tokio::time::timeout(limit, self.target.connect(&self.node)).await;
        connected.unwrap_or_else(|_| {
            let why = format!("no connection to {} within {limit:?}", self.node.name);
            Err(ClientError::new("connect-timeout", why))
        })
    }

    /// The step at which a fault hits it, if it hits it.
    fn hit_after(&self) -> Option<u64> {
        self.nth.is_multiple_of(2).then(|| 1 + self.nth / 2 % self.usual_steps.max(1))
    }

    /// With the number of its steps; `Err` when nobody waits for the answer any more.
    async fn invoke(&self, client: &mut dyn Client) -> Result<(Completion, u64), ClientError> {
        let program = client.stoppable();
        let mut operation = pin!(client.invoke(&self.invocation));
        let mut seen = self.clients.watch();
        let begun = Instant::now();
        let mut deadline = begun + self.timeout;
        let hit_at = begun + LONG_ENOUGH;
        let mut steps = 0;
        loop {
            let on = seen.borrow_and_update().on(self.thread);
            let ripe = self.hit_after().is_some_and(|step| steps >= step) || Instant::now() >= hit_at;
            match on.filter(|_| ripe) {
                Some((id, ClientFault::Kill)) => {
                    self.clients.hit(id);
                    return Err(ClientError::new("client-killed", "its connection was closed meanwhile"));
                }
                Some((id, ClientFault::Pause)) => {
                    self.clients.hit(id);
                    let stood = Instant::now();
                    let _held = Held::stop(program.as_deref());
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
                    Some(completion) => return Ok((completion, steps)),
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

/// A program that acts for a client and stands still, until this is dropped.
struct Held<'a>(Option<&'a dyn Stoppable>);

impl<'a> Held<'a> {
    fn stop(program: Option<&'a dyn Stoppable>) -> Self {
        program.inspect(|program| program.stop());
        Self(program)
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.0.inspect(|program| program.go_on());
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

    /// The same with a program, which stands still at 1 and goes on at 2.
    struct WithProgram(Waiting, Arc<Program>);

    #[derive(Default)]
    struct Program(AtomicU64);

    impl Stoppable for Program {
        fn stop(&self) {
            assert_eq!(self.0.swap(1, Ordering::Relaxed), 0);
        }

        fn go_on(&self) {
            assert_eq!(self.0.swap(2, Ordering::Relaxed), 1);
        }
    }

    #[async_trait]
    impl Client for WithProgram {
        async fn invoke(&mut self, invocation: &Invocation) -> Completion {
            self.0.invoke(invocation).await
        }

        fn stoppable(&self) -> Option<Arc<dyn Stoppable>> {
            Some(Arc::clone(&self.1) as Arc<dyn Stoppable>)
        }
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
    const STEPS: u64 = 5;

    /// Of a client whose operations take `STEPS` steps.
    fn attempt(clients: &Arc<Clients>, nth: u64, timeout: Duration) -> Attempt {
        Attempt {
            target: Arc::new(Nobody),
            node: Node { name: "n1".to_owned(), addr: IpAddr::V4(Ipv4Addr::LOCALHOST) },
            invocation: Invocation::new("write", Value::Null),
            timeout,
            clients: Arc::clone(clients),
            thread: 0,
            nth,
            usual_steps: STEPS,
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

    /// On a clock that stands still: nothing takes long.
    #[tokio::test(start_paused = true)]
    async fn every_other_operation_is_cut_off_each_at_another_step() {
        let clients = struck(ClientFault::Kill);
        let mut cut_at = Vec::new();
        for nth in 0..2 * STEPS {
            let (client, waited) = waiting(STEPS);
            let ended = attempt(&clients, nth, LONG).perform(client).await;
            if nth % 2 == 1 {
                assert_eq!((class(&ended.completion), ended.steps), ("ok", Some(STEPS)));
                continue;
            }
            assert!(ended.client.is_none() && matches!(ended.completion, Completion::Info(_)));
            assert_eq!(class(&ended.completion), "client-killed");
            cut_at.push(waited.load(Ordering::Relaxed));
        }
        assert_eq!(cut_at, (1..=STEPS).collect::<Vec<_>>());
        // One that is over before is left alone.
        let (client, _) = waiting(0);
        assert_eq!(class(&attempt(&clients, 0, LONG).perform(client).await.completion), "ok");
        assert_eq!(clients.release(1), STEPS);
    }

    #[tokio::test(start_paused = true)]
    async fn what_waits_for_long_is_hit_by_the_clock() {
        let clients = struck(ClientFault::Kill);
        let (client, _) = waiting(FOREVER);
        let ended = attempt(&clients, 1, LONG).perform(client).await;
        assert_eq!(class(&ended.completion), "client-killed");
    }

    #[tokio::test(start_paused = true)]
    async fn who_stands_still_goes_on_without_having_lost_patience() {
        let timeout = Duration::from_secs(1);
        let let_go: [fn(&Clients); 2] = [|clients| _ = clients.release(1), Clients::let_go];
        for let_go in let_go {
            let clients = struck(ClientFault::Pause);
            let (client, waited) = waiting(STEPS);
            let held = tokio::spawn(attempt(&clients, 0, timeout).perform(client));
            clients.first_hit(1).await;
            let stands_at = waited.load(Ordering::Relaxed);
            tokio::time::sleep(2 * timeout).await;
            assert_eq!((held.is_finished(), waited.load(Ordering::Relaxed)), (false, stands_at));
            let_go(&clients);
            let ended = held.await.expect("no panic");
            assert_eq!((ended.client.is_some(), class(&ended.completion)), (true, "ok"));
            assert_eq!(waited.load(Ordering::Relaxed), STEPS);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_program_of_a_client_stands_still_with_it() {
        let clients = struck(ClientFault::Pause);
        let program = Arc::new(Program::default());
        let waiting = Waiting { waits: STEPS, waited: Arc::default() };
        let client: Box<dyn Client> = Box::new(WithProgram(waiting, Arc::clone(&program)));
        let held = tokio::spawn(attempt(&clients, 0, LONG).perform(Some(client)));
        clients.first_hit(1).await;
        tokio::time::sleep(Duration::from_millis(1)).await;
        assert_eq!(program.0.load(Ordering::Relaxed), 1);
        clients.release(1);
        assert_eq!(class(&held.await.expect("no panic").completion), "ok");
        assert_eq!(program.0.load(Ordering::Relaxed), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn without_an_answer_the_time_is_up() {
        for fault in [None, Some(ClientFault::Churn)] {
            let clients = fault.map_or_else(|| Arc::new(Clients::new(1, 1)), struck);
            let (client, _) = waiting(FOREVER);
            let ended = attempt(&clients, 0, Duration::from_millis(50)).perform(client).await;
            assert!(ended.client.is_none() && matches!(ended.completion, Completion::Info(_)));
            assert_eq!(class(&ended.completion), "timeout");
        }
    }
}
