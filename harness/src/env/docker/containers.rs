//! Containers, as a file names them: `[docker]`.

use super::engine::{Container, Engine};
use super::guardian::await_others;
use super::unable;
use crate::env::EnvError;
use crate::env::place::refused;
use crate::failure::Failure;
use duress_targets::{Node, hosts, nearest};
use std::collections::BTreeSet;
use std::net::IpAddr;
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
            Ok(Node { name: format!("n{}", at + 1), addr: self.addresses(name, &container)?[0] })
        };
        self.names.iter().take(count).enumerate().map(node).collect()
    }

    /// Those of a container, the one that clients use first.
    pub(super) fn addresses(&self, name: &str, container: &Container) -> Result<Vec<IpAddr>, EnvError> {
        container.addresses(self.network()).map_err(|why| {
            unable(&using(name), why, "say in [docker] by which network clients reach it: network = \"…\"")
        })
    }

    /// What the engine says of one that runs.
    pub(super) fn running(&self, name: &str) -> Result<Container, EnvError> {
        let inspect = || {
            self.engine().inspect(name).map_err(|why| {
                let others = self.engine().names().unwrap_or_default();
                unable(&using(name), why, &others_called(name, others.iter().map(String::as_str)))
            })
        };
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
    let what = format!("use the project {project}");
    let ask =
        |project| engine.of_compose(project).map_err(|why| unable(&what, why, "see that the engine runs"));
    let all = ask(Some(project))?;
    if all.is_empty() {
        let others = ask(None)?;
        let fix = others_called(project, others.iter().map(Container::project));
        return Err(unable(&what, "it has no containers".to_owned(), &fix));
    }
    let mut names = Vec::new();
    for service in &table.services {
        let of_it = all.iter().filter(|container| container.service() == service);
        let before = names.len();
        names.extend(of_it.map(|container| container.name().to_owned()));
        if names.len() == before {
            let what = format!("use the service {service} of {project}");
            let fix = others_called(service, all.iter().map(Container::service));
            return Err(unable(&what, "it has no containers".to_owned(), &fix));
        }
    }
    Ok(names)
}

/// What to do when nothing goes by this name, and others have these.
fn others_called<'a>(name: &str, others: impl Iterator<Item = &'a str>) -> String {
    let others: Vec<&str> = others.collect::<BTreeSet<_>>().into_iter().collect();
    let up = "bring it up";
    match others.as_slice() {
        [] => up.to_owned(),
        others => format!("{up}, or {}", nearest::choose(name, others, "what the engine lists")),
    }
}

/// One that cannot be used as it is.
pub(super) fn unfit(name: &str, why: String) -> EnvError {
    unable(&using(name), why, "see that it runs, on a network of its own")
}

fn using(name: &str) -> String {
    format!("use the container {name}")
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
