//! Clients that a file declares, on load machines: a program with what it needs, and a template of requests.
//!
//! The hosts are those of [`super::lab`]: one has the server, the two others the clients. They run with
//! `DURESS_CLUSTERS=1` only, as root, where sshd and nftables are installed.

use super::common::alone;
use super::fleet::{history, load_agent};
use super::lab::{Lab, eventually};
use serde_json::Value;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};

/// One server that remembers every value; it answers with the last, or with the one before.
const STORE: &str = r#"
import socketserver, sys, threading
from http.server import BaseHTTPRequestHandler
address, port, bug = sys.argv[1], int(sys.argv[2]), sys.argv[3]
lock, values = threading.Lock(), {}

class Handler(BaseHTTPRequestHandler):
    protocol_version, wbufsize = "HTTP/1.1", -1
    def log_message(self, *words):
        pass
    def answer(self, status, body=b""):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def do_GET(self):
        with lock:
            known = values.get(self.path, [])[: -1 if bug == "stale" else None]
        self.answer(200, known[-1]) if known else self.answer(404)
    def do_PUT(self):
        value = self.rfile.read(int(self.headers["Content-Length"]))
        with lock:
            values.setdefault(self.path, []).append(value)
        self.answer(200)

class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address, daemon_threads, request_queue_size = True, True, 64

Server((address, port), Handler).serve_forever()
"#;

/// It says who and where it is, leaves a process and a file, and minds where keys begin.
const CLIENT: &str = r#"
import json, os, subprocess, sys
from lib.store import Store

def say(**message):
    print(json.dumps(message), flush=True)

for line in sys.stdin:
    said = json.loads(line)
    if said["type"] == "init":
        greeting = open(os.environ["GREETING"]).read()
        print(said["process"], os.getcwd(), greeting, os.environ["MODE"], file=sys.stderr, flush=True)
        null = subprocess.DEVNULL
        subprocess.Popen(["sleep", "1000"], stdin=null, stdout=null, stderr=null)
        open(f"left-by-{said['process']}", "w").close()
        store = Store(said["address"], said["port"])
        say(type="init_ok")
    elif said["type"] == "setup":
        say(type="setup_ok")
    elif said["type"] == "invoke":
        (key, asked), id = said["value"], said["id"]
        if key < 10**15:
            sys.exit(f"{key} is no key of this run")
        if said["f"] == "read":
            say(type="ok", id=id, value=[key, store.read(key)])
        elif said["f"] == "write":
            store.write(key, asked)
            say(type="ok", id=id)
        else:
            say(type="fail", id=id, error="unknown")
    else:
        break
"#;

/// What the client needs, and does not name.
const LIB: &str = r#"
import http.client

class Store:
    def __init__(self, address, port):
        self.http = http.client.HTTPConnection(address, port, timeout=2)
    def ask(self, *request):
        self.http.request(*request)
        answer = self.http.getresponse()
        return answer.status, answer.read()
    def read(self, key):
        status, body = self.ask("GET", f"/r{key}")
        return int(body) if status == 200 else None
    def write(self, key, value):
        assert self.ask("PUT", f"/r{key}", str(value))[0] == 200
"#;

const TARGET: &str = r#"
workloads = ["register"]
nodes = { max = 1 }
ports = { client = 7000 }
[server]
start = "python3 {here}/store.py {address} {port.client} {set.bug}"
[settings.bug]
default = "none"
one-of = ["none", "stale"]
doc = "which one the server has"
"#;

const TEMPLATE: &str = r#"
[http]
url = "http://{address}:{port}"
read = { method = "GET", path = "/r{key}", ok = { status = 200 }, value = "body", absent = { status = 404 } }
write = { method = "PUT", path = "/r{key}", body = "{value}", ok = { status = 200 } }
"#;

/// As many operations as are asked for, however long a busy machine takes to start a program.
const FIXED: [&str; 10] =
    ["--faults", "none", "--ops", "200", "--time", "5m", "--op-timeout", "30s", "--seed", "3"];

#[test]
fn clients_of_a_file_go_to_load_machines_with_what_they_need_and_leave_nothing_there() {
    let _machine = alone();
    let test = "clients_of_a_file_go_to_load_machines_with_what_they_need_and_leave_nothing_there";
    let Some(lab) = Lab::new(test) else { return };
    write(&lab);
    judge_with_a_program(&lab);
    judge_with_a_template(&lab);
    ask_the_same(&lab);
    end_by_force(&lab);
    lack_something(&lab);
}

fn write(lab: &Lab) {
    let path = |name: &str| lab.bench.path(name);
    for folder in ["bin", "lib", "modules"] {
        fs::create_dir(path(folder)).expect("made");
    }
    let program = format!(
        "[client]\ncommand = ['{}', 'client.py']\nfiles = ['lib']\n\
         env = {{ GREETING = '{{here}}/greeting.txt', MODE = '{{set.bug}}', PYTHONPATH = '{}' }}\n",
        path("bin/interpreter").display(),
        path("modules").display(),
    );
    let hosts = lab.bench.text("hosts.toml") + "[load]\nhosts = ['10.99.0.2', '10.99.0.3']\n";
    for (name, text) in [
        ("store.py", STORE),
        ("client.py", CLIENT),
        ("lib/store.py", LIB),
        ("greeting.txt", "hello"),
        ("bin/interpreter", "#!/bin/sh\nexec python3 \"$@\"\n"),
        ("modules/elsewhere.py", ""),
        ("store.toml", &format!("{TARGET}{program}")),
        ("template.toml", &format!("{TARGET}{TEMPLATE}")),
        ("fleet.toml", &hosts),
        ("consent", ""),
    ] {
        fs::write(path(name), text).expect("written");
    }
    fs::set_permissions(path("bin/interpreter"), fs::Permissions::from_mode(0o755)).expect("executable");
}

/// Both machines have asked, and whoever asked is gone.
fn run(lab: &Lab, (target, bug, code): (&str, &str, i32)) {
    let set = format!("bug={bug}");
    let dir = format!("{target}-{bug}");
    let args = ["run", target, "--on", "fleet.toml", "--set", &set, "--dir", &dir, "--concurrency", "4"];
    let ended = lab.duress(&[&args[..], &FIXED].concat()).expect(code);
    let verdict = lab.bench.json(&format!("{dir}/verdict.json"));
    assert!(verdict["verdicts"][0]["stats"]["ok"].as_u64() > Some(50), "{verdict:#}");
    let info = lab.bench.json(&format!("{dir}/run.json"));
    let load = info["load"].as_array().expect("load machines");
    let worked = |machine: &Value| machine["calls"].as_u64() > Some(10) && machine["lost"].is_null();
    assert!(load.len() == 2 && load.iter().all(worked), "{load:#?}\n{}", ended.stdout);
    lab.assert_clean();
}

fn judge_with_a_program(lab: &Lab) {
    run(lab, ("store.toml", "none", 0));
    run(lab, ("store.toml", "stale", 1));
    // What they said on standard error is here: from where, with what, and each with a number of its own.
    let logs = fs::read_dir(lab.bench.path("store.toml-none/clients")).expect("logs").flatten();
    let mut seen = [0; 2];
    for log in logs {
        let number: usize = log.path().file_stem().and_then(|n| n.to_str()?.parse().ok()).expect("a number");
        let text = fs::read_to_string(log.path()).expect("a log");
        assert!(text.starts_with(&format!("{number} ")) && text.ends_with(" hello none\n"), "{text}");
        if let Some(at) = number.checked_sub(1).map(|number| number % 2) {
            assert!(
                text.contains("/agent/runs/") && text.contains(&format!("-load{}/files ", at + 1)),
                "{text}"
            );
            seen[at] += 1;
        }
    }
    assert_eq!(seen, [2, 2], "two clients on each machine");
}

fn judge_with_a_template(lab: &Lab) {
    run(lab, ("template.toml", "none", 0));
    run(lab, ("template.toml", "stale", 1));
}

/// The seed decides what is asked, wherever clients are.
fn ask_the_same(lab: &Lab) {
    for (dir, hosts) in [("here", "hosts.toml"), ("there", "fleet.toml")] {
        let args = ["run", "store.toml", "--on", hosts, "--dir", dir];
        // One thread: what several ask depends on whose turn it is.
        lab.duress(&[&args[..], &FIXED, &["--concurrency", "1"]].concat()).expect(0);
    }
    let (here, there) = (lab.bench.invocations("here"), lab.bench.invocations("there"));
    assert!(here.len() >= 200, "{here:?}");
    assert_eq!(here, there);
}

/// The agent of one load machine is killed, and then the run itself: both times the machines are left as they were.
fn end_by_force(lab: &Lab) {
    let args =
        ["run", "store.toml", "--on", "fleet.toml", "--faults", "none", "--time", "10m", "--dir", "left"];
    let mut run = lab.command(&args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
    let told = || format!("{:?}\n{}", lab.remains(), lab.processes().join("\n"));
    let asked = || history(lab, "left").iter().filter(|op| op["type"] == "ok").count();
    eventually(|| asked() > 50, &told);
    let of = |machine: &str| {
        let is_of = |path: &&std::path::PathBuf| path.to_string_lossy().contains(machine);
        (
            lab.remains().iter().filter(is_of).count(),
            lab.processes().iter().filter(|p| p.contains(machine)).count(),
        )
    };
    // The folder and what is noted of it; programs, and what they have started.
    assert!(
        ["-load1", "-load2"].iter().all(|machine| of(machine).0 == 2 && of(machine).1 >= 2),
        "{}",
        told()
    );
    let agent = load_agent(2);
    assert!(Command::new("kill").args(["-KILL", &agent]).status().expect("kill runs").success());
    eventually(|| of("-load1") == (0, 0), &told);
    assert_eq!(of("-load2").0, 2, "{}", told());
    let before = asked();
    eventually(|| asked() > before + 50, &told);
    run.kill().expect("killed");
    run.wait().expect("ended");
    lab.assert_clean();
}

/// What a load machine has not got is told before any host is asked for anything.
fn lack_something(lab: &Lab) {
    fs::remove_file(lab.bench.path("consent")).expect("removed");
    let refused = |sentence: &str| {
        let args = ["run", "store.toml", "--on", "fleet.toml", "--dir", "refused"];
        let ended = lab.duress(&[&args[..], &FIXED].concat()).expect(3);
        assert!(ended.stderr.contains("use the load machine 10.99.0.3: "), "{}", ended.stderr);
        assert!(ended.stderr.contains(sentence), "{sentence}: {}", ended.stderr);
        assert!(!lab.bench.path("refused/nodes/n1").exists(), "a node was made");
        lab.assert_clean();
        fs::remove_dir_all(lab.bench.path("refused")).expect("removed");
    };
    let text = lab.bench.text("client.py");
    fs::write(lab.bench.path("client.py"), format!("import elsewhere\n{text}")).expect("written");
    lab.hide(3, "modules");
    refused(
        "ends with status 1 before it is told anything: ModuleNotFoundError: No module named 'elsewhere'; install there what it needs, or name it in `files` of [client]",
    );
    lab.hide(3, "bin");
    let text = lab.bench.text("store.toml");
    let line = 1 + text.lines().position(|line| line.starts_with("command =")).expect("a line");
    refused(&format!(
        "store.toml:{line}: there is no program `{}`; install it there, or put it beside the file",
        lab.bench.path("bin/interpreter").display()
    ));
    // A program that a file names has to be in its folder to be brought along.
    fs::write(lab.bench.path("store.toml"), text.replace("['lib']", "['lib', '/etc/passwd']"))
        .expect("written");
    let args = ["run", "store.toml", "--on", "fleet.toml"];
    let ended = lab.duress(&[&args[..], &FIXED].concat()).expect(3);
    assert!(
        ended.stderr.contains("`/etc/passwd` is not in the directory of the file; put it there"),
        "{}",
        ended.stderr
    );
}
