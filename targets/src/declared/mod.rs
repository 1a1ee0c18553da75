//! A target that is declared in a file (TOML) and not written in Rust: how its servers are started, how one
//! sees that they are healthy and who leads, and what talks to them. `targets/docs/own-cluster.md` is for
//! those who write one.
//!
//! `file` is what may stand there, `resolve` what it means or what is wrong with it,
//! `template` and `words` what its texts are, `probe` how nodes are asked, `needs` what has to be on their
//! hosts, `skeleton` files to begin with.

mod file;
mod needs;
mod probe;
mod resolve;
mod skeleton;
mod template;
#[cfg(test)]
mod tests;
mod words;

pub use skeleton::skeleton;

use crate::problem::{self, Problem};
use crate::{
    Client, ClientError, Context, HostCommand, Launch, Named, Needs, Node, NodeStatus, OnHosts, OptionDoc,
    Refusal, Server, ServerFiles, Settings, Source, Stopping, Surroundings, Target, TargetEntry, TargetError,
    exec, http,
};
use async_trait::async_trait;
use probe::{Health, Leader};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;
use template::{Scene, Template};

/// Largest file that is read, in bytes.
const MAX_BYTES: u64 = 1 << 20;

/// The file of a target, for who has to name it or to keep a copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declaration {
    /// As it was named.
    pub path: PathBuf,
    /// All of it.
    pub text: String,
}

/// Is this argument a file, and not the name of a target?
pub fn is_file(target: &str) -> bool {
    target.ends_with(".toml") || target.contains('/')
}

/// What of a target is on the machine where its file is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Here {
    /// Nodes, clients, and what is beside the file.
    All,
    /// The same without nodes.
    NoNodes,
    /// Clients, and what they need.
    Clients,
}

/// Reads a target's file. The programs that its nodes need have to be on this machine, unless the nodes are
/// `elsewhere`.
///
/// # Errors
/// What is wrong with it, where, and what to do. Nothing has been started by then.
pub fn read(path: &Path, elsewhere: bool) -> Result<TargetEntry, Problem> {
    let refuse =
        |why: String, fix: &str| Problem { file: path.to_owned(), line: None, why, fix: fix.to_owned() };
    let unread = |error: std::io::Error| {
        let fix = "check the path; `duress init NAME` writes NAME.toml";
        refuse(format!("it cannot be read: {error}"), fix)
    };
    let length = std::fs::metadata(path).map_err(unread)?.len();
    if length > MAX_BYTES {
        return Err(refuse(format!("it has {length} bytes"), "that is no description of a target"));
    }
    let bytes = std::fs::read(path).map_err(unread)?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let line = error.as_bytes()[..valid].iter().filter(|byte| **byte == b'\n').count() + 1;
        Problem { line: Some(line), ..refuse("it is no UTF-8".to_owned(), "save it in that encoding") }
    })?;
    // Some editors begin files with a mark that is no part of them.
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let absolute = std::path::absolute(path).map_err(unread)?;
    let here = absolute.parent().unwrap_or(Path::new("/"));
    entry(path, text, (here, if elsewhere { Here::NoNodes } else { Here::All }))
}

/// The target of a file that has been read on another machine, where its clients alone are here: what they need
/// is in this folder, as it was beside the file.
///
/// # Errors
/// When something of it cannot be had on this machine.
pub fn clients_of(declaration: &Declaration, folder: &Path) -> Result<TargetEntry, Problem> {
    entry(&declaration.path, &declaration.text, (folder, Here::Clients))
}

fn entry(path: &Path, text: &str, (folder, here): (&Path, Here)) -> Result<TargetEntry, Problem> {
    let meaning = Arc::new(resolve::resolve(problem::Source { file: path, text }, (folder, here))?);
    let declaration = Declaration { path: path.to_owned(), text: text.to_owned() };
    let made = Arc::clone(&meaning);
    Ok(TargetEntry {
        name: meaning.name.clone(),
        doc: meaning.doc.clone(),
        workloads: meaning.workloads.clone(),
        options: meaning.options.iter().map(|(doc, _)| doc.clone()).collect(),
        default_nodes: meaning.default_nodes,
        max_nodes: meaning.max_nodes,
        ports: meaning.ports.values().copied().collect(),
        tool: None,
        refuses: meaning.refuses.clone(),
        declaration: Some(Arc::new(declaration)),
        make: Arc::new(move |settings, workload| Ok(Arc::new(Declared::new(&made, settings, workload)?))),
    })
}

/// What a file means.
struct Meaning {
    name: String,
    doc: String,
    workloads: Vec<String>,
    default_nodes: usize,
    max_nodes: Option<usize>,
    ports: BTreeMap<String, u16>,
    /// The server's program, and who names it.
    program: (PathBuf, String),
    start: Command,
    /// The first node's, where it is another.
    first: Option<Command>,
    env: Vec<(String, Template)>,
    /// Whom the servers run as.
    user: Option<String>,
    stop: Option<Stop>,
    version: Option<Command>,
    /// An image, in whose files the servers run.
    rootfs: Option<PathBuf>,
    /// The servers' working directory, if it is not the node's own.
    dir: Option<Template>,
    /// What the servers write logs into, besides what they print.
    logs: Vec<Template>,
    health: Health,
    leader: Option<Leader>,
    clients: Clients,
    /// By workload.
    client_settings: BTreeMap<String, BTreeMap<String, String>>,
    refuses: Vec<Refusal>,
    /// With the values that each may have.
    options: Vec<Choice>,
    /// The directory of the file.
    here: PathBuf,
}

/// A setting, and the values that it may have, where not all.
type Choice = (OptionDoc, Option<Vec<String>>);

/// A program and its arguments.
#[derive(Clone, Debug)]
struct Command {
    words: Vec<Template>,
    /// Where it stands: `my-db.toml:12`.
    place: String,
}

/// How a server is told to end.
#[derive(Clone, Debug)]
enum Stop {
    Signal(i32),
    Command(Command),
}

impl Stop {
    /// Those that servers take as a wish to end.
    const SIGNALS: [(&str, i32); 6] = [
        ("SIGTERM", libc::SIGTERM),
        ("SIGINT", libc::SIGINT),
        ("SIGQUIT", libc::SIGQUIT),
        ("SIGHUP", libc::SIGHUP),
        ("SIGUSR1", libc::SIGUSR1),
        ("SIGUSR2", libc::SIGUSR2),
    ];
}

/// What talks to the nodes.
enum Clients {
    Programs {
        command: Command,
        env: Vec<(String, Template)>,
        /// What they need besides, beside the file.
        files: Vec<Named>,
        start_timeout: Option<Duration>,
    },
    Http(Arc<http::Spec>),
}

/// A declared target, configured for one run.
struct Declared {
    meaning: Arc<Meaning>,
    settings: BTreeMap<String, String>,
    clients: Talking,
    context: Context,
    hosts: OnceLock<Arc<dyn OnHosts>>,
    /// Where the directory of the file is on the nodes' hosts, if it is elsewhere.
    moved: OnceLock<PathBuf>,
    versions: Mutex<BTreeMap<String, String>>,
}

/// What talks, with all settings filled in.
enum Talking {
    Programs(exec::Spec),
    Http(Arc<http::Spec>),
}

impl Declared {
    fn new(meaning: &Arc<Meaning>, settings: &Settings, workload: &str) -> Result<Self, TargetError> {
        settings.only(&meaning.name, meaning.options.iter().map(|(doc, _)| doc))?;
        let mut values = BTreeMap::new();
        for (doc, one_of) in &meaning.options {
            let takes = one_of.as_ref().map(|values| values.join(" or ")).unwrap_or_default();
            let value = settings.value(doc, &takes, |typed| {
                let allowed = one_of.as_ref().is_none_or(|values| values.iter().any(|value| value == typed));
                allowed.then(|| typed.to_owned())
            })?;
            values.insert(doc.name.to_string(), value);
        }
        let scene =
            Scene { cluster: &[], node: None, data: Path::new(""), here: &meaning.here, settings: &values };
        let clients = match &meaning.clients {
            Clients::Http(spec) => Talking::Http(Arc::clone(spec)),
            Clients::Programs { command, env, start_timeout, .. } => {
                let mut words: Vec<String> =
                    command.words.iter().flat_map(|word| word.words(scene)).collect();
                if let (Some(word), Some(template)) = (words.first_mut(), command.words.first()) {
                    *word = program(template, &meaning.here, &values).display().to_string();
                }
                let mut spec = exec::Spec::new(words);
                spec.env = env.iter().map(|(name, value)| (name.clone(), value.fill(scene))).collect();
                spec.dir = Some(meaning.here.clone());
                spec.start_timeout = start_timeout.unwrap_or(spec.start_timeout);
                Talking::Programs(spec)
            }
        };
        let mut told = values.clone();
        told.extend(
            meaning.client_settings.get(workload).into_iter().flatten().map(|(k, v)| (k.clone(), v.clone())),
        );
        let context = Context::new(workload, told, meaning.ports.clone());
        Ok(Self {
            meaning: Arc::clone(meaning),
            settings: values,
            clients,
            context,
            hosts: OnceLock::new(),
            moved: OnceLock::new(),
            versions: Mutex::default(),
        })
    }

    /// With no other node than this: what helpers are told.
    fn scene<'a>(&'a self, node: &'a Node) -> Scene<'a> {
        let cluster = self.hosts.get().map_or(&[][..], |hosts| hosts.nodes());
        Scene { data: Path::new(""), ..self.scene_in(cluster, node) }
    }

    fn scene_in<'a>(&'a self, cluster: &'a [Node], node: &'a Node) -> Scene<'a> {
        Scene { cluster, node: Some(node), data: Path::new(""), here: self.here(), settings: &self.settings }
    }

    /// The directory of the file, as the nodes see it.
    fn here(&self) -> &Path {
        self.moved.get().unwrap_or(&self.meaning.here)
    }

    /// From where the nodes' programs with `/` in their names are seen.
    fn programs(&self) -> &Path {
        if self.meaning.rootfs.is_some() { Path::new("/") } else { self.here() }
    }

    fn host_command(&self, command: &Command, scene: Scene<'_>) -> HostCommand {
        let mut words = command.words.iter().flat_map(|word| word.words(scene));
        let _ = words.next();
        let args = words.collect();
        let program = command
            .words
            .first()
            .map_or_else(PathBuf::new, |word| program(word, self.programs(), &self.settings));
        HostCommand { program, args, env: self.env() }
    }

    async fn on_host(&self, node: &Node, command: &Command) -> Result<String, ClientError> {
        let Some(hosts) = self.hosts.get() else {
            return Err(ClientError::new("no-host", "the cluster is not there yet"));
        };
        let command = self.host_command(command, self.scene(node));
        hosts.run(node, command, probe::ANSWER_WITHIN).await.map_err(|why| ClientError::new("command", why))
    }

    fn versions(&self) -> MutexGuard<'_, BTreeMap<String, String>> {
        self.versions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A program as it is started: one that is named by a path with `/` is there, seen from the file.
fn program(word: &Template, here: &Path, settings: &BTreeMap<String, String>) -> PathBuf {
    let scene = Scene { cluster: &[], node: None, data: Path::new(""), here, settings };
    let name = word.fill(scene);
    if name.contains('/') { here.join(name) } else { name.into() }
}

/// A word that no setting and no node has a part in.
fn plain(word: &Template, here: &Path) -> PathBuf {
    program(word, here, &BTreeMap::new())
}

impl Launch for Declared {
    fn source(&self) -> Source<'_> {
        let (program, place) = &self.meaning.program;
        // What Duress knows how to get need not be installed.
        match program.to_str().and_then(crate::registry::recipe).filter(|_| self.meaning.rootfs.is_none()) {
            Some(recipe) => Source::Recipe(recipe),
            None => Source::Named { program, place },
        }
    }

    fn rootfs(&self) -> Option<&Path> {
        self.meaning.rootfs.as_deref()
    }

    fn args(&self, cluster: &[Node], node: &Node, data_dir: &Path) -> Vec<String> {
        let command = match &self.meaning.first {
            Some(first) if cluster.first() == Some(node) => first,
            _ => &self.meaning.start,
        };
        let scene = Scene { data: data_dir, ..self.scene_in(cluster, node) };
        command.words.iter().skip(1).flat_map(|word| word.words(scene)).collect()
    }

    fn env(&self) -> Vec<(String, String)> {
        let scene = Scene {
            cluster: &[],
            node: None,
            data: Path::new(""),
            here: self.here(),
            settings: &self.settings,
        };
        self.meaning.env.iter().map(|(name, value)| (name.clone(), value.fill(scene))).collect()
    }

    fn user(&self) -> Option<&str> {
        self.meaning.user.as_deref()
    }

    fn files(&self, cluster: &[Node], node: &Node, data_dir: &Path) -> ServerFiles {
        let scene = Scene { data: data_dir, ..self.scene_in(cluster, node) };
        let seen_from = if self.meaning.rootfs.is_some() { Path::new("/") } else { &*self.meaning.here };
        let seen = |path: &Template| seen_from.join(path.fill(scene));
        ServerFiles {
            dir: self.meaning.dir.as_ref().map(seen),
            logs: self.meaning.logs.iter().map(seen).collect(),
        }
    }

    fn stopping(&self, cluster: &[Node], node: &Node) -> Stopping {
        match &self.meaning.stop {
            None => Stopping::default(),
            Some(Stop::Signal(signal)) => Stopping::Signal(*signal),
            Some(Stop::Command(command)) => {
                Stopping::Command(self.host_command(command, self.scene_in(cluster, node)))
            }
        }
    }

    fn needs(&self) -> Needs {
        needs::of(&self.meaning, &self.settings)
    }

    fn moved(&self, folder: &Path) {
        let _ = self.moved.set(folder.to_owned());
    }
}

#[async_trait]
impl Target for Declared {
    fn server(&self) -> Server<'_> {
        Server::Processes(self)
    }

    /// A server that is not told where its data is to be has it somewhere else, where it stays.
    fn keeps_data(&self) -> bool {
        let commands = [Some(&self.meaning.start), self.meaning.first.as_ref()];
        let told = |command: &Command| command.words.iter().any(Template::names_data);
        !commands.into_iter().flatten().all(told)
    }

    async fn connect(&self, node: &Node) -> Result<Box<dyn Client>, ClientError> {
        match &self.clients {
            Talking::Programs(spec) => spec.connect(node, &self.context).await,
            Talking::Http(spec) => spec.connect(node, &self.context).await,
        }
    }

    fn opens_within(&self) -> Option<Duration> {
        match &self.clients {
            Talking::Programs(spec) => Some(spec.opens_within()),
            Talking::Http(_) => None,
        }
    }

    fn enter(&self, run: &Surroundings) {
        self.context.enter(run);
    }

    async fn set_up(&self, run: &Surroundings) -> Result<(), ClientError> {
        match (&self.clients, run.nodes.first()) {
            (Talking::Programs(spec), Some(node)) => spec.set_up(node, &self.context).await,
            _ => Ok(()),
        }
    }

    fn notes(&self, over: bool) -> Vec<String> {
        self.context.notes(over)
    }

    fn client_program(&self) -> Option<(exec::Spec, Context)> {
        match &self.clients {
            Talking::Programs(spec) => Some((spec.clone(), self.context.clone())),
            Talking::Http(_) => None,
        }
    }

    fn client_needs(&self) -> Needs {
        needs::of_clients(&self.meaning, &self.settings)
    }

    fn attach(&self, hosts: Arc<dyn OnHosts>) {
        let _ = self.hosts.set(hosts);
    }

    async fn healthy(&self, node: &Node) -> Result<(), ClientError> {
        self.is_healthy(node).await
    }

    async fn status(&self, node: &Node) -> Result<NodeStatus, ClientError> {
        self.says_of_itself(node).await
    }
}
