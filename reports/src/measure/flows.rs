//! Sums over who talked to whom.

use crate::artifact::{Flow, Volume};
use std::cmp::Reverse;

/// What a fault took of all that was sent; absent when it was nothing.
pub(crate) fn taken(flows: &[Flow], fault: u32) -> Option<Volume> {
    let mut sum = Volume::default();
    for taken in flows.iter().flat_map(|flow| &flow.taken).filter(|taken| taken.fault == Some(fault)) {
        sum += taken.volume;
    }
    (sum.frames > 0).then_some(sum)
}

/// By frames that crossed.
pub(crate) fn busiest(flows: &[Flow]) -> Vec<Flow> {
    let mut flows = flows.to_vec();
    flows.sort_by_key(|flow| Reverse(flow.there.frames + flow.back.frames));
    flows
}
