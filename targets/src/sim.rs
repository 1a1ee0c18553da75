//! Placeholder.
pub struct Cluster;
