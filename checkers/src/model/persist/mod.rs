//! What the states of larger objects are made of: structures whose versions share what they have
//! in common. A step costs the logarithm of the size, a copy nothing, and a digest kept up to
//! date makes states that differ differ at once.
//!
//! Not here: what any object may do.

mod chain;
mod digest;
mod element;
mod map;

pub(crate) use chain::Chain;
pub(crate) use digest::digest;
pub use element::Element;
pub(crate) use map::Map;
