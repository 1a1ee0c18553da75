//! What several runs are together: index, known violations, two side by side, served over HTTP.

use crate::common::{Bench, read_json};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::Duration;

/// Of the real server; ends with the test, however that ends.
struct Server {
    child: Child,
    /// `127.0.0.1:12345`.
    address: String,
}

impl Server {
    fn start(bench: &Bench, dir: &str) -> Self {
        let mut child = bench.spawn(&["serve", dir, "--listen", "127.0.0.1:0"]);
        let mut line = String::new();
        let out = child.stdout.take().expect("its output");
        BufReader::new(out).read_line(&mut line).expect("an address");
        let address = line.trim().trim_start_matches("http://").trim_end_matches('/').to_owned();
        Self { child, address }
    }

    /// What no client library would send. The status, and everything.
    fn raw(&self, request: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(&self.address).expect("it listens");
        stream.set_read_timeout(Some(Duration::from_secs(30))).expect("a timeout");
        stream.write_all(request.as_bytes()).expect("it reads");
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        let answer = String::from_utf8_lossy(&answer).into_owned();
        (answer.get(9..12).and_then(|status| status.parse().ok()).unwrap_or(0), answer)
    }

    fn get(&self, path: &str) -> (u16, String) {
        self.raw(&format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"))
    }

    /// Waits for it to end by itself.
    fn interrupt(mut self) -> Option<i32> {
        kill(Pid::from_raw(i32::try_from(self.child.id()).expect("a pid")), Signal::SIGINT).expect("sent");
        self.child.wait().expect("it ends").code()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn only_run(bench: &Bench) -> PathBuf {
    duress::store::runs(&bench.path("runs")).pop().expect("a run").path().to_owned()
}

/// The run with a planted bug is what all of this is about.
#[tokio::test]
async fn a_run_is_indexed_known_compared_and_served() {
    let bench = Bench::new();
    bench.duress(&["demo", "--seed", "1", "--label", "branch=<script>", "--canary"]).expect(1);
    let dir = only_run(&bench);
    let appended = bench.text("runs/index.jsonl");
    assert_eq!(appended.lines().count(), 1);

    // The lines can be had from the runs alone, and are the same then.
    fs::remove_file(bench.path("runs/index.jsonl")).expect("removed");
    bench.duress(&["report", "--index"]).expect(0);
    assert_eq!(bench.text("runs/index.jsonl"), appended);
    let page = bench.text("runs/index.html");
    assert!(page.contains("caught 1 of 1") && page.contains("&lt;script&gt;"));
    bench.duress(&["report", "--index", "runs"]).expect(0);
    assert_eq!(bench.text("runs/index.html"), page);

    known(&bench, &dir);
    let run = dir.to_str().expect("a name");
    let compared = bench.duress(&["compare", run, run, "--html", "compare.html"]).expect(0);
    assert!(compared.stdout.contains("both"), "{}", compared.stdout);
    assert!(bench.text("compare.html").starts_with("<!DOCTYPE html>"));

    let server = Server::start(&bench, "runs");
    pages(&server, &bench, &dir).await;
    refusals(&server, &dir, &bench);
    assert_eq!(server.interrupt(), Some(0));
}

/// A list with all that was found, for a run that may find it again.
fn known(bench: &Bench, dir: &Path) {
    let verdict = read_json(&dir.join("verdict.json"));
    let findings = verdict["findings"].as_array().expect("findings");
    let fingerprints: BTreeSet<&str> =
        findings.iter().map(|finding| finding["fingerprint"].as_str().expect("a fingerprint")).collect();
    let entry =
        |f: &&str| format!("[[known]]\nfingerprint = \"{f}\"\nissue = \"#17\"\nexpires = 9999-01-01\n");
    let list: String = fingerprints.iter().map(entry).collect();
    fs::write(bench.path("known.toml"), &list).expect("written");
    let run = ["run", "sim", "--time", "3s", "--interval", "1s", "--faults", "partition", "--seed", "1"];
    let ended = bench.duress(&[&run[..], &["--known", "known.toml", "--dir", "again"]].concat());
    let again = bench.json("again/verdict.json");
    let listed = |finding: &serde_json::Value| finding["known"]["expired"] == false;
    let all = again["findings"].as_array().expect("findings").iter().all(listed);
    let omitted = again["verdicts"][0]["findings_omitted"].as_u64().unwrap_or(0);
    // Timing decides what is found, and whether the run counts; but whatever is not listed, or not explained,
    // fails it, and so does nothing else.
    let excused = all && omitted == 0;
    match again["outcome"].as_str().expect("an outcome") {
        "violation" => assert!(ended.code == Some(1) && !excused, "{again:#}"),
        "known" => assert!(ended.code == Some(0) && excused, "{again:#}"),
        _ => assert!(ended.code != Some(1) && excused, "{again:#}"),
    }
    // The run keeps what it was judged by.
    assert_eq!(bench.json("again/run.json")["known"].as_array().map(Vec::len), Some(fingerprints.len()));
    fs::write(bench.path("known.toml"), list.replace("issue", "isue")).expect("written");
    let refused =
        bench.duress(&[&run[..], &["--known", "known.toml", "--dir", "never"]].concat()).expect(254);
    assert!(refused.stderr.contains("isue"), "{}", refused.stderr);
    assert!(!bench.path("never").exists());
}

async fn pages(server: &Server, bench: &Bench, dir: &Path) {
    let below = dir.strip_prefix(bench.path("runs")).or_else(|_| dir.strip_prefix("runs")).expect("below");
    let below = below.to_str().expect("a name");
    let client = reqwest::Client::new();
    let url = |path: &str| format!("http://{}/{path}", server.address);
    let index = client.get(url("")).send().await.expect("an answer");
    let header =
        |name: &str| index.headers().get(name).and_then(|v| v.to_str().ok()).unwrap_or_default().to_owned();
    assert_eq!((index.status().as_u16(), header("cache-control")), (200, "no-store".to_owned()));
    assert_eq!(
        (header("x-content-type-options"), header("referrer-policy")),
        ("nosniff".into(), "no-referrer".into())
    );
    assert!(header("content-security-policy").contains("script-src 'sha256-"));
    assert_eq!(index.text().await.expect("a page"), bench.text("runs/index.html"));

    // A directory leads to its report, which has no origin and loads nothing.
    let report = client.get(url(below)).send().await.expect("an answer");
    let policy = report.headers()["content-security-policy"].to_str().expect("text").to_owned();
    assert!(policy.contains("sandbox allow-scripts") && policy.contains("default-src 'none'"), "{policy}");
    let bytes = report.bytes().await.expect("a page");
    assert!(bytes == fs::read(dir.join("report.html")).expect("a report"));

    // In many chunks; and HEAD has the length alone.
    let history = fs::read(dir.join("history.jsonl")).expect("a history");
    let path = url(&format!("{below}/history.jsonl"));
    let served = client.get(&path).send().await.expect("an answer");
    assert_eq!(served.headers()["content-type"], "text/plain; charset=utf-8");
    assert!(served.bytes().await.expect("a history") == history);
    let head = client.head(&path).send().await.expect("an answer");
    assert_eq!(head.headers()["content-length"], history.len().to_string());
    for method in [reqwest::Method::POST, reqwest::Method::PUT, reqwest::Method::DELETE] {
        assert_eq!(client.request(method, url("")).send().await.expect("an answer").status().as_u16(), 405);
    }
    assert_eq!(client.get(url("")).body("x").send().await.expect("an answer").status().as_u16(), 413);
}

fn refusals(server: &Server, dir: &Path, bench: &Bench) {
    fs::write(dir.join(".secret"), "hidden").expect("written");
    fs::write(dir.join("page.html"), "<script>alert(1)</script>").expect("written");
    std::os::unix::fs::symlink("/etc/passwd", dir.join("passwd.log")).expect("a link");
    let name = dir.file_name().and_then(|name| name.to_str()).expect("a name");
    let parent = dir.parent().and_then(|dir| dir.file_name()).and_then(|name| name.to_str()).expect("a name");
    let run = format!("/{parent}/{name}");
    let (status, page) = server.get(&format!("{run}/page.html"));
    assert!(status == 200 && page.contains("content-type: text/plain"), "{page}");
    for path in [
        "/../known.toml",
        "/%2e%2e/known.toml",
        "/..%2fknown.toml",
        "//etc/passwd",
        "/%2fetc%2fpasswd",
        &format!("{run}/.secret"),
        &format!("{run}/%2esecret"),
        &format!("{run}/passwd.log"),
        &format!("{run}/../../../known.toml"),
        &format!("/{parent}"),
        "/.",
        "/%00",
        "/%ff",
    ] {
        let (status, answer) = server.get(path);
        assert_eq!(status, 404, "{path}: {answer}");
        assert!(
            !answer.contains("fingerprint = ") && !answer.contains("root:") && !answer.contains("hidden")
        );
    }
    assert!(bench.path("known.toml").is_file());
    let asked = |host: &str| server.raw(&format!("GET / HTTP/1.1\r\n{host}Connection: close\r\n\r\n")).0;
    assert_eq!(asked(&format!("Host: {}\r\n", server.address)), 200);
    for host in
        ["Host: evil.example\r\n", "", "Host: localhost\r\nHost: evil.example\r\n", "Host: 10.0.0.1\r\n"]
    {
        assert!([400, 421].contains(&asked(host)), "{host}");
    }
    assert_eq!(server.get(&format!("/{}", "x".repeat(5_000))).0, 414);
    // More than any question has.
    let (status, _) =
        server.raw(&format!("GET / HTTP/1.1\r\nHost: localhost\r\nX: {}\r\n\r\n", "x".repeat(1 << 20)));
    assert!([0, 400, 431].contains(&status), "{status}");
}
