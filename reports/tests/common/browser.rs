//! A Chromium without a window, driven over its DevTools pipe: messages are JSON, each ended by
//! a zero byte. Just enough to open a page, ask it, touch it and photograph it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;

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
    "--hide-scrollbars",
    "--host-resolver-rules=MAP * ~NOTFOUND",
];
/// How long a page may take until it is drawn: as many looks …
const LOOKS: u32 = 1_200;
/// … this far apart.
const PAUSE: Duration = Duration::from_millis(50);

pub struct Browser {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
    session: Option<String>,
    calls: u64,
    /// What it told without being asked, since the last page was opened.
    pub events: Vec<Value>,
    _profile: TempDir,
}

/// How a page is looked at.
#[derive(Clone, Copy)]
pub struct Look {
    pub size: (u32, u32),
    pub dark: bool,
    pub print: bool,
    pub script: bool,
}

impl Look {
    pub const WIDE: Self = Self { size: (1280, 900), dark: false, print: false, script: true };
}

impl Browser {
    pub fn start(program: &Path) -> Self {
        let profile = tempfile::tempdir().expect("a temporary directory");
        // The pipe is file descriptors 3 and 4; a shell puts them there.
        let mut child = Command::new("sh")
            .args(["-c", "exec \"$@\" 3<&0 4>&1 </dev/null >/dev/null 2>&1", "sh"])
            .arg(program)
            .args(QUIET)
            .args(["--remote-debugging-pipe", "--enable-precise-memory-info"])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the browser starts");
        let (to, from) = (child.stdin.take().expect("a pipe"), child.stdout.take().expect("a pipe"));
        let from = BufReader::new(from);
        let (session, calls, events) = (None, 0, Vec::new());
        let mut browser = Self { child, to, from, session, calls, events, _profile: profile };
        let target = browser.call("Target.createTarget", json!({ "url": "about:blank" }));
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        let attached = browser.call("Target.attachToTarget", attach);
        browser.session = attached["sessionId"].as_str().map(ToOwned::to_owned);
        for domain in ["Page", "Runtime", "Network", "Log"] {
            browser.call(&format!("{domain}.enable"), json!({}));
        }
        browser
    }

    /// Sends a command and waits for its answer.
    pub fn call(&mut self, method: &str, params: Value) -> Value {
        self.calls += 1;
        let mut message = json!({ "id": self.calls, "method": method });
        message["params"] = params;
        if let Some(session) = &self.session {
            message["sessionId"] = json!(session);
        }
        self.to.write_all(format!("{message}\0").as_bytes()).expect("the browser listens");
        loop {
            let mut bytes = Vec::new();
            self.from.read_until(0, &mut bytes).expect("the browser answers");
            assert_eq!(bytes.pop(), Some(0), "the browser went away during {method}");
            let mut answer: Value = serde_json::from_slice(&bytes).expect("JSON");
            if answer["id"] == self.calls {
                assert!(answer["error"].is_null(), "{method}: {}", answer["error"]);
                return answer["result"].take();
            }
            self.events.push(answer);
        }
    }

    /// Opens a file, with a fragment or without, and waits until it is drawn, if a script may draw.
    pub fn open(&mut self, file: &Path, fragment: &str, look: Look) {
        let (width, height) = look.size;
        let metrics = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.call("Emulation.setDeviceMetricsOverride", metrics);
        let scheme = if look.dark { "dark" } else { "light" };
        let features = json!([{ "name": "prefers-color-scheme", "value": scheme }]);
        let media = if look.print { "print" } else { "" };
        self.call("Emulation.setEmulatedMedia", json!({ "media": media, "features": features }));
        self.call("Emulation.setScriptExecutionDisabled", json!({ "value": !look.script }));
        self.call("Page.navigate", json!({ "url": "about:blank" }));
        self.events.clear();
        self.call("Page.navigate", json!({ "url": format!("file://{}{fragment}", file.display()) }));
        let ready = if look.script { "document.documentElement?.dataset.drawn" } else { "document.body" };
        self.until(&format!(
            "!!{ready} && location.protocol === 'file:' && document.readyState === 'complete'"
        ));
    }

    /// Waits until an expression is true.
    pub fn until(&mut self, expression: &str) {
        for _ in 0..LOOKS {
            if self.ask(expression) == json!(true) {
                return;
            }
            std::thread::sleep(PAUSE);
        }
        panic!("never came true: {expression}");
    }

    /// The value of an expression, or of a promise.
    pub fn ask(&mut self, expression: &str) -> Value {
        let params = json!({ "expression": expression, "returnByValue": true, "awaitPromise": true });
        let mut answer = self.call("Runtime.evaluate", params);
        assert!(answer["exceptionDetails"].is_null(), "{expression}: {}", answer["exceptionDetails"]);
        answer["result"]["value"].take()
    }

    /// Presses the left button at one place of the window and lets it go at another.
    pub fn drag(&mut self, from: (f64, f64), to: (f64, f64)) {
        let steps = [("mouseMoved", from), ("mousePressed", from), ("mouseMoved", to), ("mouseReleased", to)];
        for (kind, (x, y)) in steps {
            let held = u32::from(kind != "mouseMoved" || (x, y) == to);
            let params =
                json!({ "type": kind, "x": x, "y": y, "button": "left", "buttons": held, "clickCount": 1 });
            self.call("Input.dispatchMouseEvent", params);
        }
    }

    pub fn hover(&mut self, (x, y): (f64, f64)) {
        self.call("Input.dispatchMouseEvent", json!({ "type": "mouseMoved", "x": x, "y": y }));
    }

    pub fn wheel(&mut self, (x, y): (f64, f64), by: f64, ctrl: bool) {
        let modifiers = if ctrl { 2 } else { 0 };
        let params = json!({ "type": "mouseWheel", "x": x, "y": y, "deltaX": 0, "deltaY": by, "modifiers": modifiers });
        self.call("Input.dispatchMouseEvent", params);
    }

    pub fn key(&mut self, key: &str) {
        for kind in ["keyDown", "keyUp"] {
            self.call(
                "Input.dispatchKeyEvent",
                json!({ "type": kind, "key": key, "text": if kind == "keyDown" { key } else { "" } }),
            );
        }
    }

    /// A picture of the whole page, however high, or of one element of it.
    pub fn picture(&mut self, element: Option<&str>, file: &Path) -> u64 {
        let of = element
            .map_or("document.documentElement".to_owned(), |e| format!("document.querySelector('{e}')"));
        let area = self.ask(&format!(
            "(() => {{ const r = {of}.getBoundingClientRect(); return {{ x: r.x + scrollX, y: r.y + scrollY, width: r.width, height: Math.min(r.height, 12000), scale: 1 }}; }})()"
        ));
        let shot =
            self.call("Page.captureScreenshot", json!({ "clip": area, "captureBeyondViewport": true }));
        let bytes = STANDARD.decode(shot["data"].as_str().expect("a picture")).expect("base64");
        fs::write(file, &bytes).expect("written");
        bytes.len() as u64
    }

    /// Addresses asked for, and messages on the console, since the page was opened.
    pub fn talk(&self) -> (Vec<String>, Vec<String>) {
        let of = |method: &'static str| self.events.iter().filter(move |e| e["method"] == method);
        let requests = of("Network.requestWillBeSent").map(|e| &e["params"]["request"]["url"]);
        let console =
            of("Runtime.consoleAPICalled").chain(of("Log.entryAdded")).chain(of("Runtime.exceptionThrown"));
        let requests = requests.filter_map(Value::as_str).filter(|url| *url != "about:blank");
        (requests.map(ToOwned::to_owned).collect(), console.map(ToString::to_string).collect())
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // It is gone already if the test went wrong.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
