//! The report in a real browser: it shows, it asks for nothing else, it says nothing on its console.
//!
//! Runs where `DURESS_BROWSER` names a Chromium.

use super::common::Bench;
use std::fs;
use std::path::Path;
use std::process::Command;

/// Without these, Chromium talks to its maker on its own account.
const QUIET: [&str; 11] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-extensions",
    "--disable-sync",
    "--enable-logging=stderr",
];

#[test]
fn the_report_shows_and_asks_for_nothing() {
    let Some(browser) = std::env::var_os("DURESS_BROWSER").filter(|path| Path::new(path).is_file()) else {
        eprintln!("the_report_shows_and_asks_for_nothing: skipped, set DURESS_BROWSER=<chromium>");
        return;
    };
    let bench = Bench::new();
    bench.duress(&["demo", "--seed", "3", "--dir", "run"]).expect(1);
    let page = format!("file://{}", bench.path("run/report.html").display());
    for (name, options) in [
        ("light", &["--window-size=1280,2400"][..]),
        ("dark", &["--window-size=1280,2400", "--blink-settings=preferredColorScheme=0"][..]),
        ("narrow", &["--window-size=430,2400"][..]),
    ] {
        let shot = bench.path(&format!("{name}.png"));
        let log = bench.path(&format!("{name}.json"));
        let output = Command::new(&browser)
            .args(QUIET)
            .args(options)
            .arg(format!("--user-data-dir={}", bench.path(&format!("profile-{name}")).display()))
            .arg(format!("--screenshot={}", shot.display()))
            .arg(format!("--log-net-log={}", log.display()))
            .arg(&page)
            .output()
            .expect("the browser starts");
        assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
        let talk = String::from_utf8_lossy(&output.stderr);
        assert!(!talk.contains("CONSOLE"), "{name}: the page speaks on its console: {talk}");
        let size = fs::metadata(&shot).expect("a picture").len();
        assert!(size > 50_000, "{name}: a picture of {size} bytes shows nothing");
        assert_only_the_page(&fs::read_to_string(&log).expect("a network log"), &page, name);
    }
}

/// Requests are the events of a network log that carry a method; the page itself is the only one.
fn assert_only_the_page(log: &str, page: &str, name: &str) {
    let mut requests: Vec<&str> = log
        .split("\"method\":\"GET\"")
        .skip(1)
        .filter_map(|event| event.split("\"url\":\"").nth(1)?.split('"').next())
        .collect();
    requests.sort_unstable();
    requests.dedup();
    for request in requests {
        assert!(request == page || request.starts_with("chrome"), "{name}: the page asks for {request}");
    }
    assert!(
        !log.contains("http://") || !log.contains("\"HOST_RESOLVER_MANAGER_JOB\""),
        "{name}: a name was looked up"
    );
}
