//! How the server is started.

use super::connection::PORT;
use super::settings::Config;
use crate::{Launch, Node, Source};
use std::path::Path;

impl Launch for Config {
    fn source(&self) -> Source<'_> {
        Source::Recipe(&super::RECIPE)
    }

    /// Everything else is as Redis has it when nobody says anything, with the background rewrite of
    /// the log, which begins at 64 MB: that is what users run.
    fn args(&self, _cluster: &[Node], node: &Node, data_dir: &Path) -> Vec<String> {
        let appendonly = if self.appendonly { "yes" } else { "no" };
        [
            ("bind", node.addr.to_string()),
            ("port", PORT.to_string()),
            ("dir", data_dir.display().to_string()),
            // No snapshots: they would bring back some of what a log that is off, or late, has lost.
            ("save", String::new()),
            ("appendonly", appendonly.to_owned()),
            ("appendfsync", self.appendfsync.to_owned()),
            // Without a password it would answer nobody but its own host.
            ("protected-mode", "no".to_owned()),
            ("daemonize", "no".to_owned()),
        ]
        .into_iter()
        .flat_map(|(name, value)| [format!("--{name}"), value])
        .collect()
    }
}
