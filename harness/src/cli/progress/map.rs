//! Who can talk to whom, in a line: groups where the cut links make groups, otherwise what is cut.

use std::collections::BTreeSet;

/// `n1─n2 │ n3─n4─n5`, or `n1↛n3 n2↛n3`. Links are directed, by position; the clients' is after the last
/// node's, and cut off from nodes they are named at the end.
pub(super) fn shape(names: &[&str], cuts: &BTreeSet<(usize, usize)>) -> String {
    let n = names.len();
    let name = |at: usize| names.get(at).copied().unwrap_or("clients");
    let (between, clients): (BTreeSet<_>, BTreeSet<_>) =
        cuts.iter().copied().partition(|&(from, to)| from < n && to < n);
    let mut parts = Vec::new();
    if !between.is_empty() {
        parts.push(match groups(n, &between) {
            Some(groups) => {
                let told =
                    |group: &Vec<usize>| group.iter().map(|&at| name(at)).collect::<Vec<_>>().join("─");
                groups.iter().map(told).collect::<Vec<_>>().join(" │ ")
            }
            None => arrows(&between, &name),
        });
    }
    if !clients.is_empty() {
        parts.push(arrows(&clients, &name));
    }
    parts.join("   ")
}

/// The groups that the nodes fall into, if they do: within one, every link is open; between two, none.
fn groups(n: usize, cuts: &BTreeSet<(usize, usize)>) -> Option<Vec<Vec<usize>>> {
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for node in 0..n {
        let open = |other: usize| !cuts.contains(&(node, other)) && !cuts.contains(&(other, node));
        let shut = |other: usize| cuts.contains(&(node, other)) && cuts.contains(&(other, node));
        let home = groups.iter().position(|group| open(group[0]));
        let fits = groups.iter().enumerate().all(|(at, group)| {
            group.iter().all(|&other| if Some(at) == home { open(other) } else { shut(other) })
        });
        match home {
            _ if !fits => return None,
            Some(home) => groups[home].push(node),
            None => groups.push(vec![node]),
        }
    }
    Some(groups)
}

/// `n1↛n3 n2⇹n4`: one way, both ways.
fn arrows<'a>(cuts: &BTreeSet<(usize, usize)>, name: &impl Fn(usize) -> &'a str) -> String {
    let both = |(from, to): (usize, usize)| cuts.contains(&(to, from));
    let once = cuts.iter().copied().filter(|&(from, to)| from < to || !both((from, to)));
    let told = once.map(|link| {
        let arrow = if both(link) { "⇹" } else { "↛" };
        format!("{}{arrow}{}", name(link.0), name(link.1))
    });
    told.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nemesis::grudge;

    #[test]
    fn groups_are_drawn_where_there_are_groups() {
        let names = ["n1", "n2", "n3", "n4", "n5"];
        let halves = grudge::groups(&[vec![0, 1], vec![2, 3, 4]]);
        assert_eq!(shape(&names, &halves), "n1─n2 │ n3─n4─n5");
        assert_eq!(shape(&names, &grudge::isolate(2, 5)), "n1─n2─n4─n5 │ n3");
        // The third hears both sides.
        let bridge = grudge::groups(&[vec![0, 1], vec![3, 4]]);
        assert_eq!(shape(&names, &bridge), "n1⇹n4 n1⇹n5 n2⇹n4 n2⇹n5");
        assert_eq!(shape(&names[..3], &grudge::one_way(0, 3, true)), "n2↛n1 n3↛n1");
        assert_eq!(shape(&names, &grudge::clients(1, 5)), "n2⇹clients");
        let mut everybody = grudge::isolate(1, 5);
        everybody.extend(grudge::clients(1, 5));
        assert_eq!(shape(&names, &everybody), "n1─n3─n4─n5 │ n2   n2⇹clients");
    }
}
