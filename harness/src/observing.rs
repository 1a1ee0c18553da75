//! Looks at the nodes while a run goes on: what each says of itself, and what its processes do. What
//! changes is written down, and told; and who leads, for faults on the leader.
//!
//! Each node is asked on its own host, so that no cut link and no mistreated packet stands between: what
//! clients see of a node is in the history.

use crate::engine::Clock;
use crate::env::{Environment, ProcessState};
use crate::event::{Event, Listener};
use crate::failure::Failure;
use duress_reports::artifact::{NodeSeen, NodeState};
use duress_targets::{Node, NodeStatus, Target};
use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

/// Between an answer and the next question.
const ASK_EVERY: Duration = Duration::from_millis(250);
/// Who has not answered by then has its processes looked at. That reads all of `/proc`, which is why
/// it is not done before; a healthy node answers in milliseconds.
const LOOK_AFTER: Duration = Duration::from_millis(100);
/// Who has not answered by then is silent.
const ANSWER_WITHIN: Duration = Duration::from_secs(1);
/// How long a node may take to say whether it leads, when that is asked for a fault.
const LEADS_WITHIN: Duration = Duration::from_millis(800);
/// How often all are asked for that.
const LEADER_POLL: Duration = Duration::from_millis(100);
/// Such questions that wait at a node.
const QUESTIONS: usize = 64;
/// Most lines of the file, some 80 bytes each.
const MAX_LINES: usize = 100_000;

/// Threads that look, one for each node: a thread is on one host only.
pub struct Observers {
    over: watch::Sender<bool>,
    /// By the names of the nodes.
    threads: Vec<(String, JoinHandle<Result<(), String>>)>,
    asker: Asker,
    log: Option<Arc<NodeLog>>,
}

/// Has them ask what is wanted now. Without them, nobody answers.
#[derive(Clone)]
pub struct Asker(Arc<[mpsc::Sender<Question>]>);

/// Where the answer goes.
type Question = oneshot::Sender<NodeStatus>;

impl Asker {
    /// Who leads, by the highest term, among those who say that they do. Asks until somebody does, for
    /// as long as `wait`.
    pub async fn leader(&self, wait: Duration) -> Option<usize> {
        let patience = Instant::now() + wait;
        loop {
            let mut asked = JoinSet::new();
            for (at, node) in self.0.iter().cloned().enumerate() {
                asked.spawn(async move {
                    let status = timeout(LEADS_WITHIN.min(wait), status(&node)).await;
                    status.ok().flatten().filter(|s| s.leads == Some(true)).map(|s| (s.term, at))
                });
            }
            let leader = asked.join_all().await.into_iter().flatten().max();
            if let Some((_, at)) = leader {
                return Some(at);
            }
            if Instant::now() >= patience {
                return None;
            }
            sleep(LEADER_POLL).await;
        }
    }
}

async fn status(node: &mpsc::Sender<Question>) -> Option<NodeStatus> {
    let (tell, told) = oneshot::channel();
    node.send(tell).await.ok()?;
    told.await.ok()
}

/// Where they write what they see.
pub struct NodeLog {
    clock: Clock,
    listener: Arc<dyn Listener>,
    names: Vec<String>,
    written: Mutex<Written>,
}

struct Written {
    file: File,
    /// What each node was last seen to be.
    last: Vec<Option<Seen>>,
    lines: usize,
    /// Why nothing more is written.
    ended: Option<String>,
}

/// One look at a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Seen {
    state: NodeState,
    leads: Option<bool>,
    term: Option<u64>,
}

impl From<NodeState> for Seen {
    fn from(state: NodeState) -> Self {
        Self { state, leads: None, term: None }
    }
}

impl From<NodeStatus> for Seen {
    fn from(status: NodeStatus) -> Self {
        Self { state: NodeState::Answers, leads: status.leads, term: status.term }
    }
}

impl Observers {
    /// Begins to look at all nodes, into the log if there is one; otherwise they are only asked what
    /// somebody wants to know.
    ///
    /// # Errors
    /// When there can be no more threads.
    pub fn start(
        env: &Arc<dyn Environment>,
        target: &Arc<dyn Target>,
        nodes: &[Node],
        log: Option<NodeLog>,
    ) -> std::io::Result<Self> {
        let (over, watching) = watch::channel(false);
        let log = log.map(Arc::new);
        let (mut threads, mut askers) = (Vec::with_capacity(nodes.len()), Vec::with_capacity(nodes.len()));
        for (at, node) in nodes.iter().enumerate() {
            let observer = Observer {
                env: Arc::clone(env),
                target: Arc::clone(target),
                node: node.clone(),
                at,
                log: log.clone(),
            };
            let (asker, questions) = mpsc::channel(QUESTIONS);
            askers.push(asker);
            let over = watching.clone();
            let work = move || observer.work(questions, over);
            threads.push((
                node.name.clone(),
                std::thread::Builder::new().name(format!("looks at {}", node.name)).spawn(work)?,
            ));
        }
        Ok(Self { over, threads, asker: Asker(askers.into()), log })
    }

    /// For who wants to know something now.
    pub fn asker(&self) -> Asker {
        self.asker.clone()
    }

    /// Ends it, and answers with what was not as it should be, in sentences.
    pub fn finish(self) -> Vec<String> {
        let _ = self.over.send(true);
        let mut warnings = Vec::new();
        for (name, thread) in self.threads {
            match thread.join() {
                Ok(Ok(())) => {}
                Ok(Err(why)) => warnings.push(format!("nobody looked at {name}: {why}")),
                Err(_) => warnings.push(format!("who looked at {name} panicked; this is a bug in Duress")),
            }
        }
        let log = self.log.iter();
        warnings.extend(log.filter_map(|log| log.written().ended.take()));
        warnings
    }
}

/// Looks at one node.
struct Observer {
    env: Arc<dyn Environment>,
    target: Arc<dyn Target>,
    node: Node,
    at: usize,
    log: Option<Arc<NodeLog>>,
}

impl Observer {
    fn work(
        &self,
        questions: mpsc::Receiver<Question>,
        mut over: watch::Receiver<bool>,
    ) -> Result<(), String> {
        self.env.enter_node(self.at).map_err(|error| error.to_string())?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.map_err(|error| error.to_string())?.block_on(async {
            tokio::select! {
                () = self.keep_looking(questions) => {}
                // Whoever started it may be gone, too.
                _ = over.wait_for(|over| *over) => {}
            }
        });
        Ok(())
    }

    /// One question at a time, whoever has it.
    async fn keep_looking(&self, mut questions: mpsc::Receiver<Question>) {
        let (mut last, mut due) = (None, Instant::now());
        loop {
            tokio::select! {
                asked = questions.recv() => match asked {
                    Some(question) => self.answer(question).await,
                    None => return,
                },
                () = tokio::time::sleep_until(due), if self.log.is_some() => {
                    let seen = self.look(last).await;
                    self.log.iter().for_each(|log| log.note(self.at, seen));
                    last = Some(seen.state);
                    due = Instant::now() + ASK_EVERY;
                }
            }
        }
    }

    /// For as long as somebody waits for it.
    async fn answer(&self, mut question: Question) {
        let status = tokio::select! {
            status = self.target.status(&self.node) => status.ok(),
            () = question.closed() => None,
        };
        if let Some(status) = status {
            // Who asked may have given up.
            let _ = question.send(status);
        }
    }

    async fn look(&self, last: Option<NodeState>) -> Seen {
        // Who stands still answers all that was asked meanwhile as soon as it goes on: it is not asked.
        if let Some(NodeState::Paused | NodeState::Down) = last
            && let Some(state) = self.disabled()
        {
            return state.into();
        }
        let mut answer = pin!(timeout(ANSWER_WITHIN, self.target.status(&self.node)));
        let mut answered = timeout(LOOK_AFTER, answer.as_mut()).await;
        if answered.is_err() {
            match self.disabled() {
                Some(state) => return state.into(),
                None => answered = Ok(answer.await),
            }
        }
        match answered {
            Ok(Ok(Ok(status))) => status.into(),
            _ => self.disabled().unwrap_or(NodeState::Silent).into(),
        }
    }

    /// What keeps it from running, by its processes.
    fn disabled(&self) -> Option<NodeState> {
        match self.env.state(self.at) {
            ProcessState::Running { .. } => None,
            // Who is starved is stopped most of the time, and answers all the same.
            ProcessState::Paused { .. } if self.env.starved(self.at) > 0 => None,
            ProcessState::Paused { .. } => Some(NodeState::Paused),
            ProcessState::Gone | ProcessState::Orphaned { .. } => Some(NodeState::Down),
        }
    }
}

impl NodeLog {
    /// Creates `nodes.jsonl`.
    ///
    /// # Errors
    /// When the file cannot be created.
    pub fn create(
        path: PathBuf,
        nodes: &[Node],
        clock: Clock,
        listener: Arc<dyn Listener>,
    ) -> Result<Self, Failure> {
        let file =
            File::create_new(&path).map_err(|source| Failure::File { path, what: "created", source })?;
        let names: Vec<String> = nodes.iter().map(|node| node.name.clone()).collect();
        let written = Written { file, last: vec![None; names.len()], lines: 0, ended: None };
        Ok(Self { clock, listener, names, written: Mutex::new(written) })
    }

    fn written(&self) -> MutexGuard<'_, Written> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Each line is written at once, since there are few; nobody needs them after a power failure.
    fn note(&self, node: usize, mut seen: Seen) {
        // A single server without terms says that it leads, and has nobody to lead.
        if self.names.len() == 1 && seen.term.is_none() {
            seen.leads = None;
        }
        let line = {
            let mut written = self.written();
            if written.last[node].replace(seen) == Some(seen) {
                return;
            }
            let Seen { state, leads, term } = seen;
            // Stamped where nobody else is: times in the file do not go backwards.
            let at = self.clock.now();
            let line = NodeSeen { at, node: self.names[node].clone(), state, leads, term };
            written.write(&line);
            line
        };
        self.listener.event(&Event::Node(&line));
    }
}

impl Written {
    /// A file that cannot be written costs no more than itself.
    fn write(&mut self, line: &NodeSeen) {
        if self.ended.is_some() {
            return;
        }
        if self.lines == MAX_LINES {
            self.ended = Some(format!("nodes.jsonl ends after {MAX_LINES} changes"));
            return;
        }
        self.lines += 1;
        let written = serde_json::to_vec(line).map_err(std::io::Error::from).and_then(|mut bytes| {
            bytes.push(b'\n');
            self.file.write_all(&bytes)
        });
        self.ended = written.err().map(|error| format!("nodes.jsonl cannot be written: {error}"));
    }
}
