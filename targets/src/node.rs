//! A node: a host with a name and an address, on which one server runs.

use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// One host of the cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    /// `n1`, `n2`, …: also its host name.
    pub name: String,
    /// Its address on the cluster's network.
    pub addr: IpAddr,
}
