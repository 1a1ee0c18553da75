//! A cluster that is restored from a snapshot, so that nothing that was acknowledged is lost.
//!
//! First no client reaches a node any more: links to all of them refuse, so that what a server has
//! said to a client since then never arrives, nor is it sent again later. Then a node is asked on its
//! own host for something that needs a quorum: it has all by then that was ever acknowledged, and its
//! snapshot is taken. Then all nodes are ended, and get data that is made out of it.

use super::{Held, Scene, Things, links, processes};
use crate::env::cut::{Connections, Crossing, Cut};
use crate::env::data::Files;
use crate::env::{EnvError, ProcessState, Program, Stop};
use crate::nemesis::grudge::{self, Grudge};
use duress_reports::artifact::JournalEvent;
use duress_targets::{ClientError, Lifecycle};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// What the cluster called itself before, by fault.
pub(super) type Restored = BTreeMap<u32, u64>;

/// How long a snapshot may take to become a node's data.
const TOOL_WITHIN: Duration = Duration::from_secs(20);
/// How long the new cluster may take to say what it calls itself.
const NAMED_WITHIN: Duration = Duration::from_secs(20);
/// How often one looks.
const POLL: Duration = Duration::from_millis(20);

/// How clients are held.
const HOLD: Cut = Cut { port: None, connections: Connections::All, reject: true };

fn links_to_clients(scene: Scene<'_>) -> Grudge {
    let n = scene.nodes.len();
    (0..n).flat_map(|node| grudge::clients(node, n)).collect()
}

/// Does it, up to where the nodes are to be started.
pub(super) fn perform(scene: Scene<'_>, held: &Held, victims: &[usize]) -> JournalEvent {
    let (Some(lifecycle), Some(tool)) = (scene.target.lifecycle(), scene.tool) else {
        return JournalEvent::Skipped { why: "there is no program that restores snapshots".to_owned() };
    };
    let did_not_bite = |evidence| JournalEvent::DidNotBite { evidence };
    let mut things = held.things();
    let links = links_to_clients(scene);
    let event = links::cut(scene, &mut things.links, &links, &HOLD).0;
    // What another fault drops silently is sent again later, and may then be believed.
    let refuses = |link| scene.env.probe(link, &HOLD).is_ok_and(|crossing| crossing == Crossing::Refused);
    if !links.iter().all(|&link| refuses(link)) {
        return did_not_bite(format!("clients could not be held: {event:?}"));
    }
    let (asked, cluster, snapshot) = match take(scene, lifecycle) {
        Ok(taken) => taken,
        Err(why) => return did_not_bite(format!("no snapshot was taken: {why}")),
    };
    let ended = processes::stop(scene, &mut things.down, victims, Stop::Kill);
    if let Some(&node) = victims.iter().find(|&&node| scene.env.state(node) != ProcessState::Gone) {
        return did_not_bite(format!("{} did not end: {ended:?}", scene.nodes[node].name));
    }
    things.restored.insert(scene.fault, cluster);
    let kib = snapshot.len().div_ceil(1024);
    let mut evidence = vec![format!("cluster {cluster:x}: a snapshot of {asked}, {kib} KiB")];
    match give(scene, lifecycle, tool, &snapshot, victims) {
        Ok(given) => {
            for (&node, files) in &given {
                evidence.push(format!("{} now has {}", scene.nodes[node].name, files.told()));
            }
            JournalEvent::Bit { evidence: evidence.join("; ") }
        }
        Err(why) => did_not_bite(why),
    }
}

/// Starts the nodes, lets clients to them again, and asks what cluster that is.
pub(super) fn undo(scene: Scene<'_>, held: &Held, victims: &[usize]) -> Result<String, EnvError> {
    let (started, mended, before) = {
        let Things { down, links, restored, .. } = &mut *held.things();
        let started = processes::restart(scene, down, victims);
        let mended = links::mend(scene, links, (&links_to_clients(scene), &HOLD), &Vec::new());
        (started, mended, restored.remove(&scene.fault))
    };
    let told = format!("{}; {}", started?, mended?);
    let (Some(before), Some(lifecycle)) = (before, scene.target.lifecycle()) else { return Ok(told) };
    let unable = |why| EnvError::Unable {
        what: "restore the cluster".to_owned(),
        why,
        fix: "look at the logs of the servers".to_owned(),
    };
    let patience = Instant::now() + NAMED_WITHIN;
    loop {
        let named = victims
            .iter()
            .find_map(|&node| on_host(scene, node, || lifecycle.cluster(&scene.nodes[node])).ok());
        match named {
            Some(now) if now != before => return Ok(format!("cluster {before:x} is now {now:x}; {told}")),
            Some(_) => return Err(unable(format!("it is still cluster {before:x}"))),
            None if Instant::now() >= patience => {
                return Err(unable(format!("no node answers after {NAMED_WITHIN:?}")));
            }
            None => std::thread::sleep(POLL),
        }
    }
}

/// Who was asked, what the cluster calls itself, and the snapshot.
fn take(scene: Scene<'_>, lifecycle: &dyn Lifecycle) -> Result<(String, u64, Vec<u8>), String> {
    let mut why = "no node runs".to_owned();
    for (at, node) in scene.nodes.iter().enumerate() {
        if !matches!(scene.env.state(at), ProcessState::Running { .. }) {
            continue;
        }
        let taken = on_host(scene, at, || async {
            // It has all that was acknowledged, as soon as it answers.
            scene.target.healthy(node).await?;
            Ok((lifecycle.cluster(node).await?, lifecycle.snapshot(node).await?))
        });
        match taken {
            Ok((cluster, snapshot)) => return Ok((node.name.clone(), cluster, snapshot)),
            Err(error) => why = format!("{}: {error}", node.name),
        }
    }
    Err(why)
}

/// Asks a node on its own host: links are not to be crossed.
fn on_host<T: Send, F: Future<Output = Result<T, ClientError>>>(
    scene: Scene<'_>,
    node: usize,
    ask: impl Fn() -> F + Sync,
) -> Result<T, String> {
    let mut answer = Err("it was not asked".to_owned());
    let mut asking = || {
        // One of its own: another one's thread has its sockets elsewhere.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        answer = runtime
            .map_err(|error| error.to_string())
            .and_then(|runtime| runtime.block_on(ask()).map_err(|error| error.to_string()));
    };
    scene.env.on_host(node, &mut asking).map_err(|error| error.to_string())?;
    answer
}

/// Makes data out of a snapshot for all of these, and gives it to them; what each has then.
fn give(
    scene: Scene<'_>,
    lifecycle: &dyn Lifecycle,
    tool: &Program,
    snapshot: &[u8],
    victims: &[usize],
) -> Result<BTreeMap<usize, Files>, String> {
    // In the run's directory: what a kill of Duress leaves of it belongs to the run.
    let log = scene.env.log(0).ok_or("the nodes have no directories")?;
    let folder = log.with_file_name(format!("restored-by-F{}", scene.fault));
    let made = make(scene, lifecycle, tool, (&folder, snapshot), victims);
    // All of it is made before anything is replaced: else half of them would be of another cluster.
    let given = made.and_then(|made| {
        let give = |(&node, from): (&usize, &PathBuf)| Ok((node, scene.env.import_data(node, from)?));
        made.iter().map(give).collect::<Result<_, EnvError>>().map_err(|error| error.to_string())
    });
    // What stays is not in the way of anybody.
    let _ = fs::remove_dir_all(&folder);
    given
}

fn make(
    scene: Scene<'_>,
    lifecycle: &dyn Lifecycle,
    tool: &Program,
    (folder, snapshot): (&Path, &[u8]),
    victims: &[usize],
) -> Result<BTreeMap<usize, PathBuf>, String> {
    let file = folder.join("snapshot");
    fs::create_dir_all(folder).and_then(|()| fs::write(&file, snapshot)).map_err(|e| e.to_string())?;
    let token = format!("duress-F{}", scene.fault);
    let one = |&node: &usize| {
        let to = folder.join(&scene.nodes[node].name);
        let args = lifecycle.restore_args(scene.nodes, &scene.nodes[node], &token, &file, &to);
        use_tool(tool, &args, &folder.join("said"))?;
        Ok((node, to))
    };
    victims.iter().map(one).collect()
}

/// Runs it to its end. What it says goes to a file: nobody reads while it runs.
fn use_tool(tool: &Program, args: &[String], said: &Path) -> Result<(), String> {
    let told = |error: std::io::Error| format!("{}: {error}", tool.path.display());
    let output = File::create(said).map_err(told)?;
    let mut child = Command::new(&tool.path)
        .args(args)
        .envs(tool.env.iter().cloned())
        .stdin(Stdio::null())
        .stdout(output.try_clone().map_err(told)?)
        .stderr(output)
        .spawn()
        .map_err(told)?;
    let patience = Instant::now() + TOOL_WITHIN;
    loop {
        match child.try_wait().map_err(told)? {
            Some(status) if status.success() => return Ok(()),
            Some(status) => {
                let said = fs::read_to_string(said).unwrap_or_default();
                let last = said.lines().last().unwrap_or("nothing");
                return Err(format!("{} ended with {status}, and said: {last}", tool.path.display()));
            }
            None if Instant::now() >= patience => {
                let ended = child.kill().and_then(|()| child.wait());
                let why = ended.map_or_else(|error| error.to_string(), |status| status.to_string());
                return Err(format!("{} took longer than {TOOL_WITHIN:?}: {why}", tool.path.display()));
            }
            None => std::thread::sleep(POLL),
        }
    }
}
