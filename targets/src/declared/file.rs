//! The file as it stands there: tables and keys, and where each of them is. What they mean is checked in
//! [`super::resolve`]. Each key is explained in `targets/docs/own-cluster.md`.

use super::words::Words;
use serde::de::Visitor;
use serde::{Deserialize, Deserializer};
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;
use toml::Spanned;

/// The whole file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct File {
    pub(super) name: Option<Spanned<String>>,
    pub(super) doc: Option<String>,
    pub(super) workloads: Spanned<Vec<Spanned<String>>>,
    #[serde(default)]
    pub(super) nodes: Nodes,
    pub(super) ports: Spanned<BTreeMap<String, Spanned<i64>>>,
    pub(super) server: Spanned<ServerTable>,
    pub(super) health: Option<Spanned<Probe>>,
    pub(super) leader: Option<Spanned<Leader>>,
    pub(super) client: Option<Spanned<ClientTable>>,
    pub(super) http: Option<Spanned<crate::http::Spec>>,
    #[serde(default)]
    pub(super) settings: BTreeMap<String, Spanned<Setting>>,
    #[serde(default)]
    pub(super) workload: BTreeMap<String, Spanned<BTreeMap<String, String>>>,
    #[serde(default)]
    pub(super) refuses: BTreeMap<String, Spanned<String>>,
}

/// `[nodes]`
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Nodes {
    pub(super) default: Option<Spanned<i64>>,
    pub(super) max: Option<Spanned<i64>>,
}

/// `[server]`
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct ServerTable {
    pub(super) start: Spanned<Words>,
    pub(super) first: Option<Spanned<Words>>,
    #[serde(default)]
    pub(super) env: BTreeMap<String, Spanned<String>>,
    pub(super) user: Option<Spanned<String>>,
    pub(super) stop: Option<Spanned<Words>>,
    pub(super) version: Option<Spanned<Words>>,
    pub(super) rootfs: Option<Spanned<PathBuf>>,
    pub(super) dir: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) logs: Vec<Spanned<String>>,
}

/// `[health]`
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Probe {
    pub(super) command: Option<Spanned<Words>>,
    pub(super) url: Option<Spanned<String>>,
    pub(super) send: Option<Spanned<String>>,
    pub(super) says: Option<String>,
}

/// `[leader]`
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Leader {
    pub(super) command: Option<Spanned<Words>>,
    pub(super) url: Option<Spanned<String>>,
    pub(super) send: Option<Spanned<String>>,
    pub(super) says: Option<String>,
    pub(super) term_after: Option<String>,
}

/// `[client]`
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct ClientTable {
    pub(super) command: Spanned<Words>,
    #[serde(default)]
    pub(super) env: BTreeMap<String, Spanned<String>>,
    #[serde(default)]
    pub(super) files: Vec<Spanned<PathBuf>>,
    #[serde(default, deserialize_with = "length")]
    pub(super) start_timeout: Option<Duration>,
}

/// `[settings]`, one of them.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Setting {
    pub(super) default: Spanned<String>,
    pub(super) doc: String,
    pub(super) one_of: Option<Vec<String>>,
}

fn length<'de, D: Deserializer<'de>>(text: D) -> Result<Option<Duration>, D::Error> {
    struct Length;
    impl Visitor<'_> for Length {
        type Value = Duration;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a length of time")
        }

        fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Duration, E> {
            crate::problem::length(text).map_err(E::custom)
        }
    }
    text.deserialize_str(Length).map(Some)
}
