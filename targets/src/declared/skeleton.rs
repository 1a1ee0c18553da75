//! Files to begin with: complete ones, which run as they are and explain every key.

use crate::exec::skeletons::Skeleton;

const REDIS: &str = include_str!("redis.toml");
const HTTP: &str = include_str!("http.toml");

/// The file of a target of this name, whose client is this program; without one, it is asked over HTTP.
pub fn skeleton(name: &str, client: Option<&Skeleton>) -> String {
    let Some(client) = client else { return HTTP.replace("NAME", name) };
    // What is beside the file is named as such: the client runs in its directory, and others may not.
    let command: Vec<String> = client.command.iter().map(|word| format!("{word:?}")).collect();
    let build =
        client.build.map(|words| format!("          # first: {}", words.join(" "))).unwrap_or_default();
    REDIS.replace("COMMAND", &format!("[{}]{build}", command.join(", "))).replace("NAME", name)
}
