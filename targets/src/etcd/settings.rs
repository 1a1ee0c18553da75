//! What a user can turn with `--set`, checked by etcd's own rules before anything starts.

use crate::{OptionDoc, Settings, TargetError};

/// The settings, for help and for lists.
pub(super) const OPTIONS: &[OptionDoc] = &[
    OptionDoc {
        name: READS,
        default: "linearizable",
        doc: "linearizable: through the leader's quorum; serializable: from the member's own, possibly stale state",
    },
    OptionDoc { name: HEARTBEAT, default: "100", doc: "milliseconds between the leader's heartbeats" },
    OptionDoc {
        name: ELECTION,
        default: "1000",
        doc: "milliseconds without a heartbeat before an election; at least 5 heartbeats, better 10",
    },
    OptionDoc { name: SNAPSHOT, default: "10000", doc: "log entries between snapshots of a member's state" },
];

const READS: &str = "reads";
const HEARTBEAT: &str = "heartbeat-interval";
const ELECTION: &str = "election-timeout";
const SNAPSHOT: &str = "snapshot-count";

/// etcd does not start with less (`embed.Config.Validate`).
const MIN_HEARTBEATS_PER_ELECTION: u64 = 5;
/// etcd does not start with more (`maxElectionMs`).
const MAX_ELECTION_MS: u64 = 50_000;
/// Far more than any run writes: as good as never.
const MAX_SNAPSHOT_COUNT: u64 = 1_000_000_000;

/// The settings of one run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Config {
    pub(super) reads: Reads,
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
    pub(super) fn new(settings: &Settings) -> Result<Self, TargetError> {
        if let Some(name) = settings.0.keys().find(|name| OPTIONS.iter().all(|o| o.name != name.as_str())) {
            return Err(TargetError::UnknownSetting {
                target: "etcd",
                name: name.clone(),
                known: OPTIONS.iter().map(|o| o.name).collect::<Vec<_>>().join(", "),
            });
        }
        let reads = match text(settings, READS) {
            "linearizable" => Reads::Linearizable,
            "serializable" => Reads::Serializable,
            other => return Err(bad(READS, other, "it is linearizable or serializable")),
        };
        let heartbeat_ms = number(settings, HEARTBEAT, MAX_ELECTION_MS / MIN_HEARTBEATS_PER_ELECTION)?;
        let election_ms = number(settings, ELECTION, MAX_ELECTION_MS)?;
        if election_ms < MIN_HEARTBEATS_PER_ELECTION * heartbeat_ms {
            let why = format!(
                "etcd wants at least {MIN_HEARTBEATS_PER_ELECTION} times {HEARTBEAT}, which is {heartbeat_ms}"
            );
            return Err(bad(ELECTION, text(settings, ELECTION), &why));
        }
        let snapshot_count = number(settings, SNAPSHOT, MAX_SNAPSHOT_COUNT)?;
        Ok(Self { reads, heartbeat_ms, election_ms, snapshot_count })
    }
}

fn text<'a>(settings: &'a Settings, name: &str) -> &'a str {
    let default = OPTIONS.iter().find(|o| o.name == name).map_or("", |o| o.default);
    settings.0.get(name).map_or(default, String::as_str)
}

fn number(settings: &Settings, name: &'static str, max: u64) -> Result<u64, TargetError> {
    let given = text(settings, name);
    match given.parse() {
        Ok(n) if (1..=max).contains(&n) => Ok(n),
        _ => Err(bad(name, given, &format!("it is a whole number from 1 to {max}"))),
    }
}

fn bad(name: &'static str, value: &str, why: &str) -> TargetError {
    TargetError::BadValue { name, value: value.to_owned(), why: why.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(pairs: &[(&str, &str)]) -> Result<Config, String> {
        let settings = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        Config::new(&Settings(settings)).map_err(|e| e.to_string())
    }

    #[test]
    fn defaults_are_those_in_the_table() {
        let expected = Config {
            reads: Reads::Linearizable,
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
        let expected =
            Config { reads: Reads::Serializable, heartbeat_ms: 20, election_ms: 100, snapshot_count: 1 };
        assert_eq!(set, Ok(expected));
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
