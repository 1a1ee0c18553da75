//! One run, from the plan to the report.
//!
//! Everything that must happen while the process has one thread (obtaining the server,
//! entering a user namespace) happens first; then the environment, whose control port this
//! thread enters; then one async runtime on this thread for scheduler and clients.

mod environment;
mod exits;
mod fleet;
mod helpers;
mod hosts;
mod interrupts;
mod last_words;
pub(crate) mod noted;
mod phases;
mod salvaging;
mod standing;
mod undone;

use crate::checking;
use crate::engine::{Fleet, Stop};
use crate::env::local::{self, Privilege};
use crate::env::{EnvError, Environment, Program};
use crate::event::{Event, Listener, Planned, Stage};
use crate::failure::Failure;
use crate::index;
use crate::machine;
use crate::nemesis::fault::{Fault, PlannedFault};
use crate::nemesis::schedule;
use crate::plan::Plan;
use crate::store::{self, Claim};
use crate::watching::{Feed, Watched, Watching};
use duress_checkers::{Budget, Keys};
use duress_reports::artifact::{Binary, Declaration, FORMAT, NodeInfo, Run, RunInfo, RunStatus};
use duress_reports::conclusion::{Conclusion, Gates, conclude};
use duress_targets::obtain::image::{self, Image};
use duress_targets::obtain::{self, Obtained};
use duress_targets::{Account, Node, Server, Source};
use environment::{disks, limited_memory};
use interrupts::{Interrupts, Standing};
use nix::unistd::Uid;
use salvaging::Salvaging;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

/// What came of a run.
pub struct Outcome {
    /// Where it is kept.
    pub claim: Claim,
    /// As read back from there.
    pub run: Run,
    /// The verdict, with its evidence.
    pub conclusion: Conclusion,
}

/// What has to be had before the process gets its second thread.
pub struct Prepared {
    obtained: Option<Obtained>,
    /// The other version, if one is asked for.
    other: Option<Obtained>,
    /// The operators' own program, if a fault needs it.
    tool: Option<Obtained>,
    /// In whose root file system the servers run.
    image: Option<Image>,
    privilege: Option<Privilege>,
}

/// Obtains the server, and the right to make hosts. Call it while the process has one thread.
///
/// # Errors
/// When either cannot be had.
pub fn prepare(plan: &Plan, listener: &dyn Listener) -> Result<Prepared, Failure> {
    let image = unpack(plan, listener)?;
    let obtained = obtain(plan, plan.options.version.as_ref(), image.as_ref(), listener)?;
    let other = match &plan.options.upgrade_to {
        Some(version) => obtain(plan, Some(version), image.as_ref(), listener)?,
        None => None,
    };
    if let (Some(one), Some(other)) = (&obtained, &other)
        && one.sha256 == other.sha256
    {
        return Err(Failure::usage(
            format!("--upgrade-to {}", other.version),
            "that is the version that the nodes begin with",
            "choose another, or another to begin with: --version",
        ));
    }
    let tool = obtain_tool(plan, obtained.as_ref(), listener)?;
    let privilege = match plan.target.server() {
        Server::Processes(_) if plan.place.is_here() => Some(local::acquire()?),
        // Rights are needed where the hosts are.
        Server::Processes(_) | Server::InProcess(_) => None,
    };
    if let Some(privilege) = privilege {
        match disks(plan) {
            local::Disks::Plain => {}
            local::Disks::Faulty { .. } => local::faulty_disks(privilege)?,
            local::Disks::Ext4 => local::ext4_disks(privilege)?,
        }
        if limited_memory(plan) {
            local::limited_memory(privilege)?;
        }
    }
    Ok(Prepared { obtained, other, tool, image, privilege })
}

/// Runs a plan. A run that fails on its way still has a directory and a report; the error is
/// for what keeps it from even beginning, or from being written down.
///
/// # Errors
/// See [`Failure`].
pub fn run(plan: &Plan, prepared: &Prepared, listener: &Arc<dyn Listener>) -> Result<Outcome, Failure> {
    let nodes = environment::nodes(plan)?;
    let claim = store::claim(&plan.options.out, &plan.name(), plan.options.dir.as_deref())?;
    let mut info = describe(plan, &claim, &nodes, prepared);
    claim.dir.write_info(&info)?;
    write_schedule(plan, &claim)?;
    announce(plan, &claim, &nodes, &**listener);
    let budget = checking::budget(plan.options.check_memory);
    let interrupts = Interrupts::listen(Arc::clone(&budget), Arc::clone(listener)).map_err(no_runtime)?;
    let watch = (plan.workload.make)().watch();
    let told: Arc<dyn Listener> = if plan.options.stop_on_violation {
        let (standing, stop) = (interrupts.standing(), interrupts.stop());
        Arc::new(StopsThere { listener: Arc::clone(listener), standing, stop })
    } else {
        Arc::clone(listener)
    };
    let watching = Watching::start(watch, told).map_err(no_thread)?;
    let mut capture = Vec::new();
    let mut salvaging = Salvaging::begin();
    let attempt = fleet::start(plan, &claim, &nodes).and_then(|fleet| {
        let told = (&mut info, &**listener);
        let env = environment::make(plan, &claim, (&nodes, fleet.as_ref()), prepared, told)?;
        let programs = programs(plan, prepared);
        let tool = prepared.tool.as_ref().map(|tool| as_program(tool, Vec::new()));
        let talk = (listener, interrupts.stop(), interrupts.standing(), watching.feed());
        let kept = (&mut info, &mut capture, &mut salvaging);
        conduct(plan, &claim, (&nodes, fleet), (env, programs, tool), talk, kept)
    });
    if let Err(failure) = &attempt {
        info.status = RunStatus::Failed;
        info.failure = Some(failure.to_run_failure());
    }
    info.noted = noted::count(&claim.dir, &info, &noted::texts(&info.gates, &*plan.target));
    claim.dir.write_info(&info)?;
    interrupts.checking();
    listener.event(&Event::Phase(Stage::Check, "checking the history"));
    conclude_run(plan, claim, &budget, &watching.finish(), (&capture, salvaging), &**listener)
}

/// Hosts, and who they are.
pub(crate) struct Cluster {
    pub(crate) env: Arc<dyn Environment>,
    pub(crate) nodes: Arc<[Node]>,
}

/// The cluster of a plan, in this directory, for whoever does something else with it than a run: its hosts
/// are there, and nothing is started.
pub(crate) fn cluster(
    plan: &Plan,
    prepared: &Prepared,
    claim: &Claim,
    listener: &dyn Listener,
) -> Result<Cluster, Failure> {
    let nodes = environment::nodes(plan)?;
    let mut info = describe(plan, claim, &nodes, prepared);
    let env = environment::make(plan, claim, (&nodes, None), prepared, (&mut info, listener))?;
    Ok(Cluster { env, nodes })
}

/// Checks what is on disk, and writes verdict and reports.
fn conclude_run(
    plan: &Plan,
    claim: Claim,
    budget: &Arc<Budget>,
    watched: &Watched,
    (capture, mut salvaging): (&[u8], Salvaging),
    listener: &dyn Listener,
) -> Result<Outcome, Failure> {
    let mut run = claim.dir.load()?;
    let verdicts = if run.history.is_empty() {
        Vec::new()
    } else {
        let checker = (plan.workload.make)().checker(Keys::Keyed);
        let began = Instant::now();
        let verdict = checking::check(&*checker, &run.history, budget, plan.options.check_time);
        run.info.check_ms = Some(u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX));
        let (verdict, doubt) = watched.compare(verdict, &*checker, &run.history, plan.options.check_memory);
        if let Some(doubt) = doubt {
            run.info.doubts.push(doubt);
        }
        claim.dir.write_info(&run.info)?;
        vec![verdict]
    };
    let mut conclusion = conclude(&run, verdicts);
    // Frames and data say most where something went wrong.
    let wrong = conclusion.outcome != duress_reports::conclusion::Outcome::Valid;
    if !capture.is_empty() && (plan.options.capture || wrong) {
        claim.dir.write_capture(capture)?;
        run.captured = true;
    }
    if plan.options.keep_data || wrong {
        salvaging.keep_data(&claim.dir, &mut run.info);
        claim.dir.write_info(&run.info)?;
    }
    conclusion.list_files(&run, plan.options.plots);
    duress_reports::write(&claim.dir, &run, &conclusion)?;
    // Not an error of the run: it is found without its line, too.
    if plan.options.dir.is_none()
        && let Err(failure) = index::append(&plan.options.out, &claim.dir, &run.info, &conclusion)
    {
        listener.event(&Event::Note(&format!("{failure}")));
    }
    Ok(Outcome { claim, run, conclusion })
}

/// Leaves the cluster as it is when the first violation shows.
struct StopsThere {
    listener: Arc<dyn Listener>,
    standing: Standing,
    stop: Stop,
}

impl Listener for StopsThere {
    fn event(&self, event: &Event<'_>) {
        self.listener.event(event);
        if let Event::Alarm(_) = event {
            self.standing.want(&self.stop);
        }
    }
}

/// Goes through the phases, and takes the environment down again.
fn conduct(
    plan: &Plan,
    claim: &Claim,
    (nodes, fleet): (&Arc<[Node]>, Option<Arc<Fleet>>),
    (env, programs, tool): (Arc<dyn Environment>, Arc<[Program]>, Option<Program>),
    (listener, stop, standing, feed): (&Arc<dyn Listener>, Stop, Standing, Feed),
    (info, capture, salvaging): (&mut RunInfo, &mut Vec<u8>, &mut Salvaging),
) -> Result<(), Failure> {
    env.enter()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(no_runtime)?;
    let mut phases = phases::Phases {
        plan,
        dir: &claim.dir,
        nodes: Arc::clone(nodes),
        env: Arc::clone(&env),
        fleet,
        programs,
        tool,
        listener: Arc::clone(listener),
        stop,
        standing,
        exits: None,
        feed,
        info,
    };
    let outcome = runtime.block_on(phases.go());
    drop(phases);
    // Blocking calls of the nemesis hold the environment; the runtime waits for them here.
    drop(runtime);
    info.warnings.extend(env.warnings());
    let mut noted = Ok(());
    if let Some(network) = env.network() {
        noted = claim.dir.write_flows(&network.flows);
        *capture = network.capture;
    }
    salvaging.save(&*env, nodes, &claim.dir, info);
    // The cluster is gone before the history is checked: checking wants the machine.
    drop(env);
    outcome.and(noted.map_err(Failure::from))
}

#[expect(clippy::needless_pass_by_value, reason = "for `map_err`")]
pub(crate) fn no_thread(source: std::io::Error) -> Failure {
    Failure::Environment(EnvError::Unable {
        what: "start a thread".to_owned(),
        why: source.to_string(),
        fix: "raise the limit of processes (ulimit -u)".to_owned(),
    })
}

#[expect(clippy::needless_pass_by_value, reason = "for `map_err`")]
pub(crate) fn no_runtime(source: std::io::Error) -> Failure {
    Failure::Environment(EnvError::Unable {
        what: "start the async runtime".to_owned(),
        why: source.to_string(),
        fix: "raise the limit of open files (ulimit -n)".to_owned(),
    })
}

/// Gets the server of this version; whatever there is without one. A binary that is given is the one
/// that the nodes begin with.
fn obtain(
    plan: &Plan,
    version: Option<&String>,
    image: Option<&Image>,
    listener: &dyn Listener,
) -> Result<Option<Obtained>, Failure> {
    let Server::Processes(launch) = plan.target.server() else { return Ok(None) };
    if plan.place.has_servers() {
        return Ok(None);
    }
    if let (Source::Named { program, place }, Some(image)) = (launch.source(), image) {
        let (program, place) = plan.options.bin.as_deref().map_or((program, place), |bin| (bin, "--bin"));
        return Ok(Some(image::program(image, program, place)?));
    }
    let request = obtain::Request {
        bin: plan.options.bin.clone().filter(|_| version == plan.options.version.as_ref()),
        version: version.cloned(),
        ..obtain::Request::new(obtain::default_cache()?)
    };
    let mut talk = |told: &str| listener.event(&Event::Note(told));
    let obtained = match launch.source() {
        Source::Recipe(recipe) => obtain::obtain(recipe, &request, &mut talk)?,
        // The hosts are asked for it first.
        Source::Named { program, place } if !plan.place.is_here() && request.bin.is_none() => {
            return Ok(obtain::named(program, place, &request).ok());
        }
        Source::Named { program, place } => obtain::named(program, place, &request)?,
    };
    Ok(Some(obtained))
}

/// The files in which the servers run, if they are not this machine's.
fn unpack(plan: &Plan, listener: &dyn Listener) -> Result<Option<Image>, Failure> {
    let Server::Processes(launch) = plan.target.server() else { return Ok(None) };
    let Some(path) = launch.rootfs().filter(|_| !plan.place.has_servers()) else { return Ok(None) };
    if let Source::Recipe(_) = launch.source() {
        return Err(Failure::usage(
            format!("a root file system with {}", plan.entry.name),
            "its program is obtained for this machine, and is not in there",
            "name a program in the image",
        ));
    }
    let mut talk = |told: &str| listener.event(&Event::Note(told));
    let image = image::unpack(path, &obtain::default_cache()?, &mut talk)?;
    // An ordinary user's servers are that user's, whatever an image says.
    if let Some(user) = environment::image_user(launch, &image).filter(|_| Uid::effective().is_root()) {
        Account::find(user, &image.root).map_err(|told| {
            let (why, fix) = told.split_once("; ").unwrap_or((&told, "set `user` in [server]"));
            Failure::usage(format!("the image {}", path.display()), why, fix)
        })?;
    }
    let entry = image.defaults.entrypoint.first();
    if let (Some(entry), Source::Named { program, .. }) = (entry, launch.source())
        && program.file_name() != Path::new(entry).file_name()
    {
        talk(&format!("the image's entry point {entry} is not run: `start` is the whole command"));
    }
    Ok(Some(image))
}

/// Gets what operators use, if a fault needs it: of the server's own version, since it writes the
/// server's files. A server that the user has built comes with one of his own, on `PATH`.
fn obtain_tool(
    plan: &Plan,
    server: Option<&Obtained>,
    listener: &dyn Listener,
) -> Result<Option<Obtained>, Failure> {
    let restores =
        |planned: &PlannedFault| matches!(planned.fault, Fault::Lifecycle { act, .. } if act.restores());
    let (Some(recipe), Some(server)) = (plan.entry.tool, server) else { return Ok(None) };
    if !plan.schedule.iter().any(restores) {
        return Ok(None);
    }
    let version = Some(server.version.clone());
    let request = obtain::Request { version, ..obtain::Request::new(obtain::default_cache()?) };
    let obtained = obtain::obtain(recipe, &request, &mut |told: &str| listener.event(&Event::Note(told)))?;
    Ok(Some(obtained))
}

/// The versions that there are; none of what lives inside Duress.
fn programs(plan: &Plan, prepared: &Prepared) -> Arc<[Program]> {
    let Server::Processes(launch) = plan.target.server() else { return Arc::default() };
    let program = |obtained: &Obtained| as_program(obtained, launch.env());
    prepared.obtained.iter().chain(&prepared.other).map(program).collect()
}

fn as_program(obtained: &Obtained, env: Vec<(String, String)>) -> Program {
    let env = [env, obtained.env()].concat();
    Program { path: obtained.path.clone(), libraries: obtained.libraries.clone(), env }
}

fn announce(plan: &Plan, claim: &Claim, nodes: &[Node], listener: &dyn Listener) {
    listener.event(&Event::Planned(Planned {
        name: &plan.name(),
        seed: plan.seed,
        dir: claim.dir.path(),
        nodes,
        clients: plan.workload_options.concurrency,
        time: plan.options.time,
        faults: &plan.schedule,
        check_time: plan.options.check_time,
    }));
}

/// For `--schedule`, and for whoever wants to change it.
fn write_schedule(plan: &Plan, claim: &Claim) -> Result<(), Failure> {
    let path = schedule_file(claim);
    std::fs::write(&path, schedule::write(&plan.schedule)).map_err(|source| Failure::File {
        path,
        what: "written",
        source,
    })
}

fn schedule_file(claim: &Claim) -> PathBuf {
    claim.dir.path().join("schedule.toml")
}

fn gates(plan: &Plan) -> Gates {
    Gates { min_ok: plan.options.min_ok, kinds: plan.kinds(), rules: plan.options.gates.clone() }
}

fn binary(obtained: &Obtained) -> Binary {
    Binary {
        path: obtained.path.display().to_string(),
        version: obtained.version.clone(),
        sha256: obtained.sha256.clone(),
        source: obtained.source.clone(),
    }
}

fn describe(plan: &Plan, claim: &Claim, nodes: &[Node], prepared: &Prepared) -> RunInfo {
    let privilege = match prepared.privilege {
        None if plan.place.has_servers() => "root",
        None if !plan.place.is_here() => "root on the hosts",
        Some(Privilege::Root) => "root",
        Some(Privilege::UserNamespace) => "user namespace",
        None => "none needed",
    };
    let binary = prepared.obtained.as_ref().map(binary);
    let node = |node: &Node| NodeInfo {
        name: node.name.clone(),
        addr: node.addr.to_string(),
        log: None,
        version: None,
    };
    RunInfo {
        format: FORMAT,
        id: claim.id.clone(),
        name: plan.name(),
        status: RunStatus::Running,
        started: jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        duress: env!("CARGO_PKG_VERSION").to_owned(),
        repeat: plan.repeat(
            binary.as_ref().map(|binary| binary.version.as_str()).filter(|&v| v != obtain::UNVERSIONED),
            Some(&schedule_file(claim)),
        ),
        target: plan.entry.name.clone(),
        workload: plan.workload.name.to_owned(),
        seed: plan.seed,
        nodes: nodes.iter().map(node).collect(),
        options: plan.table(),
        binary,
        machine: machine::describe(privilege),
        phases: Vec::new(),
        warnings: Vec::new(),
        doubts: Vec::new(),
        unrecovered: None,
        exits: Vec::new(),
        noted: std::collections::BTreeMap::new(),
        stopped: None,
        setup_ms: 0,
        gates: gates(plan),
        failure: None,
        known: plan.known.clone(),
        canary: plan.options.canary,
        settings: plan.unusual_settings(),
        labels: plan.options.labels.clone(),
        check_ms: None,
        declaration: plan
            .entry
            .declaration
            .as_ref()
            .map(|file| Declaration { path: file.path.display().to_string(), text: file.text.clone() }),
        clock_epoch: None,
        load: Vec::new(),
        kept: Vec::new(),
    }
}
