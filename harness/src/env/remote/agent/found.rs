//! What a host has before anything is done to it: programs, and who listens there.

use crate::env::remote::wire::Answer;
use duress_targets::obtain::{self, Request};
use std::io::ErrorKind;
use std::net::{IpAddr, TcpListener};
use std::path::{Path, PathBuf};

/// Is there this program, and which is it?
pub(super) fn program(program: &Path) -> Answer {
    obtain::named(program, "", &Request::new(PathBuf::new())).map_or(Answer::No, Answer::Program)
}

/// The first of these ports that a server could not have there.
pub(super) fn busy(address: IpAddr, ports: &[u16]) -> Option<u16> {
    let is_busy =
        |&&port: &&u16| TcpListener::bind((address, port)).is_err_and(|e| e.kind() == ErrorKind::AddrInUse);
    ports.iter().find(is_busy).copied()
}
