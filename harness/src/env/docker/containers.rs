//! Containers, as a file names them: `[docker]`.

use super::engine::{Container, Engine};
use super::guardian::await_others;
use super::unable;
use crate::env::EnvError;
use crate::env::place::refused;
use crate::failure::Failure;
use duress_targets::{Node, hosts};
use std::collections::BTreeSet;
use std::path::Path;

/// A table of containers that makes sense.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Containers {
    table: hosts::Docker,
    /// Names or ids, in the order of the nodes.
    names: Vec<String>,
}

impl Containers {
    /// Of the table in this file. The engine is asked for the containers of services.
    ///
    /// # Errors
    /// When that cannot be, or the engine does not answer.
    pub fn new(table: hosts::Docker, path: &Path) -> Result<Self, Failure> {
        if let Some((why, fix)) = nonsense(&table) {
            return Err(refused(path, None, why, fix));
        }
        let names = match &table.project {
            None => table.containers.clone(),
            Some(project) => of_project(&table, project)?,
        };
        Ok(Self { table, names })
    }

    /// How many there are.
    pub const fn len(&self) -> usize {
        self.names.len()
    }

    /// Are there none? Never: a table without containers makes no sense.
    pub const fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// Names or ids, in the order of the nodes.
    pub(super) fn names(&self) -> &[String] {
        &self.names
    }

    pub(super) fn engine(&self) -> Engine {
        Engine::new(self.table.engine)
    }

    /// On which network nodes and clients reach them.
    pub(super) fn network(&self) -> Option<&str> {
        self.table.network.as_deref()
    }

    /// The nodes of a cluster on the first so many, with the containers' own addresses.
    ///
    /// # Errors
    /// When one is not there, or has none.
    pub fn nodes(&self, count: usize) -> Result<Vec<Node>, EnvError> {
        let node = |(at, name): (usize, &String)| {
            let container = self.running(name)?;
            let addr = container.address(self.network()).map_err(|why| unfit(name, why))?;
            Ok(Node { name: format!("n{}", at + 1), addr })
        };
        self.names.iter().take(count).enumerate().map(node).collect()
    }

    /// What the engine says of one that runs.
    pub(super) fn running(&self, name: &str) -> Result<Container, EnvError> {
        let inspect = || self.engine().inspect(name).map_err(|why| unfit(name, why));
        let mut container = inspect()?;
        if await_others(&container.id).map_err(|why| unfit(name, why))? {
            container = inspect()?;
        }
        match &container.state {
            state if state.paused => Err(unfit(name, "it is paused".to_owned())),
            state if !state.running => Err(unfit(name, "it does not run".to_owned())),
            _ => Ok(container),
        }
    }
}

/// Why a table makes no sense, if it does not, and what would.
fn nonsense(table: &hosts::Docker) -> Option<(&'static str, &'static str)> {
    let of_project = table.project.is_some() || !table.services.is_empty();
    let distinct = |names: &[String]| names.iter().collect::<BTreeSet<_>>().len() == names.len();
    if of_project && !table.containers.is_empty() {
        return Some(("it names containers, and services of a project", "leave one of them out"));
    }
    if of_project && (table.project.is_none() || table.services.is_empty()) {
        return Some(("a project goes with services", "give both: project = \"shop\", services = [\"db\"]"));
    }
    if !of_project && table.containers.is_empty() {
        let fix = "give one per node: containers = [\"db1\", \"db2\", \"db3\"]; or project and services";
        return Some(("there are no containers", fix));
    }
    (!distinct(&table.containers) || !distinct(&table.services))
        .then_some(("one is named twice", "name each once"))
}

fn of_project(table: &hosts::Docker, project: &str) -> Result<Vec<String>, EnvError> {
    let engine = Engine::new(table.engine);
    let mut names = Vec::new();
    for service in &table.services {
        let what = format!("use the service {service} of {project}");
        let fix = format!("bring the project up; `{} compose ls` shows what projects are called", engine.0);
        let found = engine.of_service(project, service).map_err(|why| unable(&what, why, &fix))?;
        if found.is_empty() {
            return Err(unable(&what, "it has no containers".to_owned(), &fix));
        }
        names.extend(found.iter().map(|container| container.name().to_owned()));
    }
    Ok(names)
}

/// One that cannot be used as it is.
pub(super) fn unfit(name: &str, why: String) -> EnvError {
    unable(&format!("use the container {name}"), why, "see that it runs, on a network of its own")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::place::Place;

    fn read(text: &str) -> Result<Containers, String> {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), text).expect("written");
        match Place::read(file.path()) {
            Ok(Place::Docker(containers)) => Ok(containers),
            Ok(place) => unreachable!("{place:?}"),
            Err(failure) => Err(failure.to_string()),
        }
    }

    #[test]
    fn containers_are_named_in_the_order_of_the_nodes() {
        let containers =
            read("[docker]\ncontainers = [\"b\", \"a\"]\nengine = \"podman\"\nnetwork = \"x\"\n");
        let containers = containers.expect("containers");
        assert_eq!((containers.names(), containers.len()), (&["b".to_owned(), "a".to_owned()][..], 2));
        assert_eq!((containers.engine().0, containers.network()), ("podman", Some("x")));
    }

    #[test]
    fn what_cannot_be_is_said() {
        for (text, why) in [
            ("[docker]\n", "there are no containers"),
            ("[docker]\ncontainers = [\"a\", \"a\"]\n", "one is named twice"),
            ("[docker]\nproject = \"x\"\n", "a project goes with services"),
            ("[docker]\nservices = [\"x\"]\n", "a project goes with services"),
            ("[docker]\ncontainers = [\"a\"]\nproject = \"x\"\n", "leave one of them out"),
            (
                "[docker]\n\ncontainer = [\"a\"]\n",
                "line 3: unknown key `container` in [docker]; did you mean `containers`?",
            ),
            (
                "[docker]\ncontainers = [\"a\"]\nengine = \"lxc\"\n",
                "line 3: `engine` cannot be `lxc`; there is docker, podman",
            ),
        ] {
            let refused = read(text).expect_err(text);
            assert!(refused.contains(why), "{refused}");
        }
    }
}
