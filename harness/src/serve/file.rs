//! Files of runs: which of them a path names, and how they are handed out.
//!
//! A path is taken apart and decoded before anything is looked up, so that nothing hidden, no `..` and
//! no second separator is left in it; what it leads to is resolved, links and all, and has to lie below
//! the directory still.

use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, header};
use axum::response::Response;
use futures_core::Stream;
use std::fs::{File, OpenOptions};
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Component, Path, PathBuf};
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::sync::mpsc::{Receiver, channel};

/// Bytes of a file that are read at once.
const CHUNK: usize = 64 << 10;
/// Chunks that wait for a slow reader.
const WAITING: usize = 2;

/// For what may load nothing and do nothing.
pub(super) const NOTHING: &str = "default-src 'none'; frame-ancestors 'none'; sandbox";
/// For a report. Its own policy, in the page, names its style and scripts by their hashes, and both
/// policies hold; this one takes its origin away.
const REPORT: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
                      sandbox allow-scripts allow-downloads";
/// For a figure: its style is in it.
const FIGURE: &str = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; sandbox";

/// What a path leads to.
pub(super) enum Found {
    /// A file.
    File(Opened),
    /// A run: its report is there.
    Report(String),
    /// Nothing that is shown.
    Nothing,
}

/// A file to be handed out.
pub(super) struct Opened {
    file: File,
    length: u64,
    name: String,
}

/// Looks a path up, which begins with a slash and is still encoded.
pub(super) fn find(root: &Path, path: &str) -> Found {
    found(root, path).unwrap_or(Found::Nothing)
}

fn found(root: &Path, path: &str) -> Option<Found> {
    let asked = decode(path)?;
    let resolved = root.join(&asked).canonicalize().ok()?;
    let below = resolved.strip_prefix(root).ok()?;
    // A link may lead to something hidden.
    if below.components().any(|part| hidden(&part)) {
        return None;
    }
    let kind = resolved.symlink_metadata().ok()?;
    if kind.is_dir() {
        let report = resolved.join("report.html").symlink_metadata().is_ok_and(|report| report.is_file());
        return report.then(|| Found::Report(format!("{}/report.html", path.trim_end_matches('/'))));
    }
    if !kind.is_file() {
        return None;
    }
    // Somebody may put a link or a pipe in its place meanwhile: neither is followed or waited for.
    let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK;
    let file = OpenOptions::new().read(true).custom_flags(flags).open(&resolved).ok()?;
    let kind = file.metadata().ok()?;
    let name = resolved.file_name()?.to_str()?.to_owned();
    kind.is_file().then(|| Found::File(Opened { file, length: kind.len(), name }))
}

/// `a%20b/c` as a path of plain names; nothing when it is anything else.
fn decode(path: &str) -> Option<PathBuf> {
    let path = path.strip_prefix('/')?;
    let path = path.strip_suffix('/').unwrap_or(path);
    let mut decoded = PathBuf::new();
    for part in path.split('/') {
        let name = decode_part(part)?;
        let mut components = Path::new(&name).components();
        let (Some(only @ Component::Normal(_)), None) = (components.next(), components.next()) else {
            return None;
        };
        if hidden(&only) || name.contains(['/', '\\', '\0']) {
            return None;
        }
        decoded.push(name);
    }
    Some(decoded)
}

fn decode_part(part: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(part.len());
    let mut rest = part.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || char::from(rest.next()?).to_digit(16);
        bytes.push(u8::try_from(digit()? * 16 + digit()?).ok()?);
    }
    String::from_utf8(bytes).ok()
}

fn hidden(part: &Component<'_>) -> bool {
    part.as_os_str().as_encoded_bytes().starts_with(b".")
}

impl Opened {
    pub(super) fn respond(self) -> Response {
        let (kind, policy) = kind(&self.name);
        let length = self.length;
        let mut response = Response::new(Body::from_stream(chunks(self.file, length)));
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
        if kind == "application/octet-stream" {
            headers.insert(header::CONTENT_DISPOSITION, HeaderValue::from_static("attachment"));
        }
        response
    }
}

/// By its name. A page is a page only where we have written it: servers write into run directories, too.
fn kind(name: &str) -> (&'static str, &'static str) {
    let ending = Path::new(name).extension().and_then(|ending| ending.to_str()).unwrap_or_default();
    match (name, ending) {
        ("report.html", _) => ("text/html; charset=utf-8", REPORT),
        (_, "svg") => ("image/svg+xml", FIGURE),
        (_, "png") => ("image/png", NOTHING),
        (_, "json") => ("application/json", NOTHING),
        (_, "html" | "htm" | "jsonl" | "log" | "md" | "toml" | "txt" | "xml") => {
            ("text/plain; charset=utf-8", NOTHING)
        }
        _ => ("application/octet-stream", NOTHING),
    }
}

/// As long as it was when it was opened: a history that grows meanwhile is longer than was promised.
fn chunks(file: File, length: u64) -> Chunks {
    let (send, chunks) = channel(WAITING);
    tokio::task::spawn_blocking(move || {
        let mut file = file.take(length);
        loop {
            let mut chunk = vec![0; CHUNK];
            let read = match file.read(&mut chunk) {
                Ok(0) => return,
                Ok(n) => {
                    chunk.truncate(n);
                    Ok(Bytes::from(chunk))
                }
                Err(error) => Err(error),
            };
            let failed = read.is_err();
            // Whoever asked has gone away.
            if send.blocking_send(read).is_err() || failed {
                return;
            }
        }
    });
    Chunks { chunks }
}

struct Chunks {
    chunks: Receiver<std::io::Result<Bytes>>,
}

impl Stream for Chunks {
    type Item = std::io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.chunks.poll_recv(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    #[test]
    fn paths_are_plain_names() {
        assert_eq!(decode("/a%20b/c.log"), Some("a b/c.log".into()));
        assert_eq!(decode("/a/"), Some("a".into()));
        for path in [
            "",
            "a",
            "//",
            "/..",
            "/a/../b",
            "/%2e%2e/x",
            "/a/%2E%2E",
            "/a%2fb",
            "/a%2F..%2Fb",
            "/.git/config",
            "/%2egit",
            "/a//b",
            "//etc/passwd",
            "/a%00b",
            "/a%5c..%5cb",
            "/%",
            "/%4",
            "/%zz",
            "/%ff",
            "/a/.",
            "/%2f",
            "/.",
        ] {
            assert_eq!(decode(path), None, "{path}");
        }
    }

    #[test]
    fn nothing_outside_and_nothing_hidden_is_found() {
        let temporary = tempfile::tempdir().expect("a directory");
        let root = temporary.path().canonicalize().expect("a path").join("runs");
        let (run, secret) = (root.join("test/run"), temporary.path().join("secret"));
        fs::create_dir_all(run.join(".hidden")).expect("created");
        for file in [run.join("report.html"), run.join("a.log"), run.join(".hidden/x"), secret.clone()] {
            fs::write(file, "text").expect("written");
        }
        symlink(&secret, run.join("out.log")).expect("a link");
        symlink("/etc", run.join("etc")).expect("a link");
        symlink(".hidden/x", run.join("shown.log")).expect("a link");
        symlink("a.log", run.join("same.log")).expect("a link");
        symlink("run", root.join("test/latest")).expect("a link");
        nix::unistd::mkfifo(&run.join("pipe.log"), nix::sys::stat::Mode::S_IRWXU).expect("a pipe");
        for path in ["/test/run/a.log", "/test/run/same.log", "/test/latest/a.log"] {
            assert!(matches!(find(&root, path), Found::File(_)), "{path}");
        }
        for path in ["/test/run", "/test/run/", "/test/latest"] {
            assert!(matches!(find(&root, path), Found::Report(_)), "{path}");
        }
        for path in [
            "/test",
            "/test/run/out.log",
            "/test/run/etc/passwd",
            "/test/run/.hidden/x",
            "/test/run/shown.log",
            "/test/run/pipe.log",
            "/../secret",
            "/test/run/%2e%2e/%2e%2e/%2e%2e/secret",
            "/test/none",
        ] {
            assert!(matches!(find(&root, path), Found::Nothing), "{path}");
        }
    }
}
