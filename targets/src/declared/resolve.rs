//! From what stands in a file to what it means, or to the one sentence that says what is wrong with it.

use super::file::{File, Leader as LeaderTable, Probe as ProbeTable, ServerTable};
use super::probe::{Health, Leader, Question};
use super::template::{Names, Scope, Template};
use super::words::Words;
use super::{Choice, Clients, Command, Here, Meaning, Stop};
use crate::obtain;
use crate::problem::{self, Problem, Source, nearest};
use crate::{Account, Named, OptionDoc, Refusal};
use nix::unistd::Uid;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use toml::Spanned;

/// As many as any cluster has here.
const MAX_NODES: i64 = 9;
/// The name of the port that clients talk to.
const CLIENT_PORT: &str = "client";

/// Reads what a file means.
pub(super) fn resolve(source: Source<'_>, (folder, here): (&Path, Here)) -> Result<Meaning, Problem> {
    let file: File = toml::from_str(source.text).map_err(|error| source.refused("own-cluster", &error))?;
    let resolver = Resolver::new(source, (folder, here), &file)?;
    let name = resolver.name(&file)?;
    let workloads = resolver.workloads(&file)?;
    let (default_nodes, max_nodes) = resolver.nodes(&file)?;
    let server = file.server.get_ref();
    let start = resolver.command(&server.start, Scope::Server)?;
    let first = server.first.as_ref().map(|first| resolver.first(first, server)).transpose()?;
    resolver.server_scripts(server, &start)?;
    let meaning = Meaning {
        name,
        doc: file.doc.clone().unwrap_or_else(|| "declared in a file".to_owned()),
        default_nodes,
        max_nodes,
        program: resolver.program(&server.start)?,
        start,
        first,
        env: resolver.environment(&server.env)?,
        user: server.user.as_ref().map(|user| resolver.user(user)).transpose()?,
        stop: server.stop.as_ref().map(|stop| resolver.stop(stop)).transpose()?,
        version: server.version.as_ref().map(|words| resolver.helper(words, Scope::Node)).transpose()?,
        rootfs: server.rootfs.as_ref().map(|path| resolver.rootfs(path)).transpose()?,
        dir: server.dir.as_ref().map(|dir| resolver.dir(dir)).transpose()?,
        logs: server.logs.iter().map(|path| resolver.path(path)).collect::<Result<_, _>>()?,
        health: resolver.health(file.health.as_ref())?,
        leader: file.leader.as_ref().map(|leader| resolver.leader(leader)).transpose()?,
        clients: resolver.clients(&file)?,
        client_settings: resolver.client_settings(&file, &workloads)?,
        workloads,
        refuses: resolver.refusals(&file)?,
        options: resolver.options(&file)?,
        ports: resolver.ports,
        here: folder.to_owned(),
    };
    Ok(meaning)
}

/// `command`, `url` and `send`, of which there has to be one.
type Asked<'a> = (Option<&'a Spanned<Words>>, Option<&'a Spanned<String>>, Option<&'a Spanned<String>>);

/// What interpreters are given.
const SCRIPTS: [&str; 8] = ["py", "js", "mjs", "rb", "pl", "sh", "lua", "jar"];

/// The name of a program that another one runs, the same for all nodes, and nothing else.
fn is_script(word: &str) -> bool {
    let name = word.strip_prefix("{here}").unwrap_or(word);
    let plain = !name.starts_with('-') && !name.contains(['=', ' ', ':', ';', '{']);
    plain
        && Path::new(word).extension().and_then(|end| end.to_str()).is_some_and(|end| SCRIPTS.contains(&end))
}

struct Resolver<'a> {
    source: Source<'a>,
    here: &'a Path,
    ports: BTreeMap<String, u16>,
    settings: Vec<&'a str>,
    /// From where the nodes' programs with `/` in their names are seen.
    programs: &'a Path,
    /// The nodes' programs are in an image, or on hosts.
    elsewhere: bool,
    /// What is beside the file for its nodes is not here.
    clients_alone: bool,
}

impl<'a> Resolver<'a> {
    fn new(source: Source<'a>, (folder, here): (&'a Path, Here), file: &'a File) -> Result<Self, Problem> {
        let settings = file.settings.keys().map(String::as_str).collect();
        let in_image = file.server.get_ref().rootfs.is_some();
        let programs = if in_image { Path::new("/") } else { folder };
        let mut ports: BTreeMap<String, u16> = BTreeMap::new();
        for (name, number) in file.ports.get_ref() {
            let (at, number) = (number.span(), *number.get_ref());
            let range = |_| source.problem(&at, format!("port {number} is out of range"), "use 1 to 65535");
            let number =
                u16::try_from(number).map_err(|_| ()).and_then(|n| if n == 0 { Err(()) } else { Ok(n) });
            let number = number.map_err(range)?;
            if let Some((other, _)) = ports.iter().find(|(_, taken)| **taken == number) {
                let why = format!("ports `{name}` and `{other}` are both {number}");
                return Err(source.problem(&at, why, "give each port a number of its own"));
            }
            ports.insert(name.clone(), number);
        }
        if !ports.contains_key(CLIENT_PORT) {
            let why = "[ports] has no `client`";
            return Err(source.problem(
                &file.ports.span(),
                why,
                "add the port that clients talk to: client = 7000",
            ));
        }
        let (clients_alone, elsewhere) = (here == Here::Clients, here != Here::All || in_image);
        Ok(Self { source, here: folder, programs, ports, settings, elsewhere, clients_alone })
    }

    fn template(&self, text: &str, at: &Range<usize>, scope: Scope) -> Result<Template, Problem> {
        let names = Names { ports: &self.ports, settings: &self.settings, scope };
        Template::parse(text, names)
            .map_err(|(why, fix)| self.source.problem(&self.source.within(at, text), why, fix))
    }

    fn name(&self, file: &File) -> Result<String, Problem> {
        let plain = |name: &str| {
            let ok = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
            name.chars().all(ok) && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        };
        let fix = "use letters, digits and dashes: it becomes part of file names";
        match &file.name {
            Some(name) if plain(name.get_ref()) => Ok(name.get_ref().clone()),
            Some(name) => {
                let why = format!("`{}` cannot be a name", name.get_ref());
                Err(self.source.problem(&name.span(), why, fix))
            }
            None => {
                match self.source.file.file_stem().and_then(|stem| stem.to_str()).filter(|stem| plain(stem)) {
                    Some(stem) => Ok(stem.to_owned()),
                    None => {
                        Err(self.source.problem(&(0..0), "the file has no `name`", "add name = \"my-db\""))
                    }
                }
            }
        }
    }

    fn workloads(&self, file: &File) -> Result<Vec<String>, Problem> {
        let mut names = Vec::new();
        for workload in file.workloads.get_ref() {
            let name = workload.get_ref();
            if duress_workloads::registry::find(name).is_none() {
                let known: Vec<&str> = duress_workloads::registry::WORKLOADS.iter().map(|w| w.name).collect();
                let why = format!("there is no workload `{name}`");
                return Err(self.source.problem(&workload.span(), why, nearest(name, &known)));
            }
            if names.contains(name) {
                let why = format!("the workload `{name}` is there twice");
                return Err(self.source.problem(&workload.span(), why, "leave one out"));
            }
            names.push(name.clone());
        }
        if names.is_empty() {
            let fix = "name those that its clients can do: workloads = [\"register\"]";
            return Err(self.source.problem(&file.workloads.span(), "there are no workloads", fix));
        }
        Ok(names)
    }

    fn nodes(&self, file: &File) -> Result<(usize, Option<usize>), Problem> {
        let number = |number: &Spanned<i64>, key: &str| {
            let n = *number.get_ref();
            let why = || format!("`{key}` is {n}, which is out of range");
            let refuse = || self.source.problem(&number.span(), why(), format!("use 1 to {MAX_NODES}"));
            (1..=MAX_NODES).contains(&n).then(|| usize::try_from(n).unwrap_or(1)).ok_or_else(refuse)
        };
        let max = file.nodes.max.as_ref().map(|max| number(max, "max")).transpose()?;
        let Some(asked) = &file.nodes.default else { return Ok((max.unwrap_or(3).min(3), max)) };
        let default = number(asked, "default")?;
        match max {
            Some(max) if default > max => {
                let why = format!("by default there are {default} nodes, and {max} at most");
                Err(self.source.problem(&asked.span(), why, "raise `max`, or lower `default`"))
            }
            _ => Ok((default, max)),
        }
    }

    fn command(&self, words: &Spanned<Words>, scope: Scope) -> Result<Command, Problem> {
        let parse = |word: &String| self.template(word, &words.span(), scope);
        let words_of = words.get_ref().0.iter().map(parse).collect::<Result<_, _>>()?;
        Ok(Command { words: words_of, place: self.place(words) })
    }

    /// One for the nodes' hosts. Where those are this machine, its program has to be there.
    fn helper(&self, words: &Spanned<Words>, scope: Scope) -> Result<Command, Problem> {
        if !self.elsewhere {
            self.is_here(words)?;
        }
        self.command(words, scope)
    }

    fn is_here(&self, words: &Spanned<Words>) -> Result<(), Problem> {
        let word = words.get_ref().0.first().map_or("", String::as_str);
        let template = self.template(word, &words.span(), Scope::All)?;
        let program = super::plain(&template, self.here);
        let request = obtain::Request::new(PathBuf::new());
        let found = obtain::find(&program, &self.place(words), &request);
        found.map(drop).map_err(|error| self.missing(words, &error))
    }

    fn place(&self, words: &Spanned<Words>) -> String {
        problem::place(self.source.file, Some(self.source.line(words.span().start)))
    }

    fn missing(&self, words: &Spanned<Words>, error: &obtain::ObtainError) -> Problem {
        let told = error.to_string();
        let told = told.split_once(": ").map_or(told.as_str(), |(_, told)| told);
        let (why, fix) = told.split_once("; ").unwrap_or((told, "check the command"));
        self.source.problem(&words.span(), why, fix)
    }

    /// The program, and who names it. The same for all nodes.
    fn program(&self, words: &Spanned<Words>) -> Result<(PathBuf, String), Problem> {
        let word = words.get_ref().0.first().map_or("", String::as_str);
        let template = self.template(word, &words.span(), Scope::All)?;
        Ok((super::program(&template, self.programs, &BTreeMap::new()), self.place(words)))
    }

    fn rootfs(&self, path: &Spanned<PathBuf>) -> Result<PathBuf, Problem> {
        let image = self.here.join(path.get_ref());
        if image.exists() {
            return Ok(image);
        }
        let why = format!("there is no image `{}`", path.get_ref().display());
        let fix = "check the path, seen from this file; `docker save IMAGE -o image.tar` writes one";
        Err(self.source.problem(&path.span(), why, fix))
    }

    fn path(&self, path: &Spanned<String>) -> Result<Template, Problem> {
        self.template(path.get_ref(), &path.span(), Scope::Server)
    }

    /// One that is the same for all nodes has to be there before anything is started.
    fn dir(&self, dir: &Spanned<String>) -> Result<Template, Problem> {
        let same = self.template(dir.get_ref(), &dir.span(), Scope::All);
        let missing = |dir: &Template| !super::plain(dir, self.here).is_dir();
        if !self.elsewhere && same.as_ref().is_ok_and(missing) {
            let why = format!("there is no directory `{}`", dir.get_ref());
            return Err(self.source.problem(&dir.span(), why, "check the path, seen from this file"));
        }
        self.path(dir)
    }

    /// The server's own words: those of scripts have to lead to them.
    fn server_scripts(&self, server: &ServerTable, start: &Command) -> Result<(), Problem> {
        if server.rootfs.is_some() || server.dir.is_some() || self.clients_alone {
            return Ok(());
        }
        let fix = "servers work in directories of their own: write {here}/…, or set `dir`";
        let is_beside = |word: &String| is_script(word) && !word.starts_with(['/', '{']);
        let words = &server.start.get_ref().0;
        if let Some(word) = words.iter().skip(1).find(|word| is_beside(word)) {
            let why = format!("`{word}` is not where the server works");
            let at = self.source.within(&server.start.span(), word);
            return Err(self.source.problem(&at, why, fix));
        }
        self.there(&server.start, start, |_, word| is_script(word))
    }

    /// Files that these words lead to have to be there, seen from the file's directory.
    fn there(
        &self,
        words: &Spanned<Words>,
        command: &Command,
        is_file: impl Fn(&Template, &str) -> bool,
    ) -> Result<(), Problem> {
        for (word, template) in words.get_ref().0.iter().zip(&command.words) {
            if is_file(template, word) && !self.here.join(super::plain(template, self.here)).exists() {
                let why = format!("there is no file `{word}`");
                let at = self.source.within(&words.span(), word);
                return Err(self.source.problem(&at, why, "check the path, seen from this file"));
            }
        }
        Ok(())
    }

    fn first(&self, first: &Spanned<Words>, server: &ServerTable) -> Result<Command, Problem> {
        let (one, other) = (&first.get_ref().0[0], &server.start.get_ref().0[0]);
        if one != other {
            let why = format!("`first` starts `{one}`, and `start` starts `{other}`");
            return Err(self.source.problem(&first.span(), why, "let both start the same program"));
        }
        self.command(first, Scope::Server)
    }

    fn environment(
        &self,
        env: &BTreeMap<String, Spanned<String>>,
    ) -> Result<Vec<(String, Template)>, Problem> {
        env.iter()
            .map(|(name, value)| {
                Ok((name.clone(), self.template(value.get_ref(), &value.span(), Scope::All)?))
            })
            .collect()
    }

    /// Of this machine, where the servers are its own, and where it counts.
    fn user(&self, user: &Spanned<String>) -> Result<String, Problem> {
        let name = user.get_ref();
        if !self.elsewhere && Uid::effective().is_root() {
            Account::find(name, Path::new("/")).map_err(|told| {
                let (why, fix) = told.split_once("; ").unwrap_or((&told, "check its name"));
                self.source.problem(&user.span(), why, fix)
            })?;
        }
        Ok(name.clone())
    }

    fn stop(&self, words: &Spanned<Words>) -> Result<Stop, Problem> {
        match &words.get_ref().0[..] {
            [signal] if signal.starts_with("SIG") => {
                match Stop::SIGNALS.iter().find(|(name, _)| name == signal) {
                    Some((_, number)) => Ok(Stop::Signal(*number)),
                    None => {
                        let known: Vec<&str> = Stop::SIGNALS.iter().map(|(name, _)| *name).collect();
                        let why = format!("`{signal}` is no signal that ends a server");
                        Err(self.source.problem(&words.span(), why, nearest(signal, &known)))
                    }
                }
            }
            _ => Ok(Stop::Command(self.helper(words, Scope::Node)?)),
        }
    }

    fn question(
        &self,
        (table, at): (&str, Range<usize>),
        (command, url, send): Asked<'_>,
    ) -> Result<Question, Problem> {
        let given = [
            ("command", command.map(Spanned::span)),
            ("url", url.map(Spanned::span)),
            ("send", send.map(Spanned::span)),
        ];
        let mut given: Vec<_> = given.into_iter().filter_map(|(key, at)| Some((key, at?))).collect();
        given.sort_by_key(|(_, at)| at.start);
        if let [(one, _), (other, at), ..] = &given[..] {
            let why = format!("[{table}] has `{one}` and `{other}`");
            return Err(self.source.problem(at, why, "keep one of them"));
        }
        if let Some(command) = command {
            return Ok(Question::Command(self.helper(command, Scope::Node)?));
        }
        if let Some(text) = send {
            let (text, port) =
                (self.template(text.get_ref(), &text.span(), Scope::Node)?, self.ports[CLIENT_PORT]);
            return Ok(Question::Sent { text, port });
        }
        match url {
            Some(url) if url.get_ref().starts_with("http://") => {
                Ok(Question::Url(self.template(url.get_ref(), &url.span(), Scope::Node)?))
            }
            Some(url) => {
                let why = format!("`{}` is no address", url.get_ref());
                Err(self.source.problem(&url.span(), why, "write http://{address}:{port.client}/…"))
            }
            None => {
                let why = format!("[{table}] asks nothing");
                Err(self.source.problem(
                    &at,
                    why,
                    "give it a `command`, a `url` or a `send`, or leave it out",
                ))
            }
        }
    }

    fn health(&self, table: Option<&Spanned<ProbeTable>>) -> Result<Health, Problem> {
        let Some(spanned) = table else { return Ok(Health::Connects(self.ports[CLIENT_PORT])) };
        let ProbeTable { command, url, send, says } = spanned.get_ref();
        let question =
            self.question(("health", spanned.span()), (command.as_ref(), url.as_ref(), send.as_ref()))?;
        Ok(Health::Answers { question, says: says.clone() })
    }

    fn leader(&self, spanned: &Spanned<LeaderTable>) -> Result<Leader, Problem> {
        let LeaderTable { command, url, send, says, term_after } = spanned.get_ref();
        let question =
            self.question(("leader", spanned.span()), (command.as_ref(), url.as_ref(), send.as_ref()))?;
        Ok(Leader { question, says: says.clone(), term_after: term_after.clone() })
    }

    fn clients(&self, file: &File) -> Result<Clients, Problem> {
        match (&file.client, &file.http) {
            (Some(client), None) => {
                let table = client.get_ref();
                self.is_here(&table.command)?;
                let command = self.command(&table.command, Scope::All)?;
                self.there(&table.command, &command, |word, text| word.is_here() || is_script(text))?;
                Ok(Clients::Programs {
                    command,
                    env: self.environment(&table.env)?,
                    files: table.files.iter().map(|file| self.beside(file)).collect::<Result<_, _>>()?,
                    start_timeout: table.start_timeout,
                })
            }
            (None, Some(http)) => {
                for workload in file.workloads.get_ref() {
                    http.get_ref().check(workload.get_ref()).map_err(|why| {
                        self.source.problem(
                            &workload.span(),
                            why,
                            "see `duress docs own-cluster`, or leave the workload out",
                        )
                    })?;
                }
                Ok(Clients::Http(Arc::new(http.get_ref().clone())))
            }
            (None, None) => {
                let why = "nothing says how clients talk to it";
                let fix = "add [client] with a command, or [http]";
                Err(Problem {
                    file: self.source.file.to_owned(),
                    line: None,
                    why: why.into(),
                    fix: fix.into(),
                })
            }
            (Some(_), Some(http)) => {
                let why = "there is [client] and [http]";
                Err(self.source.problem(&http.span(), why, "keep one of them"))
            }
        }
    }

    /// A file or a folder that clients need.
    fn beside(&self, path: &Spanned<PathBuf>) -> Result<Named, Problem> {
        let plain = super::needs::plain(path.get_ref());
        if !self.here.join(&plain).exists() {
            let why = format!("there is no file `{}`", path.get_ref().display());
            return Err(self.source.problem(&path.span(), why, "check the path, seen from this file"));
        }
        let place = problem::place(self.source.file, Some(self.source.line(path.span().start)));
        Ok(Named { path: plain, place })
    }

    fn client_settings(
        &self,
        file: &File,
        workloads: &[String],
    ) -> Result<BTreeMap<String, BTreeMap<String, String>>, Problem> {
        let mut settings = BTreeMap::new();
        for (name, table) in &file.workload {
            if !workloads.contains(name) {
                let why = format!("[workload.{name}] is for a workload that `workloads` does not name");
                let known: Vec<&str> = workloads.iter().map(String::as_str).collect();
                return Err(self.source.problem(&table.span(), why, nearest(name, &known)));
            }
            settings.insert(name.clone(), table.get_ref().clone());
        }
        Ok(settings)
    }

    fn refusals(&self, file: &File) -> Result<Vec<Refusal>, Problem> {
        let refusal = |(fault, why): (&String, &Spanned<String>)| {
            let at = why.span();
            let place = problem::place(self.source.file, Some(self.source.line(at.start)));
            if why.get_ref().trim().is_empty() {
                let told = format!("`{fault}` is refused for no reason");
                return Err(self.source.problem(&at, told, "say why, for whoever asks for it"));
            }
            Ok(Refusal { fault: fault.clone(), why: why.get_ref().clone(), place })
        };
        file.refuses.iter().map(refusal).collect()
    }

    fn options(&self, file: &File) -> Result<Vec<Choice>, Problem> {
        let mut options = Vec::new();
        for (name, setting) in &file.settings {
            let table = setting.get_ref();
            let default = table.default.get_ref();
            let values: Option<BTreeSet<&String>> =
                table.one_of.as_ref().map(|values| values.iter().collect());
            if values.is_some_and(|values| !values.contains(default)) {
                let why = format!("the default `{default}` of `{name}` is not among `one-of`");
                let at = table.default.span();
                return Err(self.source.problem(&at, why, "add it there, or choose another"));
            }
            let doc = OptionDoc {
                name: name.clone().into(),
                default: default.clone().into(),
                doc: table.doc.clone().into(),
            };
            options.push((doc, table.one_of.clone()));
        }
        Ok(options)
    }
}
