//! What a user can turn with `--set`, checked by etcd's own rules before anything starts.

use super::client::Objects;
use crate::{OptionDoc, Settings, TargetError};
use std::time::Duration;

/// The settings, for help and for lists.
pub(super) static OPTIONS: [&OptionDoc; 6] = [&READS, &FENCING, &WORK, &HEARTBEAT, &ELECTION, &SNAPSHOT];

static READS: OptionDoc = OptionDoc::new(
    "reads",
    "linearizable",
    "linearizable: through the leader's quorum; serializable: from the member's own, possibly stale state",
);
static FENCING: OptionDoc = OptionDoc::new(
    "fencing",
    "on",
    "workload lock. on: a change is made only if the lock is still held at that moment; off: whoever got the lock believes to hold it until he is done",
);
static WORK: OptionDoc = OptionDoc::new(
    "work",
    "50",
    "workload lock. milliseconds that a holder works between reading and writing; a lease is 2 seconds",
);
static HEARTBEAT: OptionDoc =
    OptionDoc::new("heartbeat-interval", "100", "milliseconds between the leader's heartbeats");
static ELECTION: OptionDoc = OptionDoc::new(
    "election-timeout",
    "1000",
    "milliseconds without a heartbeat before an election; at least 5 heartbeats, better 10",
);
static SNAPSHOT: OptionDoc =
    OptionDoc::new("snapshot-count", "10000", "log entries between snapshots of a member's state");

/// Half a lease: the other half is for the requests of the same holder.
const MAX_WORK_MS: u64 = 1_000;
/// etcd does not start with less (`embed.Config.Validate`).
const MIN_HEARTBEATS_PER_ELECTION: u64 = 5;
/// etcd does not start with more (`maxElectionMs`).
const MAX_ELECTION_MS: u64 = 50_000;
/// Far more than any run writes: as good as never.
const MAX_SNAPSHOT_COUNT: u64 = 1_000_000_000;

/// The settings of one run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Config {
    pub(super) objects: Objects,
    pub(super) reads: Reads,
    pub(super) fencing: bool,
    /// How long the holder of a lock works: long enough that others wait for it, and by default a
    /// small part of the lease, so that nothing but a fault makes that run out.
    pub(super) work: Duration,
    pub(super) heartbeat_ms: u64,
    pub(super) election_ms: u64,
    pub(super) snapshot_count: u64,
}

/// How reads are done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reads {
    /// Confirmed by a quorum.
    Linearizable,
    /// Whatever the member has: stale by design.
    Serializable,
}

impl Config {
    pub(super) fn new(settings: &Settings, workload: &str) -> Result<Self, TargetError> {
        settings.only("etcd", OPTIONS)?;
        let objects = Objects::of(workload).ok_or_else(|| TargetError::UnknownWorkload {
            target: "etcd".to_owned(),
            name: workload.to_owned(),
        })?;
        let reads = settings.value(&READS, "linearizable or serializable", |word| match word {
            "linearizable" => Some(Reads::Linearizable),
            "serializable" => Some(Reads::Serializable),
            _ => None,
        })?;
        let fencing = settings.value(&FENCING, "on or off", |word| match word {
            "on" => Some(true),
            "off" => Some(false),
            _ => None,
        })?;
        // A setting that changes nothing would look as if it had been survived.
        let idle = |option: &&OptionDoc| settings.0.get(&*option.name).is_some_and(|v| *v != option.default);
        if objects != Objects::Locks
            && let Some(option) = [&FENCING, &WORK].into_iter().find(idle)
        {
            return Err(TargetError::BadValue {
                name: option.name.to_string(),
                value: settings.0[&*option.name].clone(),
                why: format!("the workload {workload} takes no locks"),
            });
        }
        let number = |option, max| {
            settings.value(option, &format!("a whole number from 1 to {max}"), |text| {
                text.parse().ok().filter(|n| (1..=max).contains(n))
            })
        };
        let work = Duration::from_millis(number(&WORK, MAX_WORK_MS)?);
        let heartbeat_ms = number(&HEARTBEAT, MAX_ELECTION_MS / MIN_HEARTBEATS_PER_ELECTION)?;
        let election_ms = number(&ELECTION, MAX_ELECTION_MS)?;
        if election_ms < MIN_HEARTBEATS_PER_ELECTION * heartbeat_ms {
            return Err(TargetError::BadValue {
                name: ELECTION.name.to_string(),
                value: election_ms.to_string(),
                why: format!(
                    "etcd wants at least {MIN_HEARTBEATS_PER_ELECTION} times {}, which is {heartbeat_ms}",
                    HEARTBEAT.name
                ),
            });
        }
        let snapshot_count = number(&SNAPSHOT, MAX_SNAPSHOT_COUNT)?;
        Ok(Self { objects, reads, fencing, work, heartbeat_ms, election_ms, snapshot_count })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(pairs: &[(&str, &str)]) -> Result<Config, String> {
        config_for("register", pairs)
    }

    fn config_for(workload: &str, pairs: &[(&str, &str)]) -> Result<Config, String> {
        let settings = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        Config::new(&Settings(settings), workload).map_err(|e| e.to_string())
    }

    #[test]
    fn defaults_are_those_in_the_table() {
        let expected = Config {
            objects: Objects::Registers,
            reads: Reads::Linearizable,
            fencing: true,
            work: Duration::from_millis(50),
            heartbeat_ms: 100,
            election_ms: 1000,
            snapshot_count: 10_000,
        };
        assert_eq!(config(&[]), Ok(expected));
    }

    #[test]
    fn settings_are_taken() {
        let set = config(&[
            ("reads", "serializable"),
            ("heartbeat-interval", "20"),
            ("election-timeout", "100"),
            ("snapshot-count", "1"),
        ]);
        let expected = Config {
            objects: Objects::Registers,
            reads: Reads::Serializable,
            fencing: true,
            work: Duration::from_millis(50),
            heartbeat_ms: 20,
            election_ms: 100,
            snapshot_count: 1,
        };
        assert_eq!(set, Ok(expected));
    }

    #[test]
    fn what_is_for_locks_is_for_locks_alone() {
        let lock = config_for("lock", &[("fencing", "off"), ("work", "300")]).expect("a lock can do without");
        assert_eq!(
            (lock.objects, lock.fencing, lock.work),
            (Objects::Locks, false, Duration::from_millis(300))
        );
        for (work, needle) in [("0", "from 1 to 1000"), ("1001", "from 1 to 1000"), ("50ms", "from 1 to")] {
            let error = config_for("lock", &[("work", work)]).expect_err("impossible");
            assert!(error.contains(needle), "{work}: {error}");
        }
        let error = config_for("counter", &[("work", "51")]).expect_err("impossible");
        assert!(error.contains("takes no locks"), "{error}");
        for (workload, word, needle) in [
            ("counter", "off", "takes no locks"),
            ("lock", "maybe", "on or off"),
            ("no-such", "on", "cannot run the workload `no-such`"),
        ] {
            let error = config_for(workload, &[("fencing", word)]).expect_err("impossible");
            assert!(error.contains(needle), "{workload} {word}: {error}");
        }
    }

    #[test]
    fn what_etcd_would_refuse_is_refused() {
        for (pairs, needle) in [
            (vec![("read", "serializable")], "has no setting `read`"),
            (vec![("reads", "dirty")], "linearizable or serializable"),
            (vec![("heartbeat-interval", "0")], "from 1 to"),
            (vec![("heartbeat-interval", "-1")], "from 1 to"),
            (vec![("heartbeat-interval", "201")], "at least 5 times"),
            (vec![("election-timeout", "499")], "at least 5 times"),
            (vec![("election-timeout", "50001")], "from 1 to 50000"),
            (vec![("snapshot-count", "many")], "from 1 to"),
        ] {
            let error = config(&pairs).expect_err("impossible");
            assert!(error.contains(needle), "{pairs:?}: {error}");
        }
    }
}
