//! Clocks of nodes on processors for which there is no code that tells the time: refused.

use super::asked::{Listener, Question};
use super::host::NamespaceId;
use crate::env::clock::{Reading, Skews};
use std::io;

/// There is none of these.
pub(super) enum NodeClocks {}

impl NodeClocks {
    pub(super) fn create(_: impl Iterator<Item = NamespaceId>) -> io::Result<Self> {
        Err(none())
    }

    pub(super) fn admit(&self, _: &Listener, _: &Question) {
        match *self {}
    }

    pub(super) fn set(&self, _: usize, _: &Skews) -> Result<(), String> {
        match *self {}
    }

    pub(super) fn read(&self, _: usize, _: Option<u32>) -> Result<Reading, String> {
        match *self {}
    }

    pub(super) fn begin_anew(&self, _: usize) {
        match *self {}
    }

    pub(super) fn settle(&self) {
        match *self {}
    }

    pub(super) fn complaints(&self) -> Vec<String> {
        match *self {}
    }
}

pub(in crate::env) fn try_out() -> io::Result<()> {
    Err(none())
}

fn none() -> io::Error {
    io::Error::new(io::ErrorKind::Unsupported, "clocks are skewed on x86-64 only")
}
