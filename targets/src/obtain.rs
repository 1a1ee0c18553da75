//! Placeholder.
pub struct Recipe;
