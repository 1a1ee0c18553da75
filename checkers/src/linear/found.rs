//! What a decision without search says of a key, and on what grounds.
//!
//! Not here: the decisions themselves. Each is a function of a subject and of the time up to which
//! returns count; [`super::engine`] asks them in turn.

use crate::model::Element;

/// The answer. Operations are entries.
pub(super) enum Found {
    /// An order of everything that completed, with the operations in doubt that it needs.
    Order(Vec<u32>),
    /// There is none.
    Impossible(Evidence),
}

/// Operations that no order can have together, at least one of them completed.
pub(super) struct Evidence {
    /// Ascending.
    pub(super) ops: Vec<u32>,
    pub(super) others: Others,
}

/// What becomes of the operations that are not evidence, so that the evidence proves something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Others {
    /// They may have happened or not.
    Optional,
    /// They are left out: an order that is legal with them is legal without them.
    Dropped,
    /// They may have happened or not, and all are seen through these cells: [`super::narrow`].
    Within(Vec<Element>),
}
