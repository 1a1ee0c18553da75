//! The engine's own command line: what is asked of it, and what it says of a container.
//!
//! A command and not its socket: it finds the engine the way the user's own commands do (contexts,
//! `DOCKER_HOST`), and podman has the same.

use duress_targets::hosts::Engine as Name;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::net::IpAddr;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// Longest time for what takes the engine a moment.
const QUICK: Duration = Duration::from_secs(30);
/// How often one looks whether a command has ended.
const POLL: Duration = Duration::from_millis(5);
/// Of what it prints, as much is read.
const MAX_OUTPUT: u64 = 16 << 20;
/// Labels that compose gives its containers: whose they are, and their number in the service.
const PROJECT: &str = "com.docker.compose.project";
const SERVICE: &str = "com.docker.compose.service";
const NUMBER: &str = "com.docker.compose.container-number";
/// Those of `compose run`, which are none of the service's.
const ONE_OFF: &str = "com.docker.compose.oneoff";

/// What engines use where an image says nothing.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// `docker` or `podman`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Engine(pub(super) &'static str);

/// A container, as the engine describes it.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Container {
    pub(super) id: String,
    /// Docker writes a slash before it.
    name: String,
    pub(super) state: State,
    config: Config,
    network_settings: NetworkSettings,
}

/// What it does.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct State {
    pub(super) running: bool,
    #[serde(default)]
    pub(super) paused: bool,
    /// Of its first process, in the machine's numbers; 0 when there is none.
    pub(super) pid: u32,
    exit_code: i64,
    #[serde(rename = "OOMKilled", default)]
    oom_killed: bool,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Config {
    /// `NAME=value`
    #[serde(default)]
    env: Option<Vec<String>>,
    #[serde(default)]
    labels: Option<BTreeMap<String, String>>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct NetworkSettings {
    #[serde(default)]
    networks: BTreeMap<String, Network>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Network {
    #[serde(rename = "IPAddress", default)]
    ip_address: String,
    #[serde(rename = "GlobalIPv6Address", default)]
    global_ipv6_address: String,
}

impl Network {
    fn addresses(&self) -> Vec<IpAddr> {
        [&self.ip_address, &self.global_ipv6_address]
            .into_iter()
            .filter_map(|text| text.parse().ok())
            .collect()
    }
}

impl Engine {
    pub(super) fn new(name: Name) -> Self {
        Self(match name {
            Name::Docker => "docker",
            Name::Podman => "podman",
        })
    }

    /// One of the two, by its name.
    pub(super) fn named(name: &str) -> Option<Self> {
        [Name::Docker, Name::Podman].map(Self::new).into_iter().find(|engine| engine.0 == name)
    }

    /// What it says of a container.
    pub(super) fn inspect(self, container: &str) -> Result<Container, String> {
        let told = self.run(&["container", "inspect", container])?;
        let mut all: Vec<Container> =
            serde_json::from_str(&told).map_err(|e| format!("{} tells it in another way: {e}", self.0))?;
        all.pop().ok_or_else(|| format!("{} knows no {container}", self.0))
    }

    /// The containers of compose's projects, running or not, by their numbers; of all of them, or of one.
    pub(super) fn of_compose(self, project: Option<&str>) -> Result<Vec<Container>, String> {
        let label = project.map_or_else(String::new, |project| format!("={project}"));
        let label = format!("label={PROJECT}{label}");
        let ids = self.run(&["ps", "--all", "--quiet", "--no-trunc", "--filter", &label])?;
        let found = ids.split_whitespace().map(|id| self.inspect(id)).collect::<Result<Vec<_>, _>>()?;
        let one_off = |container: &Container| container.label(ONE_OFF).eq_ignore_ascii_case("true");
        let mut found: Vec<_> = found.into_iter().filter(|container| !one_off(container)).collect();
        found.sort_by_key(|container| container.label(NUMBER).parse::<u32>().unwrap_or(u32::MAX));
        Ok(found)
    }

    /// What all containers are called.
    pub(super) fn names(self) -> Result<Vec<String>, String> {
        let told = self.run(&["ps", "--all", "--format", "{{.Names}}"])?;
        Ok(told.split_whitespace().map(str::to_owned).collect())
    }

    /// Writes what a container has said since then into a file.
    pub(super) fn logs(self, container: &str, since: &str, to: &Path) -> Result<(), String> {
        let failed = |e: io::Error| format!("{}: {e}", to.display());
        let file = File::create(to).map_err(failed)?;
        let mut command = Command::new(self.0);
        command.args(["logs", "--timestamps", "--since", since, container]).stdin(Stdio::null());
        command.stdout(file.try_clone().map_err(failed)?).stderr(file);
        let mut child = command.spawn().map_err(|e| format!("{} does not start: {e}", self.0))?;
        match wait(&mut child, "logs")? {
            status if status.success() => Ok(()),
            status => Err(format!("`{} logs` failed: {status}", self.0)),
        }
    }

    /// What it prints, when it succeeds.
    pub(super) fn run(self, args: &[&str]) -> Result<String, String> {
        let mut command = Command::new(self.0);
        command.args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let told = format!("`{} {}`", self.0, args.join(" "));
        let mut child = command.spawn().map_err(|e| match e.kind() {
            io::ErrorKind::NotFound => format!("there is no `{}` on PATH", self.0),
            _ => format!("{told} does not start: {e}"),
        })?;
        let (out, err) = (reader(child.stdout.take()), reader(child.stderr.take()));
        let status = wait(&mut child, &told)?;
        let text = |thread: io::Result<thread::JoinHandle<String>>| {
            thread.ok().and_then(|thread| thread.join().ok()).unwrap_or_default()
        };
        let (out, err) = (text(out), text(err));
        if status.success() {
            return Ok(out);
        }
        let why = err.lines().find(|line| !line.trim().is_empty()).unwrap_or("it does not say why").trim();
        Err(format!("{told} failed: {why}"))
    }
}

/// Its end; it is killed when it takes too long.
fn wait(child: &mut Child, told: &str) -> Result<ExitStatus, String> {
    let deadline = Instant::now() + QUICK;
    loop {
        match child.try_wait().map_err(|e| format!("{told} was lost: {e}"))? {
            Some(status) => return Ok(status),
            None if Instant::now() < deadline => thread::sleep(POLL),
            None => {
                let _ = child.kill().and_then(|()| child.wait());
                return Err(format!("{told} did not end within {} s", QUICK.as_secs()));
            }
        }
    }
}

fn reader(from: Option<impl Read + Send + 'static>) -> io::Result<thread::JoinHandle<String>> {
    thread::Builder::new().name("engine".into()).spawn(move || {
        let mut bytes = Vec::new();
        // What could be read is what there is.
        let _ = from.map(|from| from.take(MAX_OUTPUT).read_to_end(&mut bytes));
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

impl Container {
    /// `shop-db-1`
    pub(super) fn name(&self) -> &str {
        self.name.trim_start_matches('/')
    }

    /// Whose it is, as compose says.
    pub(super) fn project(&self) -> &str {
        self.label(PROJECT)
    }

    /// Which service's it is, as compose says.
    pub(super) fn service(&self) -> &str {
        self.label(SERVICE)
    }

    fn label(&self, name: &str) -> &str {
        self.config.labels.as_ref().and_then(|labels| labels.get(name)).map_or("", String::as_str)
    }

    /// The environment variables that it was made with. Its first process may have overwritten those that
    /// the kernel shows, as servers do to be called otherwise in lists.
    pub(super) fn environment(&self) -> Vec<(String, String)> {
        let own = self.config.env.iter().flatten().filter_map(|pair| pair.split_once('='));
        let mut all = vec![("PATH".to_owned(), PATH.to_owned())];
        all.extend(own.map(|(name, value)| (name.to_owned(), value.to_owned())));
        all
    }

    /// `exit status: 137`
    pub(super) fn ended(&self) -> String {
        let memory = if self.state.oom_killed { ", its memory had run out" } else { "" };
        format!("exit status: {}{memory}", self.state.exit_code)
    }

    /// Its addresses: first that on this network, or on its only one when none is named, then those that it
    /// has besides, by which others may reach it as well.
    pub(super) fn addresses(&self, network: Option<&str>) -> Result<Vec<IpAddr>, String> {
        let networks = &self.network_settings.networks;
        let named = || networks.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
        // Compose puts the project's name before those of its file.
        let composed = network.map(|name| format!("{}_{name}", self.project()));
        let chosen = match (network, composed) {
            (Some(name), Some(composed)) => networks
                .get(name)
                .or_else(|| networks.get(&composed))
                .ok_or_else(|| format!("it is on {}, not on {name}", named()))?,
            _ if networks.len() == 1 => networks.values().next().expect("there is one"),
            _ if networks.is_empty() => return Err("it is on no network of the engine's".to_owned()),
            _ => return Err(format!("it is on several networks: {}", named())),
        };
        let first = *chosen.addresses().first().ok_or("it has no address of its own there")?;
        let others = networks.values().flat_map(Network::addresses).filter(|address| *address != first);
        Ok([first].into_iter().chain(others).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn container(networks: &str) -> Container {
        let text = format!(
            r#"{{"Id":"1","Name":"/db-1","State":{{"Running":true,"Pid":7,"ExitCode":137,"OOMKilled":true}},
                "Config":{{"Labels":{{"com.docker.compose.project":"shop"}},"Env":["A=b=c"]}},"NetworkSettings":{{"Networks":{networks}}}}}"#
        );
        serde_json::from_str(&text).expect("as an engine tells it")
    }

    #[test]
    fn the_first_address_is_that_on_the_named_network_or_the_only_one() {
        let addresses =
            |texts: &[&str]| texts.iter().map(|text| text.parse().expect("one")).collect::<Vec<_>>();
        let one = container(r#"{"bridge":{"IPAddress":"172.17.0.2","GlobalIPv6Address":""}}"#);
        assert_eq!((one.name(), one.ended().as_str()), ("db-1", "exit status: 137, its memory had run out"));
        assert_eq!(one.environment()[1], ("A".to_owned(), "b=c".to_owned()));
        assert_eq!(one.addresses(None), Ok(addresses(&["172.17.0.2"])));
        assert!(one.addresses(Some("other")).expect_err("none").contains("on bridge"));
        let two = r#"{"a":{"IPAddress":"10.0.0.2"},"shop_b":{"IPAddress":"10.1.0.2","GlobalIPv6Address":"fd00::2"}}"#;
        let two = container(two);
        assert!(two.addresses(None).expect_err("which").contains("several networks: a, shop_b"));
        let all = addresses(&["10.1.0.2", "10.0.0.2", "fd00::2"]);
        assert_eq!((two.addresses(Some("shop_b")), two.addresses(Some("b"))), (Ok(all.clone()), Ok(all)));
        assert!(container(r#"{"host":{"IPAddress":""}}"#).addresses(None).is_err());
        assert!(container("{}").addresses(None).is_err());
    }

    #[test]
    fn a_command_that_fails_says_which_and_why() {
        let error = Engine("false").run(&["x"]).expect_err("fails");
        assert!(error.contains("`false x` failed"), "{error}");
        let error = Engine("no-such-engine").run(&["ps"]).expect_err("is not there");
        assert_eq!(error, "there is no `no-such-engine` on PATH");
    }
}
