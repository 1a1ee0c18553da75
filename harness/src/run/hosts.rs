//! A cluster on hosts that others have made: which program its servers are, what is brought there, and what has
//! to be there already. All of it is known before any server is started.

use super::binary;
use super::environment::Parts;
use crate::env::remote::hosts::Hosts;
use crate::env::remote::{self, Reached, Remote, Server, ServerProgram};
use crate::event::{Event, Listener};
use crate::failure::Failure;
use duress_reports::artifact::{RunFailure, RunInfo};
use duress_targets::obtain::Obtained;
use duress_targets::{Launch, Needs, Node, Source};
use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

/// Letters of a program's SHA-256 that tell it from others.
const TELLING: usize = 12;

/// Makes it. Which binary the servers are is noted.
pub(super) fn make(parts: Parts<'_>, hosts: &Hosts, info: &mut RunInfo) -> Result<Remote, Failure> {
    let Parts { plan, claim, nodes, prepared, launch, dir, log_name, listener, fleet } = parts;
    let config = remote::Config {
        transports: hosts.transports(nodes.len()),
        nodes: nodes.to_owned(),
        run: remote::run_name(&claim.id),
        logs_dir: dir,
        log_name,
        dead_man: hosts.ssh.dead_man,
        wants: remote::wants(&plan.schedule),
        origins: fleet.map(|fleet| fleet.origins()).unwrap_or_default(),
    };
    Remote::create(&config, |reached| {
        ports_are_free(reached, nodes, &plan.entry.ports)?;
        let needs = launch.needs();
        programs_are_there(reached, &needs)?;
        bring(reached, launch, &needs)?;
        let sought = Sought { launch, needs: &needs, obtained: prepared.obtained.as_ref(), listener };
        let programs = sought.programs(reached, plan.options.bin.is_some(), info)?;
        let server = |(at, program): (usize, ServerProgram)| Server {
            program,
            args: launch.args(nodes, &nodes[at], reached.data_dir(at)),
            env: launch.env(),
        };
        Ok(programs.into_iter().enumerate().map(server).collect())
    })
}

fn refuse<T>(what: impl Into<String>, why: impl Into<String>, fix: impl Into<String>) -> Result<T, Failure> {
    Err(Failure::Run(RunFailure { what: what.into(), why: why.into(), fix: fix.into() }))
}

/// Another server at a node's port would be talked to in place of the node's own.
fn ports_are_free(reached: &Reached<'_>, nodes: &[Node], ports: &[u16]) -> Result<(), Failure> {
    match reached.busy(ports)? {
        None => Ok(()),
        Some((at, port)) => refuse(
            format!("{} cannot be {}", reached.host(at), nodes[at].name),
            format!("somebody listens at its port {port} already"),
            "end that (`ss -ltnp` says who it is), or use another port or another host",
        ),
    }
}

/// Those that are run to learn how a node is, or to ask it to end.
fn programs_are_there(reached: &Reached<'_>, needs: &Needs) -> Result<(), Failure> {
    for named in &needs.programs {
        let found = reached.find(&named.path)?;
        if let Some(at) = found.iter().position(Option::is_none) {
            return refuse(
                named.place.clone(),
                format!("there is no program `{}` on {}", named.path.display(), reached.host(at)),
                "install it there, or put it beside the file and write ./PROGRAM",
            );
        }
    }
    Ok(())
}

/// Files that commands name, which are here, once each.
///
/// # Errors
/// When one is somewhere else, or is not there.
pub(super) fn beside(needs: &Needs) -> Result<Vec<PathBuf>, Failure> {
    for named in &needs.files {
        let plain = named.path.components().all(|part| matches!(part, Component::Normal(_)));
        if !plain {
            let why = format!("`{}` is not in the directory of the file", named.path.display());
            return refuse(
                named.place.clone(),
                why,
                "put it there: what is beside the file is brought to hosts",
            );
        }
        if !needs.folder.join(&named.path).exists() {
            let why = format!("there is no file `{}` to be brought to the hosts", named.path.display());
            return refuse(named.place.clone(), why, "check the path, seen from the file");
        }
    }
    let files: BTreeSet<PathBuf> = needs.files.iter().map(|named| named.path.clone()).collect();
    Ok(files.into_iter().collect())
}

fn bring(reached: &Reached<'_>, launch: &dyn Launch, needs: &Needs) -> Result<(), Failure> {
    let files = beside(needs)?;
    if !files.is_empty() {
        launch.moved(&reached.bring(&needs.folder, &files)?);
    }
    Ok(())
}

/// The program of the servers, before one knows where it is.
struct Sought<'a> {
    launch: &'a dyn Launch,
    needs: &'a Needs,
    /// On this machine, if it is there.
    obtained: Option<&'a Obtained>,
    listener: &'a dyn Listener,
}

impl Sought<'_> {
    /// For each node. One that Duress has got, that was given by `--bin` or that is beside the target's file is
    /// sent. Of any other the hosts have their own, if all of them have it; if none has, this machine's is sent.
    fn programs(
        &self,
        reached: &Reached<'_>,
        given: bool,
        info: &mut RunInfo,
    ) -> Result<Vec<ServerProgram>, Failure> {
        let Source::Named { program, place } = self.launch.source() else { return self.sent(reached) };
        let beside = self.needs.files.iter().any(|named| self.needs.folder.join(&named.path) == program);
        if given || beside {
            return match self.obtained {
                Some(_) => self.sent(reached),
                None => refuse(place, format!("there is no program {}", program.display()), "check the path"),
            };
        }
        let found = reached.find(program)?;
        let (has, lacks) = (found.iter().position(Option::is_some), found.iter().position(Option::is_none));
        match (has, lacks) {
            (Some(_), None) => Ok(self.theirs(reached, found.into_iter().flatten().collect(), info)),
            (None, _) if self.obtained.is_some() => self.sent(reached),
            (None, _) => refuse(
                place,
                format!(
                    "there is no program `{}` on {}, nor on this machine",
                    program.display(),
                    reached.host(0)
                ),
                "install it on the hosts, or give a file of this machine: --bin",
            ),
            (Some(has), Some(lacks)) => refuse(
                place,
                format!(
                    "{} has the program `{}`, and {} has not",
                    reached.host(has),
                    program.display(),
                    reached.host(lacks)
                ),
                "install it on all hosts, or give a file of this machine: --bin",
            ),
        }
    }

    fn sent(&self, reached: &Reached<'_>) -> Result<Vec<ServerProgram>, Failure> {
        let Some(Obtained { path, libraries, sha256, .. }) = self.obtained else {
            unreachable!("it has been obtained, or its absence told")
        };
        let told = format!("the servers are {} of this machine", short(path, sha256));
        self.listener.event(&Event::Note(&told));
        let sent = ServerProgram::Sent { path: path.clone(), libraries: libraries.clone() };
        Ok(vec![sent; reached.count()])
    }

    fn theirs(&self, reached: &Reached<'_>, found: Vec<Obtained>, info: &mut RunInfo) -> Vec<ServerProgram> {
        let first = &found[0];
        let other = found.iter().position(|other| other.sha256 != first.sha256);
        let told = match other {
            None => format!("the servers are {} of the hosts", short(&first.path, &first.sha256)),
            Some(at) => {
                let told = format!(
                    "the hosts have different programs: {} on {}, {} on {}",
                    short(&first.path, &first.sha256),
                    reached.host(0),
                    short(&found[at].path, &found[at].sha256),
                    reached.host(at)
                );
                info.warnings.push(told.clone());
                told
            }
        };
        self.listener.event(&Event::Note(&told));
        info.binary = Some(binary(&Obtained { source: "on the hosts".to_owned(), ..first.clone() }));
        found.into_iter().map(|found| ServerProgram::There(found.path)).collect()
    }
}

fn short(path: &Path, sha256: &str) -> String {
    format!("{} (SHA-256 {}…)", path.display(), &sha256[..TELLING.min(sha256.len())])
}
