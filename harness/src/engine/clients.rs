//! What befalls clients: asked by their operations, decided by the nemesis.
//!
//! Half of the clients of a node are hit, so that the others see what became of it meanwhile. What a
//! hit does to an operation is said in [`super::perform`].

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use tokio::sync::watch;

/// What befalls a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClientFault {
    /// Its connection is closed in the middle of an operation, and it begins anew as another process,
    /// again and again.
    Kill,
    /// It stands still in the middle of an operation, and goes on with it when the fault ends.
    Pause,
    /// Its connection is closed between operations.
    Churn,
}

impl ClientFault {
    /// The word for it in journals and tables.
    pub fn kind(self) -> &'static str {
        match self {
            Self::Kill => "client-kill",
            Self::Pause => "client-pause",
            Self::Churn => "client-churn",
        }
    }

    /// So many hits, in words.
    pub fn told(self, hits: u64) -> String {
        match self {
            Self::Kill => format!("{hits} operations were cut off"),
            Self::Pause => format!("{hits} operations stood still"),
            Self::Churn => format!("{hits} connections were closed between operations"),
        }
    }
}

/// All clients of a run, and the faults that hold them.
pub struct Clients {
    threads: usize,
    nodes: usize,
    state: watch::Sender<State>,
    /// Also hears of every hit.
    told: Option<Told>,
}

/// Is told the number of the fault that hit.
type Told = Box<dyn Fn(u32) + Send + Sync>;

/// The faults in force, as load machines are told them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Struck {
    /// By number: what, and whom.
    strikes: BTreeMap<u32, (ClientFault, Vec<usize>)>,
    over: bool,
}

/// The faults in force, by number.
#[derive(Debug, Default)]
pub(super) struct State {
    strikes: BTreeMap<u32, Strike>,
    over: bool,
}

#[derive(Debug)]
struct Strike {
    fault: ClientFault,
    threads: Vec<usize>,
    hits: u64,
}

impl State {
    /// The fault that holds a thread, with its number; the first of several.
    pub(super) fn on(&self, thread: usize) -> Option<(u32, ClientFault)> {
        let mut strikes = self.strikes.iter().filter(|_| !self.over);
        strikes.find(|(_, strike)| strike.threads.contains(&thread)).map(|(&id, strike)| (id, strike.fault))
    }

    fn hits(&self, id: u32) -> u64 {
        self.strikes.get(&id).map_or(0, |strike| strike.hits)
    }
}

impl Clients {
    /// So many threads, spread over so many nodes round robin.
    pub(crate) fn new(threads: usize, nodes: usize) -> Self {
        Self { threads, nodes, state: watch::Sender::default(), told: None }
    }

    /// Those of a load machine: others decide what befalls them ([`Self::set`]), and are told of hits.
    pub(super) fn away(told: impl Fn(u32) + Send + Sync + 'static) -> Self {
        Self { told: Some(Box::new(told)), ..Self::new(0, 1) }
    }

    /// What is in force.
    pub(super) fn struck(&self) -> Struck {
        let state = self.state.borrow();
        let strikes = state.strikes.iter();
        let strikes = strikes.map(|(&id, strike)| (id, (strike.fault, strike.threads.clone()))).collect();
        Struck { strikes, over: state.over }
    }

    /// From now on this is.
    pub(super) fn set(&self, struck: Struck) {
        let strike = |(id, (fault, threads))| (id, Strike { fault, threads, hits: 0 });
        let strikes = struck.strikes.into_iter().map(strike).collect();
        self.state.send_modify(|state| *state = State { strikes, over: struck.over });
    }

    /// Takes hold of every other client of these nodes; how many that are. From then on it hits their
    /// operations as they come.
    pub fn strike(&self, id: u32, nodes: &[usize], fault: ClientFault) -> usize {
        let is_victim = |thread: &usize| {
            nodes.contains(&(thread % self.nodes)) && (thread / self.nodes).is_multiple_of(2)
        };
        let threads: Vec<usize> = (0..self.threads).filter(is_victim).collect();
        let n = threads.len();
        self.state.send_modify(|state| {
            state.strikes.insert(id, Strike { fault, threads, hits: 0 });
        });
        n
    }

    /// Waits until a fault has hit something, for ever if it never does.
    pub async fn first_hit(&self, id: u32) {
        let mut seen = self.state.subscribe();
        // The sender is ours: it cannot close.
        let _ = seen.wait_for(|state| state.hits(id) > 0).await;
    }

    /// Lets go; how many hits there were. Nothing the second time.
    pub fn release(&self, id: u32) -> u64 {
        let mut hits = 0;
        self.state.send_modify(|state| hits = state.strikes.remove(&id).map_or(0, |strike| strike.hits));
        hits
    }

    /// The run is over: nobody is held any more, whatever the nemesis still has to write down.
    pub(super) fn let_go(&self) {
        self.state.send_if_modified(|state| !std::mem::replace(&mut state.over, true));
    }

    /// A fault has hit an operation or a connection.
    pub(super) fn hit(&self, id: u32) {
        if let Some(told) = &self.told {
            told(id);
        }
        self.state.send_if_modified(|state| {
            let Some(strike) = state.strikes.get_mut(&id) else { return false };
            strike.hits += 1;
            // Who waits, waits for the first.
            strike.hits == 1
        });
    }

    pub(super) fn watch(&self) -> watch::Receiver<State> {
        self.state.subscribe()
    }

    /// Does the client of this thread lose its connection, which it has, before an operation?
    pub(super) fn is_churned(&self, thread: usize) -> bool {
        let on = self.state.borrow().on(thread);
        let Some((id, ClientFault::Churn)) = on else { return false };
        self.hit(id);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_other_client_of_a_node_is_held_and_let_go() {
        let clients = Clients::new(8, 2);
        assert_eq!(clients.strike(7, &[1], ClientFault::Pause), 2);
        let held = || -> Vec<usize> {
            (0..8).filter(|&thread| clients.state.borrow().on(thread).is_some()).collect()
        };
        assert_eq!(held(), [1, 5]);
        clients.hit(7);
        clients.hit(8);
        assert_eq!((clients.release(7), clients.release(7)), (1, 0));
        assert_eq!(held(), [0; 0]);
        clients.strike(9, &[0, 1], ClientFault::Churn);
        assert_eq!(held(), [0, 1, 4, 5]);
        assert!(clients.is_churned(4) && !clients.is_churned(2));
        clients.let_go();
        assert_eq!(held(), [0; 0]);
        assert_eq!(clients.release(9), 1);
    }

    #[test]
    fn those_of_a_load_machine_are_held_as_the_others_and_hits_are_told() {
        let here = Clients::new(8, 2);
        let (tell, told) = std::sync::mpsc::channel();
        let there = Clients::away(move |id| tell.send(id).expect("somebody listens"));
        here.strike(7, &[1], ClientFault::Pause);
        there.set(here.struck());
        let held = || (0..8).filter(|&thread| there.state.borrow().on(thread).is_some()).collect::<Vec<_>>();
        assert_eq!(held(), [1, 5]);
        there.hit(7);
        assert_eq!(told.try_iter().collect::<Vec<_>>(), [7]);
        here.let_go();
        there.set(here.struck());
        assert_eq!(held(), [0; 0]);
    }

    #[test]
    fn a_node_without_clients_has_none_to_hit() {
        assert_eq!(Clients::new(2, 5).strike(1, &[3], ClientFault::Kill), 0);
    }
}
