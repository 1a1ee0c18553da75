//! The line to the controller, where it is a connection of ssh: no fault may cut it, though it has an
//! address in common with the clients.

use crate::env::remote::ssh::LINE;
use std::net::IpAddr;

/// The connection by which this agent was started, if that was one of ssh: from where, from which port there, to
/// which port here.
pub(super) fn line_here() -> Option<(IpAddr, u16, u16)> {
    let told = std::env::var(LINE).ok()?;
    let parts: Vec<&str> = told.split_whitespace().collect();
    let [from, theirs, _, ours] = parts[..] else { return None };
    Some((from.parse::<IpAddr>().ok()?.to_canonical(), theirs.parse().ok()?, ours.parse().ok()?))
}
