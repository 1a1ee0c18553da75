//! Judges the history while it happens, beside the run, so that a violation is told when it shows.
//!
//! It decides nothing: the verdict is that of the checker, on the history read back from disk. The two
//! are compared, and where they contradict each other the run proves nothing.
//!
//! The engine does not wait for it. What the recorder has written goes through a bounded queue; when
//! that is full, watching ends there, and says so.

use crate::checking;
use crate::event::{Event, Listener};
use duress_checkers::{Alarm, Checker, History, Op, Tally, Valid, Verdict, Watch};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Operations that wait to be looked at.
const QUEUE: usize = 1 << 17;

/// How often it looks past the operations that are open, and says how far it is.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Violations that are told one by one; all are counted.
const MAX_TOLD: usize = 8;

/// How long the proof of one violation may take, when there was no time for the whole history.
const PROOF_LIMIT: Duration = Duration::from_secs(5);

/// A watch on a run.
pub struct Watching {
    feed: Feed,
    thread: JoinHandle<Watched>,
}

/// Takes in operations, without ever waiting.
#[derive(Clone)]
pub struct Feed {
    queue: SyncSender<Op>,
    offered: Arc<AtomicU64>,
    full: Arc<AtomicBool>,
}

/// What a watch has seen.
#[derive(Debug, Default)]
pub struct Watched {
    /// Violations, as they showed.
    pub alarms: Vec<Alarm>,
    /// How far it came.
    pub tally: Tally,
    /// Why it ended before the history did.
    pub ended: Option<String>,
}

impl Feed {
    /// Offers the next operation of the history.
    pub fn offer(&self, op: Op) {
        // One operation missing, and what follows means something else.
        if !self.full.load(Ordering::Relaxed) {
            self.offered.fetch_add(1, Ordering::Relaxed);
            self.full.store(self.queue.try_send(op).is_err(), Ordering::Relaxed);
        }
    }
}

impl Watching {
    /// Watches what is offered, and tells `listener`.
    ///
    /// # Errors
    /// When there can be no more threads.
    pub fn start(watch: Box<dyn Watch>, listener: Arc<dyn Listener>) -> std::io::Result<Self> {
        let (queue, ops) = sync_channel(QUEUE);
        let feed = Feed { queue, offered: Arc::default(), full: Arc::default() };
        let (offered, full) = (Arc::clone(&feed.offered), Arc::clone(&feed.full));
        let thread = std::thread::Builder::new().name("watching".to_owned()).spawn(move || {
            let mut watcher = Watcher { watch, listener, offered, full, watched: Watched::default() };
            // A panic is our bug, and costs the watch but not the run.
            if catch_unwind(AssertUnwindSafe(|| watcher.follow(&ops))).is_err() {
                watcher.end("it panicked; this is a bug in Duress".to_owned());
            }
            watcher.watched
        })?;
        Ok(Self { feed, thread })
    }

    /// Where operations go.
    pub fn feed(&self) -> Feed {
        self.feed.clone()
    }

    /// What was seen. Ends when every other [`Feed`] is gone.
    pub fn finish(self) -> Watched {
        drop(self.feed);
        self.thread.join().unwrap_or_default()
    }
}

impl Watched {
    /// Compares a verdict on the whole history with what was seen. A verdict that is missing for want of
    /// time or memory is looked for once more, where a violation showed: one is never masked by a
    /// checker that gave up. Answers with the verdict, and with what makes it doubtful.
    pub fn compare(
        &self,
        mut verdict: Verdict,
        checker: &dyn Checker,
        history: &History,
        memory: usize,
    ) -> (Verdict, Option<String>) {
        // What never reached the disk cannot be compared.
        let seen = || self.alarms.iter().filter(|alarm| alarm.index < history.len() as u64);
        let whole = self.ended.is_none() && self.tally.deferred.is_empty();
        let same = self.tally.events == history.len() as u64;
        let contradiction = match (verdict.valid, seen().next()) {
            (Valid::Unknown, Some(_)) => {
                let proven = seen().find_map(|alarm| prove(alarm, checker, history, memory));
                let doubt = format!("not proven in time: {}, as seen while the run went on", self.alarms[0]);
                return match proven {
                    Some(proof) => {
                        let Verdict { valid, findings, findings_omitted, .. } = proof;
                        (Verdict { valid, findings, findings_omitted, ..verdict }, None)
                    }
                    None => (verdict, Some(doubt)),
                };
            }
            (Valid::Valid, Some(alarm)) => {
                format!("{alarm}, as seen while the run went on; and the whole history was found valid")
            }
            (Valid::Violation, None) if whole && same => {
                "while the run went on, no violation showed, and the whole history has one".to_owned()
            }
            _ => return (verdict, None),
        };
        let bug = format!("internal error, a bug in Duress: {contradiction}");
        let bugs = verdict.stats.entry("internal_errors").or_insert_with(|| Vec::<String>::new().into());
        if let Some(bugs) = bugs.as_array_mut() {
            bugs.push(bug.clone().into());
        }
        (verdict, Some(bug))
    }
}

/// Checks what happened on one key up to an alarm.
fn prove(alarm: &Alarm, checker: &dyn Checker, history: &History, memory: usize) -> Option<Verdict> {
    let concerns =
        |op: &&Op| op.index <= alarm.index && op.process.is_client() && op.value.get(0) == alarm.key.as_ref();
    let ops = history.ops().iter().filter(concerns).cloned().collect();
    let part = History::new(ops).ok()?;
    let verdict = checking::check(checker, &part, &checking::budget(memory), PROOF_LIMIT);
    (verdict.valid == Valid::Violation).then_some(verdict)
}

struct Watcher {
    watch: Box<dyn Watch>,
    listener: Arc<dyn Listener>,
    offered: Arc<AtomicU64>,
    full: Arc<AtomicBool>,
    watched: Watched,
}

impl Watcher {
    /// Goes on until nothing more can come, or nothing more can be said.
    fn follow(&mut self, ops: &Receiver<Op>) {
        let mut look_at = Instant::now() + LOOK_EVERY;
        while self.watched.ended.is_none() {
            match ops.recv_timeout(look_at.saturating_duration_since(Instant::now())) {
                Ok(op) => match self.watch.push(&op) {
                    Ok(alarm) => self.tell(alarm),
                    Err(error) => self.end(format!("the history cannot be judged: {error}")),
                },
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    self.look();
                    self.end_if_full();
                    return;
                }
            }
            if Instant::now() >= look_at {
                // To look ahead is for those who are up to date.
                if self.behind() == 0 {
                    self.look();
                    self.end_if_full();
                }
                self.say();
                look_at = Instant::now() + LOOK_EVERY;
            }
        }
    }

    fn look(&mut self) {
        for alarm in self.watch.look() {
            self.tell(Some(alarm));
        }
        self.say();
    }

    fn say(&mut self) {
        self.watched.tally = self.watch.tally().clone();
        let (behind, tally) = (self.behind(), &self.watched.tally);
        self.listener.event(&Event::Watched { behind, tally });
    }

    fn behind(&self) -> u64 {
        self.offered.load(Ordering::Relaxed).saturating_sub(self.watch.tally().events)
    }

    fn tell(&mut self, alarm: Option<Alarm>) {
        let Some(alarm) = alarm else { return };
        match self.watched.alarms.len() {
            0..MAX_TOLD => self.listener.event(&Event::Alarm(&alarm)),
            MAX_TOLD => self.listener.event(&Event::Note("further violations are only counted")),
            _ => {}
        }
        self.watched.alarms.push(alarm);
    }

    fn end_if_full(&mut self) {
        if self.full.load(Ordering::Relaxed) {
            self.end(format!("it fell {QUEUE} operations behind"));
        }
    }

    fn end(&mut self, why: String) {
        self.listener.event(&Event::Note(&format!(
            "no longer watching for violations: {why}; the history is checked after the run"
        )));
        self.watched.ended = Some(why);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use duress_checkers::{Budget, Keys, Kind, Linearizable, Online, Process, Register};
    use serde_json::json;
    use std::sync::{Mutex, PoisonError};

    #[derive(Default)]
    struct Heard(Mutex<Vec<String>>);

    impl Listener for Heard {
        fn event(&self, event: &Event<'_>) {
            let told = match event {
                Event::Alarm(alarm) => alarm.to_string(),
                Event::Note(note) => (*note).to_owned(),
                _ => return,
            };
            self.0.lock().unwrap_or_else(PoisonError::into_inner).push(told);
        }
    }

    /// A write and a read that misses it, on each of some keys.
    fn stale(keys: u64) -> Vec<Op> {
        let calls = (0..keys).flat_map(|key| [(key, "write", json!(1)), (key, "read", json!(null))]);
        let events = calls.flat_map(|call| [(Kind::Invoke, call.clone()), (Kind::Ok, call)]);
        let op = |(index, (kind, (key, f, value))): (u64, (Kind, (u64, &str, serde_json::Value)))| Op {
            index,
            time: index * 1_000_000_000,
            process: Process::Client(0),
            kind,
            f: f.into(),
            value: json!([key, value]),
            error: None,
            node: None,
        };
        (0..).zip(events).map(op).collect()
    }

    fn watched(ops: Vec<Op>) -> (Watched, Vec<String>) {
        let heard = Arc::new(Heard::default());
        let online = Box::new(Online::keyed(Register::default()));
        let watching = Watching::start(online, Arc::clone(&heard) as Arc<dyn Listener>).expect("a thread");
        let feed = watching.feed();
        ops.into_iter().for_each(|op| feed.offer(op));
        drop(feed);
        let watched = watching.finish();
        let heard = std::mem::take(&mut *heard.0.lock().unwrap_or_else(PoisonError::into_inner));
        (watched, heard)
    }

    fn checker() -> Linearizable {
        Linearizable::register(Keys::Keyed)
    }

    #[test]
    fn violations_are_told_and_many_are_counted() {
        let (watched, heard) = watched(stale(20));
        assert_eq!((watched.alarms.len(), watched.tally.violated, watched.tally.events), (20, 20, 80));
        assert_eq!(heard.len(), MAX_TOLD + 1);
        assert_eq!(heard[1], "violation at op 7, key 1, 7.0 s");
        assert_eq!(heard[MAX_TOLD], "further violations are only counted");
        assert_eq!(watched.ended, None);
    }

    #[test]
    fn it_agrees_with_the_checker_or_there_is_a_doubt() {
        let history = History::new(stale(2)).expect("a history");
        let (watched, _) = watched(stale(2));
        let verdict = checker().check(&history, &Budget::default());
        assert_eq!(watched.compare(verdict.clone(), &checker(), &history, 1 << 24), (verdict.clone(), None));

        let wrong = Verdict { valid: Valid::Valid, findings: Vec::new(), ..verdict.clone() };
        let (kept, doubt) = watched.compare(wrong, &checker(), &history, 1 << 24);
        let doubt = doubt.expect("a doubt");
        assert!(doubt.contains("internal error") && doubt.contains("op 3, key 0, 3.0 s"), "{doubt}");
        assert_eq!((kept.valid, &kept.stats["internal_errors"]), (Valid::Valid, &json!([doubt])));

        let blind = Watched { alarms: Vec::new(), ..watched };
        let (kept, doubt) = blind.compare(verdict.clone(), &checker(), &history, 1 << 24);
        assert_eq!((kept.valid, kept.stats.contains_key("internal_errors")), (Valid::Violation, true));
        assert!(doubt.is_some());
        // Who gave up has not contradicted anybody.
        let ended = Watched { ended: Some("it fell behind".to_owned()), ..blind };
        assert_eq!(ended.compare(verdict.clone(), &checker(), &history, 1 << 24), (verdict, None));
    }

    #[test]
    fn a_violation_that_showed_is_proven_although_there_was_no_time_for_the_rest() {
        let history = History::new(stale(3)).expect("a history");
        let (watched, _) = watched(stale(3));
        let unknown = Verdict::unknown("linearizable", "time ran out");
        let (verdict, doubt) = watched.compare(unknown.clone(), &checker(), &history, 1 << 24);
        assert_eq!((verdict.valid, doubt), (Valid::Violation, None));
        assert_eq!((verdict.findings.len(), &verdict.findings[0].key), (1, &Some(json!(0))));
        let (verdict, doubt) = watched.compare(unknown, &checker(), &history, 0);
        assert_eq!(verdict.valid, Valid::Unknown);
        assert!(doubt.expect("a doubt").contains("op 3, key 0"));
    }

    #[test]
    fn whoever_does_not_keep_up_is_left_behind_and_says_so() {
        /// Begins when somebody allows it.
        struct Slow(Option<Receiver<()>>, Tally);
        impl Watch for Slow {
            fn push(&mut self, _: &Op) -> Result<Option<Alarm>, duress_checkers::OnlineError> {
                if let Some(gate) = self.0.take() {
                    gate.recv().expect("somebody allows it");
                }
                self.1.events += 1;
                Ok(None)
            }
            fn look(&mut self) -> Vec<Alarm> {
                Vec::new()
            }
            fn tally(&self) -> &Tally {
                &self.1
            }
        }
        let heard = Arc::new(Heard::default());
        let (allow, gate) = sync_channel(1);
        let slow = Box::new(Slow(Some(gate), Tally::default()));
        let watching = Watching::start(slow, Arc::clone(&heard) as Arc<dyn Listener>).expect("a thread");
        let feed = watching.feed();
        let op = stale(1).swap_remove(0);
        (0..QUEUE + 10).for_each(|_| feed.offer(op.clone()));
        allow.send(()).expect("it waits");
        drop(feed);
        let watched = watching.finish();
        assert!(watched.ended.expect("it ended").contains("behind"));
        assert!(heard.0.lock().unwrap_or_else(PoisonError::into_inner)[0].starts_with("no longer watching"));
    }
}
