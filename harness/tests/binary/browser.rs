//! The report in a real browser: it shows, it asks for nothing else, it says nothing on its console.
//!
//! Runs where `DURESS_BROWSER` names a Chromium.

use super::common::Bench;
use std::fs;
use std::path::Path;
use std::process::Command;

/// Chromium talks to its maker on its own account; not from here.
const QUIET: [&str; 12] = [
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
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
];

/// What a page did in the browser.
struct Shown {
    picture_bytes: u64,
    requests: Vec<String>,
    console: Vec<String>,
}

fn show(browser: &Path, bench: &Bench, page: &str, name: &str, options: &[&str]) -> Shown {
    let (shot, log) = (bench.path(&format!("{name}.png")), bench.path(&format!("{name}.json")));
    let output = Command::new(browser)
        .args(QUIET)
        .args(options)
        .arg(format!("--user-data-dir={}", bench.path(&format!("profile-{name}")).display()))
        .arg(format!("--screenshot={}", shot.display()))
        .arg(format!("--log-net-log={}", log.display()))
        .arg(format!("file://{}", bench.path(page).display()))
        .output()
        .expect("the browser starts");
    assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    let log = fs::read_to_string(&log).expect("a network log");
    let talk = String::from_utf8_lossy(&output.stderr);
    Shown {
        picture_bytes: fs::metadata(&shot).expect("a picture").len(),
        // The browser's own requests are isolated under other origins than the file's.
        requests: log
            .lines()
            .filter(|line| line.contains("\"network_isolation_key\":\"file:") && line.contains("\"url\":"))
            .map(ToOwned::to_owned)
            .collect(),
        console: talk.lines().filter(|line| line.contains("CONSOLE")).map(ToOwned::to_owned).collect(),
    }
}

#[test]
fn the_report_shows_and_asks_for_nothing() {
    let Some(browser) = std::env::var_os("DURESS_BROWSER").filter(|path| Path::new(path).is_file()) else {
        eprintln!("the_report_shows_and_asks_for_nothing: skipped, set DURESS_BROWSER=<chromium>");
        return;
    };
    let browser = Path::new(&browser);
    let bench = Bench::new();
    // A page that does both must be caught doing both, or the rest of this test proves nothing.
    let canary = r#"<img src="http://127.0.0.1:9/x.png"><script>console.error("here")</script>"#;
    fs::write(bench.path("canary.html"), canary).expect("written");
    let canary = show(browser, &bench, "canary.html", "canary", &[]);
    assert!(canary.requests.iter().any(|request| request.contains("127.0.0.1:9/x.png")));
    assert!(canary.console.iter().any(|line| line.contains("here")), "{:?}", canary.console);

    bench.duress(&["demo", "--seed", "3", "--dir", "run"]).expect(1);
    for (name, options) in [
        ("light", &["--window-size=1280,2400"][..]),
        ("dark", &["--window-size=1280,2400", "--blink-settings=preferredColorScheme=0"][..]),
        ("narrow", &["--window-size=430,2400"][..]),
    ] {
        let shown = show(browser, &bench, "run/report.html", name, options);
        assert!(shown.picture_bytes > 50_000, "{name}: {} bytes show nothing", shown.picture_bytes);
        assert!(shown.requests.is_empty(), "{name}: the page asks for more: {:#?}", shown.requests);
        assert!(shown.console.is_empty(), "{name}: {:#?}", shown.console);
    }
}
