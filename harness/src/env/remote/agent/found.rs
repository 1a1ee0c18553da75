//! What a host has before anything is done to it: programs, addresses, and who listens there.

use crate::env::remote::wire::Answer;
use duress_targets::obtain::{self, Request};
use std::io::ErrorKind;
use std::net::{IpAddr, TcpListener};
use std::path::{Path, PathBuf};

/// Addresses of a host that are told.
const MOST_ADDRESSES: usize = 64;

/// Is there this program, and which is it?
pub(super) fn program(program: &Path) -> Answer {
    obtain::named(program, "", &Request::new(PathBuf::new())).map_or(Answer::No, Answer::Program)
}

/// Addresses that mean this host wherever they are heard of.
pub(super) fn addresses() -> Vec<IpAddr> {
    let interfaces = nix::ifaddrs::getifaddrs().into_iter().flatten();
    let all = interfaces.filter_map(|interface| {
        let address = interface.address?;
        let v4 = address.as_sockaddr_in().map(|address| IpAddr::V4(address.ip()));
        v4.or_else(|| address.as_sockaddr_in6().map(|address| IpAddr::V6(address.ip())))
    });
    let everywhere = all.filter(|address| match address {
        IpAddr::V4(address) => !address.is_loopback() && !address.is_link_local(),
        IpAddr::V6(address) => !address.is_loopback() && !address.is_unicast_link_local(),
    });
    everywhere.take(MOST_ADDRESSES).collect()
}

/// The first of these ports that a server could not have there.
pub(super) fn busy(address: IpAddr, ports: &[u16]) -> Option<u16> {
    let is_busy =
        |&&port: &&u16| TcpListener::bind((address, port)).is_err_and(|e| e.kind() == ErrorKind::AddrInUse);
    ports.iter().find(is_busy).copied()
}
