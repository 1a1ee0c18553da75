//! Hosts whose agents answer and that have no server yet: what is there already, and what is brought there
//! before it is said how servers are started.

use super::transport::Transport;
use super::upload;
use super::wire::{Answer, Ask, Trouble};
use super::{RemoteNode, each};
use crate::env::EnvError;
use duress_targets::obtain::Obtained;
use std::path::{Path, PathBuf};

/// All hosts of a cluster that is being made.
pub struct Reached<'a> {
    pub(super) transports: &'a [Box<dyn Transport>],
    pub(super) nodes: &'a [RemoteNode],
}

impl Reached<'_> {
    /// How many there are.
    pub const fn count(&self) -> usize {
        self.nodes.len()
    }

    /// A host, as the user named it.
    pub fn host(&self, node: usize) -> &str {
        self.transports[node].host()
    }

    /// Where a node's data will be on its host.
    pub fn data_dir(&self, node: usize) -> &Path {
        &self.nodes[node].data
    }

    /// The first of these ports, on any host, that is not free at the node's address; and the node.
    ///
    /// # Errors
    /// When a host cannot be asked.
    pub fn busy(&self, ports: &[u16]) -> Result<Option<(usize, u16)>, EnvError> {
        let found = self.ask(
            |_| Ask::Busy { ports: ports.to_vec() },
            |answer| match answer {
                Answer::Busy(port) => Some(port),
                _ => None,
            },
        )?;
        Ok(found.into_iter().enumerate().find_map(|(at, port)| Some((at, port?))))
    }

    /// A program as each host has it: a path, or a name that is looked for on `PATH` there.
    ///
    /// # Errors
    /// When a host cannot be asked.
    pub fn find(&self, program: &Path) -> Result<Vec<Option<Obtained>>, EnvError> {
        self.ask(
            |_| Ask::Find { program: program.to_owned() },
            |answer| match answer {
                Answer::Program(found) => Some(Some(found)),
                Answer::No => Some(None),
                _ => None,
            },
        )
    }

    /// Brings files of a folder to all hosts; where that folder is there, the same on all of them. What is
    /// there from another run is not sent again.
    ///
    /// # Errors
    /// When one of them cannot be read, or a host does not take it.
    pub fn bring(&self, folder: &Path, files: &[PathBuf]) -> Result<PathBuf, EnvError> {
        let places = each(self.transports, |at, _| {
            let node = &self.nodes[at];
            upload::folder(&node.agent, folder, files).map_err(|trouble| node.error(trouble))
        })?;
        match places.iter().position(|place| *place != places[0]) {
            None => Ok(places[0].clone()),
            Some(at) => {
                let why = format!("they are in {} here, and elsewhere on others", places[at].display());
                Err(self.nodes[at].error(Trouble { what: "arrange files".to_owned(), why }))
            }
        }
    }

    fn ask<T: Send>(
        &self,
        what: impl Fn(usize) -> Ask + Sync,
        read: impl Fn(Answer) -> Option<T> + Sync,
    ) -> Result<Vec<T>, EnvError> {
        each(self.transports, |at, _| {
            let node = &self.nodes[at];
            read(node.ask(what(at))?.0).ok_or_else(|| node.confused())
        })
    }
}
