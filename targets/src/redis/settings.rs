//! What a user can turn with `--set`: how much of the data is on disk, and when.

use super::client::Objects;
use crate::{OptionDoc, Settings, TargetError};

/// The settings, for help and for lists.
pub(super) static OPTIONS: [&OptionDoc; 2] = [&APPENDONLY, &APPENDFSYNC];

static APPENDONLY: OptionDoc = OptionDoc::new(
    "appendonly",
    "yes",
    "yes: every change is written to a log; no: the data is in memory only, and gone with the server",
);
static APPENDFSYNC: OptionDoc = OptionDoc::new(
    "appendfsync",
    "always",
    "when that log is flushed to disk. always: before a change is acknowledged; everysec: about once a second, and what is changed meanwhile waits in memory; no: when the kernel likes",
);

/// The settings of one run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Config {
    pub(super) objects: Objects,
    pub(super) appendonly: bool,
    pub(super) appendfsync: &'static str,
}

impl Config {
    pub(super) fn new(settings: &Settings, workload: &str) -> Result<Self, TargetError> {
        settings.only("redis", OPTIONS)?;
        let objects = Objects::of(workload).ok_or_else(|| TargetError::UnknownWorkload {
            target: "redis".to_owned(),
            name: workload.to_owned(),
        })?;
        let appendonly = settings.value(&APPENDONLY, "yes or no", |word| match word {
            "yes" => Some(true),
            "no" => Some(false),
            _ => None,
        })?;
        let appendfsync = settings.value(&APPENDFSYNC, "always, everysec or no", |word| {
            ["always", "everysec", "no"].into_iter().find(|known| *known == word)
        })?;
        // A setting that changes nothing would look as if it had been survived.
        if !appendonly && let Some(typed) = settings.0.get(&*APPENDFSYNC.name) {
            return Err(TargetError::BadValue {
                name: APPENDFSYNC.name.to_string(),
                value: typed.clone(),
                why: "with appendonly=no there is no log to flush".to_owned(),
            });
        }
        Ok(Self { objects, appendonly, appendfsync })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(pairs: &[(&str, &str)]) -> Result<Config, String> {
        let settings = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        Config::new(&Settings(settings), "register").map_err(|error| error.to_string())
    }

    #[test]
    fn nothing_is_lost_by_default() {
        let config = config(&[]).expect("the defaults");
        assert_eq!((config.appendonly, config.appendfsync), (true, "always"));
    }

    #[test]
    fn impossible_settings_say_why() {
        for (pairs, needle) in [
            (vec![("save", "60 1")], "choose from appendonly, appendfsync"),
            (vec![("appendonly", "maybe")], "yes or no"),
            (vec![("appendfsync", "never")], "always, everysec or no"),
            (vec![("appendonly", "no"), ("appendfsync", "always")], "no log to flush"),
        ] {
            let error = config(&pairs).expect_err("impossible");
            assert!(error.contains(needle), "{pairs:?}: {error}");
        }
        let error = Config::new(&Settings::default(), "lock").expect_err("no locks");
        assert!(error.to_string().contains("redis cannot run the workload `lock`"), "{error}");
    }
}
