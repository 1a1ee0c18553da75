//! The shape of the network while links are cut: from when to when, who still reaches whom.

use super::data::{At, Fault};
use serde::Serialize;

/// Between two changes of what is cut. Nodes are positions.
#[derive(Debug, PartialEq, Serialize)]
pub(super) struct Epoch {
    from: At,
    to: At,
    /// Pairs that reach each other, or, with a 1, only the second the first's frames.
    links: Vec<(u32, u32, u8)>,
    /// Nodes that do not reach a majority, there and back.
    few: Vec<u32>,
}

/// More changes are drawn as none.
const MAX_EPOCHS: usize = 2_000;
/// Nodes beyond these make no legible figure.
const MAX_NODES: u32 = 9;

/// Of the faults that took effect; empty when none of them cut anything.
pub(super) fn epochs(faults: &[Fault], nodes: usize) -> Vec<Epoch> {
    let nodes = u32::try_from(nodes).unwrap_or(u32::MAX).min(MAX_NODES + 1);
    let cuts: Vec<(At, &Fault)> =
        faults.iter().filter(|f| !f.cut.is_empty()).filter_map(|f| Some((f.bit?, f))).collect();
    let mut edges: Vec<At> = cuts.iter().flat_map(|(bit, f)| [*bit, f.to]).collect();
    edges.sort_unstable();
    edges.dedup();
    let mut epochs = Vec::new();
    for span in edges.windows(2).take(MAX_EPOCHS) {
        let lasting = cuts.iter().filter(|(bit, f)| *bit <= span[0] && span[1] <= f.to);
        let cut: Vec<(u32, u32)> = lasting.flat_map(|(_, f)| &f.cut).copied().collect();
        if !cut.is_empty() {
            epochs.push(epoch((span[0], span[1]), &cut, nodes));
        }
    }
    epochs
}

fn epoch((from, to): (At, At), cut: &[(u32, u32)], nodes: u32) -> Epoch {
    let mut links = Vec::new();
    let mut part: Vec<u32> = (0..nodes).collect();
    for p in 0..nodes {
        for q in p + 1..nodes {
            match (cut.contains(&(p, q)), cut.contains(&(q, p))) {
                (true, true) => {}
                (true, false) => links.push((q, p, 1)),
                (false, true) => links.push((p, q, 1)),
                (false, false) => {
                    links.push((p, q, 0));
                    let (old, new) = (part[p as usize], part[q as usize]);
                    part.iter_mut().filter(|x| **x == old).for_each(|x| *x = new);
                }
            }
        }
    }
    let size = |of: u32| part.iter().filter(|x| **x == of).count() * 2;
    let few = (0..nodes).filter(|n| size(part[*n as usize]) <= nodes as usize).collect();
    Epoch { from, to, links, few }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(bit: u64, to: u64, cut: &[(u32, u32)]) -> Fault {
        Fault {
            name: String::new(),
            from: At(bit),
            bit: Some(At(bit)),
            to: At(to),
            nodes: Vec::new(),
            cut: cut.to_vec(),
        }
    }

    #[test]
    fn overlapping_cuts_add_up() {
        let minority = fault(10, 30, &[(0, 1), (1, 0), (0, 2), (2, 0)]);
        let deaf = fault(20, 40, &[(1, 2)]);
        let shape = epochs(&[minority, deaf], 3);
        assert_eq!(shape.len(), 3);
        assert_eq!(shape[0], Epoch { from: At(10), to: At(20), links: vec![(1, 2, 0)], few: vec![0] });
        assert_eq!(shape[1], Epoch { from: At(20), to: At(30), links: vec![(2, 1, 1)], few: vec![0, 1, 2] });
        // Only node 1's frames to node 2 are lost: by way of node 0 all reach all.
        assert_eq!(
            shape[2],
            Epoch { from: At(30), to: At(40), links: vec![(0, 1, 0), (0, 2, 0), (2, 1, 1)], few: vec![] }
        );
    }

    #[test]
    fn what_did_not_bite_cuts_nothing() {
        let faults = [Fault { bit: None, ..fault(10, 30, &[(0, 1)]) }, fault(10, 30, &[])];
        assert!(epochs(&faults, 3).is_empty());
    }
}
