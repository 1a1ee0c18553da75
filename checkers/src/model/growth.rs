//! What operations say of an object that only grows, in words that counters, logs and sets share.
//!
//! Not here: what follows from that for a history; that is decided in [`crate::linear`].

use super::{Element, Elements, Entries};

/// An operation on an object that only grows, and is empty or at 0 at first.
///
/// A model that says this of all operations of a history gets a decision without search where
/// what was read fixes their places. Each word has to agree with [`super::Model::step`]; one
/// history uses words of one object only.
#[derive(Clone, Copy, Debug)]
pub enum Growth<'a> {
    /// A number: it grew by this, which is not 0, and was so large before, if that is known.
    By(i128, Option<i128>),
    /// A number: it was read and was so large.
    At(i128),
    /// A number: possible at any time, and changes nothing.
    Nothing,
    /// A set: this is in it from now on.
    Add(&'a Element),
    /// A set: it was read as a whole.
    Members(&'a Elements),
    /// A log: this is at its end now, and has this index, if that is known.
    Append(&'a Element, Option<u64>),
    /// A log: this was at an index, or nothing was there yet.
    Entry(u64, Option<&'a Element>),
    /// A log: it was read as a whole.
    Entries(&'a Entries),
}
