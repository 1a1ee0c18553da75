//! A release archive by URL, verified against a SHA-256 before it is opened.

use super::tools::run;
use super::{Fetched, Job, ReleaseArchive, archive, binary};
use std::fs;
use std::path::Path;
use std::time::Duration;

/// For one file.
const DOWNLOAD_LIMIT: Duration = Duration::from_secs(600);
/// What curl and wget may take to be connected, in seconds.
const CONNECT_LIMIT: &str = "20";
/// A list of checksums has a few kilobytes.
const MAX_SUMS: u64 = 1 << 20;

/// Fetches the program out of the project's archive, whose digest stands in a file beside it.
pub(super) fn fetch_published(release: &ReleaseArchive, job: &Job<'_>) -> Result<Fetched, String> {
    let arch = go_arch().ok_or_else(|| format!("there is none for {}", std::env::consts::ARCH))?;
    let version = job.version.unwrap_or(release.version);
    let fill = |template: &str| template.replace("{version}", version).replace("{arch}", arch);
    let (url, sums) = (fill(release.url), fill(release.sums));
    let list = job.scratch.join("sums");
    download(&sums, &list, job)?;
    let name = url.rsplit('/').next().unwrap_or(&url);
    let sum = listed(&list, name).ok_or_else(|| format!("{sums} does not list {name}"))?;
    fetch_url(&url, &sum, job)
}

/// Fetches the program out of the archive at `url`, which must have this SHA-256.
pub(super) fn fetch_url(url: &str, sha256: &str, job: &Job<'_>) -> Result<Fetched, String> {
    let file = job.scratch.join("archive");
    download(url, &file, job)?;
    let got = binary::sha256(&file).map_err(|e| e.to_string())?;
    if got != sha256 {
        return Err(format!("its SHA-256 is {got}, not {sha256}: it is another file, or a damaged one"));
    }
    let program = job.scratch.join(job.server);
    archive::from_tar_gz(&file, job.server, &program)?;
    Ok(Fetched { program, libraries: None, source: format!("{url} (archive's SHA-256 {sha256})") })
}

fn download(url: &str, to: &Path, job: &Job<'_>) -> Result<(), String> {
    if let Some(path) = url.strip_prefix("file://") {
        return fs::copy(path, to).map(|_| ()).map_err(|e| format!("{path}: {e}"));
    }
    if !url.starts_with("https://") && !url.starts_with("http://") {
        return Err(format!("`{url}` is no https://, http:// or file:// URL"));
    }
    let mut command = job.tools.command(&["curl", "wget"])?;
    if command.get_program().to_string_lossy().ends_with("curl") {
        command.args(["--fail", "--silent", "--show-error", "--location"]);
        command.args(["--connect-timeout", CONNECT_LIMIT, "--output"]).arg(to);
    } else {
        command.args(["--no-verbose", "--tries=2", "--connect-timeout", CONNECT_LIMIT, "-O"]).arg(to);
    }
    run(command.arg("--").arg(url), DOWNLOAD_LIMIT).map(|_| ())
}

/// The digest of a file in a list as `sha256sum` writes it: `<digest>  <name>`.
fn listed(list: &Path, name: &str) -> Option<String> {
    if list.metadata().ok()?.len() > MAX_SUMS {
        return None;
    }
    let text = fs::read_to_string(list).ok()?;
    text.lines().find_map(|line| {
        let (sum, file) = line.split_once(char::is_whitespace)?;
        (file.trim_start().trim_start_matches('*') == name && sum.len() == 64)
            .then(|| sum.to_ascii_lowercase())
    })
}

/// This machine, as Go names it.
fn go_arch() -> Option<&'static str> {
    match std::env::consts::ARCH {
        "x86_64" => Some("amd64"),
        "aarch64" => Some("arm64"),
        "s390x" => Some("s390x"),
        "powerpc64" if cfg!(target_endian = "little") => Some("ppc64le"),
        _ => None,
    }
}
