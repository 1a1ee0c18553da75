//! On which row of the timeline an operation is drawn. A client gets a new process after an
//! operation in doubt, so that a row per process would make thousands of them; a row is what
//! one client did on one node, whatever it was called.

use crate::measure::Calls;
use duress_checkers::Kind;
use std::collections::HashMap;

/// Rows of a page at most; further clients of a node share its last one.
const MAX_ROWS: usize = 512;

/// The rows, grouped by node.
pub(super) struct Rows {
    /// Per call.
    pub(super) row: Vec<u16>,
    /// Per row its node.
    pub(super) nodes: Vec<Option<u16>>,
}

struct Lane {
    node: Option<u16>,
    /// When the process that had it last was over; `None` while it is not.
    free: Option<u64>,
}

impl Rows {
    pub(super) fn new(calls: &Calls) -> Self {
        let mut lanes: Vec<Lane> = Vec::new();
        let mut of_node: HashMap<Option<u16>, Vec<u16>> = HashMap::new();
        let mut held: HashMap<(u32, Option<u16>), u16> = HashMap::new();
        let mut row = Vec::with_capacity(calls.rows.len());
        for call in &calls.rows {
            let key = (call.process, call.node);
            let at = held.get(&key).copied().unwrap_or_else(|| {
                let own = of_node.entry(call.node).or_default();
                let over = |at: &&u16| lanes[usize::from(**at)].free.is_some_and(|t| t <= call.invoked);
                let at = match (own.iter().find(over), own.last()) {
                    (Some(at), _) => *at,
                    (None, Some(last)) if lanes.len() >= MAX_ROWS => *last,
                    _ => {
                        lanes.push(Lane { node: call.node, free: None });
                        let at = u16::try_from(lanes.len() - 1).unwrap_or(u16::MAX);
                        own.push(at);
                        at
                    }
                };
                held.insert(key, at);
                at
            });
            let lane = &mut lanes[usize::from(at)];
            lane.free = None;
            if call.kind == Kind::Info {
                // One that never returned keeps its row to the end.
                lane.free = call.completed;
                held.remove(&key);
            }
            row.push(at);
        }
        Self::grouped(row, &lanes)
    }

    fn grouped(mut row: Vec<u16>, lanes: &[Lane]) -> Self {
        let mut order: Vec<usize> = (0..lanes.len()).collect();
        order.sort_by_key(|at| (lanes[*at].node.is_none(), lanes[*at].node, *at));
        let mut place = vec![0_u16; lanes.len()];
        for (to, from) in (0..).zip(&order) {
            place[*from] = to;
        }
        row.iter_mut().for_each(|at| *at = place[usize::from(*at)]);
        Self { row, nodes: order.iter().map(|at| lanes[*at].node).collect() }
    }
}
