//! Who refuses to hear whom: the shapes of partitions, as sets of cut links.
//!
//! Shapes and names are Jepsen's (`jepsen.nemesis`): halves, bridge, majorities-ring, …

use crate::env::Link;
use std::collections::BTreeSet;

/// Cut links between nodes `0..n`, or to the clients, `n`. A link is directed: frames from the first to the second.
pub type Grudge = BTreeSet<Link>;

/// Nodes of different groups do not hear each other. A node in no group hears everybody.
pub fn groups(groups: &[Vec<usize>]) -> Grudge {
    let mut cut = Grudge::new();
    for (i, a) in groups.iter().enumerate() {
        for (j, b) in groups.iter().enumerate() {
            if i != j {
                cut.extend(a.iter().flat_map(|&from| b.iter().map(move |&to| (from, to))));
            }
        }
    }
    cut
}

/// One node against all others, both ways.
pub fn isolate(node: usize, n: usize) -> Grudge {
    groups(&[vec![node], (0..n).filter(|&other| other != node).collect()])
}

/// One node that hears nobody (`deaf`), or that nobody hears.
pub fn one_way(node: usize, n: usize, deaf: bool) -> Grudge {
    (0..n)
        .filter(|&other| other != node)
        .map(|other| if deaf { (other, node) } else { (node, other) })
        .collect()
}

/// One node against the clients, both ways. Theirs is the position after the last node.
pub fn clients(node: usize, n: usize) -> Grudge {
    groups(&[vec![node], vec![n]])
}

/// One node against everybody, both ways: all others, and the clients.
pub fn everybody(node: usize, n: usize) -> Grudge {
    groups(&[vec![node], (0..=n).filter(|&other| other != node).collect()])
}

/// One node against whom it talks to, both ways: all others, or the clients when it is alone.
pub fn others(node: usize, n: usize) -> Grudge {
    if n == 1 { clients(node, n) } else { isolate(node, n) }
}

/// Two halves that only the middle node still connects.
pub fn bridge(order: &[usize]) -> Grudge {
    let middle = order.len() / 2;
    groups(&[order[..middle].to_vec(), order[middle + 1..].to_vec()])
}

/// Every node hears a majority, but no two hear the same one: around the ring `order`, each
/// hears its neighbours on both sides, as many as a majority takes. Hearing is mutual, since
/// over TCP a link that works one way does not work at all. Empty below four nodes.
pub fn majorities_ring(order: &[usize]) -> Grudge {
    let n = order.len();
    let near = (n / 2).div_ceil(2);
    let mut cut = Grudge::new();
    for i in 0..n {
        for j in 0..n {
            let distance = i.abs_diff(j).min(n - i.abs_diff(j));
            if distance > near {
                cut.insert((order[j], order[i]));
            }
        }
    }
    cut
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hears(cut: &Grudge, n: usize, node: usize) -> BTreeSet<usize> {
        (0..n).filter(|&from| !cut.contains(&(from, node))).collect()
    }

    #[test]
    fn groups_cut_both_ways_and_nothing_inside() {
        let cut = groups(&[vec![0, 1], vec![2, 3, 4]]);
        assert_eq!(cut.len(), 12);
        assert!(cut.contains(&(0, 2)) && cut.contains(&(2, 0)));
        assert!(!cut.contains(&(0, 1)) && !cut.contains(&(3, 4)));
    }

    #[test]
    fn isolation_and_one_way() {
        assert_eq!(isolate(1, 3), [(0, 1), (1, 0), (1, 2), (2, 1)].into());
        assert_eq!(others(1, 3), isolate(1, 3));
        assert_eq!(others(0, 1), clients(0, 1));
        assert_eq!(clients(0, 1), [(0, 1), (1, 0)].into());
        assert_eq!(everybody(0, 2), [(0, 1), (1, 0), (0, 2), (2, 0)].into());
        assert_eq!(one_way(1, 3, true), [(0, 1), (2, 1)].into());
        assert_eq!(one_way(1, 3, false), [(1, 0), (1, 2)].into());
    }

    #[test]
    fn a_bridge_hears_everybody() {
        let cut = bridge(&[3, 1, 4, 0, 2]);
        assert_eq!(hears(&cut, 5, 4).len(), 5);
        assert_eq!(hears(&cut, 5, 3), [1, 3, 4].into());
        assert_eq!(hears(&cut, 5, 0), [0, 2, 4].into());
    }

    #[test]
    fn in_a_ring_everyone_hears_a_different_majority() {
        for n in 4..=9 {
            let order: Vec<usize> = (0..n).collect();
            let cut = majorities_ring(&order);
            let views: BTreeSet<_> = (0..n).map(|node| hears(&cut, n, node)).collect();
            for view in &views {
                assert!(view.len() > n / 2, "{n}: {view:?}");
            }
            assert_eq!(views.len(), n, "{n}: {views:?}");
            assert!(cut.iter().all(|&(a, b)| cut.contains(&(b, a))), "hearing is mutual");
        }
    }
}
