//! Splits what is on one key into components that have nothing to do with each other.
//!
//! Two cells belong together if an operation that happened, or may have happened, touches both.
//! Components are objects of their own then, and a history has an order exactly if that of
//! every object has one (Herlihy and Wing 1990). Operations in doubt join cells, too: whether they
//! happened is not known before.

use super::limits::{Charge, Spent};
use super::partition::{Entry, Moment, Part};
use crate::model::{Element, Model};
use rustc_hash::FxHashMap;

/// No cell, no component, no class.
const NONE: u32 = u32::MAX;

/// Classes between two looks at the clock.
const LOOK_EVERY: usize = 1024;

/// Bytes held for a cell, and for a component beside its operations.
const BYTES_PER_CELL: usize = 160;

/// The components of a part, in the order of their first operations. A part with an operation that
/// touches everything is one component.
pub(super) fn split<'h, M: Model>(
    model: &M,
    part: Part<'h, M::Op>,
    charge: &mut Charge,
) -> Result<Vec<Part<'h, M::Op>>, Spent> {
    let Some(cells) = Cells::new(model, &part, charge)? else { return Ok(vec![part]) };
    let mut of_cell = vec![NONE; cells.elements.len()];
    let mut components: Vec<Part<'h, M::Op>> = Vec::new();
    let mut of_class = vec![NONE; part.classes.len()];
    for entry in &part.entries {
        let class = entry.class as usize;
        if of_class[class] != NONE {
            continue;
        }
        // What touches nothing goes anywhere.
        let cell = cells.by_class[class].first().map_or(0, |&cell| cells.root(cell)) as usize;
        if of_cell[cell] == NONE {
            of_cell[cell] = number(components.len());
            components.push(Part::new(part.key.clone(), part.history));
        }
        of_class[class] = of_cell[cell];
    }
    if components.len() < 2 {
        return Ok(vec![part]);
    }
    for (cell, element) in (0..).zip(&cells.elements) {
        if let Some(component) = components.get_mut(of_cell[cells.root(cell) as usize] as usize) {
            component.cells.push(element.clone());
        }
    }
    for &invoke in &part.failed {
        for component in failed(model, &part, &cells, &of_cell, invoke) {
            components[component as usize].failed.push(invoke);
        }
    }
    deal(part, &of_class, &mut components);
    components.iter_mut().for_each(|component| component.cells.sort_unstable());
    Ok(components)
}

/// Gives every component its operations. Its classes are numbered in the order in which they appear.
fn deal<O: Eq + std::hash::Hash>(part: Part<'_, O>, of_class: &[u32], components: &mut [Part<'_, O>]) {
    // Whose it is does not matter to the sum.
    components[0].heap = part.heap;
    let mut renumbered = vec![NONE; of_class.len()];
    let mut classes: Vec<Option<O>> = part.classes.into_iter().map(Some).collect();
    for entry in part.entries {
        let old = entry.class as usize;
        let component = &mut components[of_class[old] as usize];
        if let Some(op) = classes[old].take() {
            renumbered[old] = number(component.classes.len());
            component.classes.push(op);
        }
        component.entries.push(Entry { class: renumbered[old], ..entry });
    }
}

/// The components that a failed call would have touched.
fn failed<M: Model>(
    model: &M,
    part: &Part<'_, M::Op>,
    cells: &Cells,
    of_cell: &[u32],
    invoke: Moment,
) -> Vec<u32> {
    let touched = part.read(model, invoke).and_then(|op| model.cells(&op)).unwrap_or_default();
    let known = touched.iter().filter_map(|cell| cells.number.get(cell));
    let mut found: Vec<u32> = known.map(|&cell| of_cell[cells.root(cell) as usize]).collect();
    found.retain(|&component| component != NONE);
    found.sort_unstable();
    found.dedup();
    found
}

fn number(n: usize) -> u32 {
    u32::try_from(n).expect("no more of these than operations touch cells")
}

/// The cells of a part, and which belong together.
struct Cells {
    elements: Vec<Element>,
    number: FxHashMap<Element, u32>,
    by_class: Vec<Box<[u32]>>,
    /// Leads to a cell with a smaller number that belongs to the same component, or to itself.
    parent: Vec<u32>,
}

impl Cells {
    /// `None` when some operation touches all cells.
    fn new<M: Model>(model: &M, part: &Part<'_, M::Op>, charge: &mut Charge) -> Result<Option<Self>, Spent> {
        let (elements, parent, by_class) = (Vec::new(), Vec::new(), Vec::with_capacity(part.classes.len()));
        let mut cells = Self { elements, number: FxHashMap::default(), by_class, parent };
        for (n, op) in part.classes.iter().enumerate() {
            if n.is_multiple_of(LOOK_EVERY) {
                charge.time()?;
                charge.can_hold(part.bytes() + cells.elements.len() * BYTES_PER_CELL)?;
            }
            let Some(touched) = model.cells(op) else { return Ok(None) };
            let touched: Box<[u32]> = touched.into_iter().map(|cell| cells.cell(cell)).collect();
            for pair in touched.windows(2) {
                cells.join(pair[0], pair[1]);
            }
            cells.by_class.push(touched);
        }
        Ok(Some(cells).filter(|cells| !cells.elements.is_empty()))
    }

    fn cell(&mut self, element: Element) -> u32 {
        if let Some(&known) = self.number.get(&element) {
            return known;
        }
        let next = number(self.elements.len());
        self.elements.push(element.clone());
        self.number.insert(element, next);
        self.parent.push(next);
        next
    }

    fn root(&self, mut cell: u32) -> u32 {
        while self.parent[cell as usize] != cell {
            cell = self.parent[cell as usize];
        }
        cell
    }

    fn join(&mut self, one: u32, other: u32) {
        let (one_root, other_root) = (self.root(one), self.root(other));
        let least = one_root.min(other_root);
        for mut cell in [one, other] {
            // Whatever was passed leads there at once from now on.
            while self.parent[cell as usize] != cell {
                cell = std::mem::replace(&mut self.parent[cell as usize], least);
            }
            self.parent[cell as usize] = least;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_that_are_joined_have_one_root() {
        let element = |n: u64| Element::from(&serde_json::json!(n));
        let mut cells = Cells {
            elements: Vec::new(),
            number: FxHashMap::default(),
            by_class: Vec::new(),
            parent: Vec::new(),
        };
        for n in 0..8 {
            assert_eq!(cells.cell(element(n)), number(n as usize));
        }
        for (one, other) in [(6, 5), (4, 3), (5, 4), (7, 0), (2, 2)] {
            cells.join(one, other);
        }
        let roots: Vec<u32> = (0..8).map(|cell| cells.root(cell)).collect();
        assert_eq!(roots, [0, 1, 2, 3, 3, 3, 3, 0]);
        assert_eq!(cells.cell(element(3)), 3);
    }
}
