//! Splits what is on one key into components that have nothing to do with each other.
//!
//! Two cells belong together if an operation that happened, or may have happened, touches both.
//! Components are objects of their own then, and a history has an order exactly if that of
//! every object has one (Herlihy and Wing 1990). Operations in doubt join cells, too: whether they
//! happened is not known before.

use super::limits::{Charge, Spent};
use super::partition::{Entry, Part};
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
pub(super) fn split<'h, M: Model>(part: Part<'h, M>, charge: &mut Charge) -> Result<Vec<Part<'h, M>>, Spent> {
    let touched = |class: usize| part.model.cells(&part.classes[class]);
    let cells = Cells::new(part.classes.len(), &touched, part.bytes(), charge)?;
    let Some(layout) = cells.and_then(|cells| Layout::new(cells, &part.entries)) else {
        return Ok(vec![part]);
    };
    let new = |cells: Vec<Element>| Part { cells, ..Part::new(part.model, part.key.clone(), part.history) };
    let mut components: Vec<Part<'h, M>> = layout.components().into_iter().map(new).collect();
    for &invoke in &part.failed {
        let touched = part.read(invoke).and_then(|op| part.model.cells(&op)).unwrap_or_default();
        for component in layout.that_have(&touched) {
            components[component as usize].failed.push(invoke);
        }
    }
    deal(part, &layout.of_class, &mut components);
    Ok(components)
}

/// Gives every component its operations. Its classes are numbered in the order in which they appear.
fn deal<M: Model>(part: Part<'_, M>, of_class: &[u32], components: &mut [Part<'_, M>]) {
    // Whose it is does not matter to the sum.
    components[0].heap = part.heap;
    let mut renumbered = vec![NONE; of_class.len()];
    let mut classes: Vec<Option<M::Op>> = part.classes.into_iter().map(Some).collect();
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

/// Several components, and what is whose.
struct Layout {
    cells: Cells,
    /// By the root of a cell.
    of_cell: Vec<u32>,
    of_class: Vec<u32>,
    components: usize,
}

impl Layout {
    /// `None` when there is one component only.
    fn new(cells: Cells, entries: &[Entry]) -> Option<Self> {
        let mut of_cell = vec![NONE; cells.elements.len()];
        let mut of_class = vec![NONE; cells.by_class.len()];
        let mut components = 0;
        for entry in entries {
            let class = entry.class as usize;
            if of_class[class] != NONE {
                continue;
            }
            // What touches nothing goes anywhere.
            let cell = cells.by_class[class].first().map_or(0, |&cell| cells.root(cell)) as usize;
            if of_cell[cell] == NONE {
                of_cell[cell] = number(components);
                components += 1;
            }
            of_class[class] = of_cell[cell];
        }
        (components > 1).then_some(Self { cells, of_cell, of_class, components })
    }

    /// The cells of each, sorted.
    fn components(&self) -> Vec<Vec<Element>> {
        let mut components: Vec<Vec<Element>> = vec![Vec::new(); self.components];
        for (cell, element) in (0..).zip(&self.cells.elements) {
            if let Some(component) = components.get_mut(self.of_cell[self.cells.root(cell) as usize] as usize)
            {
                component.push(element.clone());
            }
        }
        components.iter_mut().for_each(|cells| cells.sort_unstable());
        components
    }

    /// The components that have one of these cells.
    fn that_have(&self, touched: &[Element]) -> Vec<u32> {
        let known = touched.iter().filter_map(|cell| self.cells.number.get(cell));
        let mut found: Vec<u32> = known.map(|&cell| self.of_cell[self.cells.root(cell) as usize]).collect();
        found.retain(|&component| component != NONE);
        found.sort_unstable();
        found.dedup();
        found
    }
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
    /// Of so many classes, where others hold so many bytes. `None` when some operation touches all cells.
    fn new(
        classes: usize,
        touched: &dyn Fn(usize) -> Option<Vec<Element>>,
        held: usize,
        charge: &mut Charge,
    ) -> Result<Option<Self>, Spent> {
        let (elements, parent, by_class) = (Vec::new(), Vec::new(), Vec::with_capacity(classes));
        let mut cells = Self { elements, number: FxHashMap::default(), by_class, parent };
        for class in 0..classes {
            if class.is_multiple_of(LOOK_EVERY) {
                charge.time()?;
                charge.can_hold(held + cells.elements.len() * BYTES_PER_CELL)?;
            }
            let Some(touched) = touched(class) else { return Ok(None) };
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
