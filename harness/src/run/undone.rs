//! Is all undone that faults did, as far as that can be seen? A cluster that does not come back has a bug only then.

use crate::env::cut::{Crossing, Cut};
use crate::env::{Environment, ProcessState};
use duress_targets::Node;

/// What is still broken, in words. If links were cut, all of those are tried whose ends have a server: in an
/// environment whose links are never cut nothing may be there to try them with.
pub(super) fn still_broken(env: &dyn Environment, nodes: &[Node], links_were_cut: bool) -> Option<String> {
    let states: Vec<ProcessState> = (0..nodes.len()).map(|node| env.state(node)).collect();
    let name = |end: usize| nodes.get(end).map_or("the clients", |node| &node.name);
    let still = states.iter().position(|state| matches!(state, ProcessState::Paused { .. }));
    if let Some(node) = still {
        return Some(format!("{} still stands still", name(node)));
    }
    let runs = |end: usize| states.get(end).is_none_or(ProcessState::has_server);
    let ends = || (0..=nodes.len()).filter(|&end| runs(end));
    let links = ends().flat_map(|from| ends().map(move |to| (from, to))).filter(|(from, to)| from != to);
    links.filter(|_| links_were_cut).find_map(|(from, to)| match env.probe((from, to), &Cut::default()) {
        Ok(Crossing::Arrived) => None,
        Ok(_) => Some(format!("the link from {} to {} is still cut", name(from), name(to))),
        Err(error) => Some(error.to_string()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::Stop;
    use crate::env::packet::{Policies, Policy};
    use crate::env::sim::Sim;
    use duress_targets::{Registry, Server, Settings};

    #[test]
    fn what_is_still_broken_is_told() {
        let registry = Registry::builtin();
        let make = &registry.find("sim").expect("a target").make;
        let target = make(&Settings([("nodes".to_owned(), "2".to_owned())].into()), "register");
        let target = target.expect("a cluster");
        let Server::InProcess(cluster) = target.server() else { unreachable!("it lives here") };
        let env = Sim::new(cluster);
        let node = |n: usize| Node { name: format!("n{n}"), addr: [127, 0, 0, 1].into() };
        let nodes = [node(1), node(2)];
        let broken = |links_were_cut| still_broken(&env, &nodes, links_were_cut);
        (0..2).for_each(|node| env.start(node).expect("started"));
        assert_eq!(broken(true), None);
        let cut = Policy { cuts: [(1, Cut::default())].into(), ..Policy::default() };
        env.set_links(&[((0, 1), cut)].into()).expect("cut");
        assert_eq!(broken(true).as_deref(), Some("the link from n1 to n2 is still cut"));
        assert_eq!(broken(false), None);
        // Nobody is there whom a probe could reach.
        env.stop(1, Stop::Kill).expect("stopped");
        assert_eq!(broken(true), None);
        env.set_links(&Policies::new()).expect("freed");
        env.pause(0).expect("paused");
        assert_eq!(broken(false).as_deref(), Some("n1 still stands still"));
    }
}
