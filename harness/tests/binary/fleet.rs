//! Clients on load machines: of the hosts of [`super::lab`], two ask the third.
//!
//! They run with `DURESS_CLUSTERS=1` only, as root, where sshd and nftables are installed.

use super::common::{alone, assert_exercised, ended};
use super::lab::{Lab, eventually};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::process::{Command, Stdio};
use std::time::Duration;

/// Threads of the run that loses a machine, half of them there.
const THREADS: usize = 6;
/// What a slow line takes each way.
const LATE: Duration = Duration::from_millis(50);
/// Hands all that comes on, later; for ssh, in place of its connection.
const LATE_LINE: &str = r#"
import os, queue, socket, sys, threading, time
line = socket.create_connection((sys.argv[1], int(sys.argv[2])))
late = float(sys.argv[3])

def relay(read, write, end):
    waiting = queue.Queue()
    def deliver():
        while True:
            due, piece = waiting.get()
            time.sleep(max(0.0, due - time.monotonic()))
            if not piece:
                return end()
            while piece:
                piece = piece[write(piece):]
    threading.Thread(target=deliver).start()
    piece = b"-"
    while piece:
        piece = read()
        waiting.put((time.monotonic() + late, piece))

back = threading.Thread(target=relay, args=(lambda: line.recv(65536), lambda p: os.write(1, p), lambda: os._exit(0)))
back.start()
relay(lambda: os.read(0, 65536), line.send, lambda: line.shutdown(socket.SHUT_WR))
"#;

#[test]
fn clients_elsewhere_feed_one_history_and_a_machine_that_is_lost_leaves_doubt() {
    let _machine = alone();
    let test = "clients_elsewhere_feed_one_history_and_a_machine_that_is_lost_leaves_doubt";
    let Some(lab) = Lab::new(test) else { return };
    fs::write(lab.bench.path("consent"), "").expect("written");
    let hosts = lab.bench.text("hosts.toml") + "[load]\nhosts = ['10.99.0.2', '10.99.0.3']\n";
    fs::write(lab.bench.path("fleet.toml"), hosts).expect("written");
    break_with_proof(&lab);
    ask_the_same(&lab);
    answer_late(&lab);
    lose_one(&lab, "KILL", "3200ms");
    // Nobody says that it is gone.
    lose_one(&lab, "STOP", "7s");
    lab.assert_clean();
    leave_alone(&lab);
}

pub(super) fn history(lab: &Lab, run: &str) -> Vec<Value> {
    let text = fs::read_to_string(lab.bench.path(run).join("history.jsonl")).unwrap_or_default();
    // The last line may be half written.
    let ops = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    ops.filter(|op| op["process"].is_u64()).collect()
}

/// The process that holds clients on a host. What it starts for them has its command line, too, and another name.
pub(super) fn load_agent(host: usize) -> String {
    let pids = Command::new("ip").args(["netns", "pids", &Lab::host(host)]).output().expect("ip runs");
    let pids = String::from_utf8_lossy(&pids.stdout).into_owned();
    let read = |pid: &str, what: &str| fs::read(format!("/proc/{pid}/{what}")).unwrap_or_default();
    let is_agent = |pid: &&str| {
        read(pid, "cmdline").ends_with(b"\0agent\0--load\0") && read(pid, "comm") != b"duress-client\n"
    };
    let agent: Vec<&str> = pids.lines().filter(is_agent).collect();
    assert_eq!(agent.len(), 1, "{pids}");
    agent[0].to_owned()
}

/// Faults of nodes, of links and of clients reach clients that are elsewhere.
fn break_with_proof(lab: &Lab) {
    lab.schedule(&[
        ("200ms", "1s", "kind = 'client'\nwhat = 'kill'\nnodes = 'n1'"),
        ("1600ms", "500ms", "kind = 'kill'\nnodes = 'n1'"),
        ("2800ms", "1500ms", "kind = 'partition'\nshape = { clients = 'n1' }\ncut = { port = 6379 }"),
    ]);
    let fixed = ["--schedule", "schedule.toml", "--time", "4500ms", "--seed", "1", "--dir", "run"];
    lab.duress(&[&["run", "redis", "--on", "fleet.toml"], &fixed[..]].concat()).expect(0);
    let verdict = lab.bench.json("run/verdict.json");
    assert_exercised(&verdict, 50);
    let faults = verdict["faults"].as_array().expect("faults");
    assert!(faults.len() == 3 && faults.iter().all(|fault| fault["state"] == "bit"), "{faults:#?}");
    let load = &lab.bench.json("run/run.json")["load"];
    for (at, (host, clients)) in [("10.99.0.2", [0, 2]), ("10.99.0.3", [1, 3])].into_iter().enumerate() {
        let machine = &load[at];
        assert_eq!((&machine["host"], &machine["clients"]), (&host.into(), &clients.as_slice().into()));
        assert!(machine["calls"].as_u64() > Some(10) && machine["lost"].is_null(), "{machine:#}");
    }
    // What is invoked while clients are cut off is not answered before that is mended.
    let journal = lab.bench.text("run/faults.jsonl");
    let journal: Vec<Value> =
        journal.lines().map(|line| serde_json::from_str(line).expect("an entry")).collect();
    let at = |event: &str| {
        let is = |entry: &&Value| entry["fault"] == 3 && entry["event"] == event;
        journal.iter().find(is).and_then(|entry| entry["time"].as_u64()).expect("its time")
    };
    let cut = at("bit")..at("healing");
    let history = history(lab, "run");
    let open = |ok: &Value| {
        let before = history.iter().rev().skip_while(|op| *op != ok);
        let mut invoked = before.filter(|op| op["type"] == "invoke" && op["process"] == ok["process"]);
        invoked.next().and_then(|op| op["time"].as_u64()).expect("invoked")
    };
    let passed = history.iter().filter(|op| {
        let time = op["time"].as_u64().expect("a time");
        op["type"] == "ok" && cut.contains(&time) && cut.contains(&open(op))
    });
    assert_eq!(passed.collect::<Vec<_>>(), [] as [&Value; 0]);
}

/// The seed decides what is asked, wherever clients are.
fn ask_the_same(lab: &Lab) {
    let fixed = ["--faults", "none", "--concurrency", "1", "--ops", "60", "--time", "1m", "--seed", "7"];
    for (dir, hosts) in [("here", "hosts.toml"), ("there", "fleet.toml")] {
        lab.duress(&[&["run", "redis", "--on", hosts, "--dir", dir], &fixed[..]].concat()).expect(0);
    }
    let (here, there) = (lab.bench.invocations("here"), lab.bench.invocations("there"));
    assert!(here.len() >= 60, "{here:?}");
    assert_eq!(here, there);
}

/// Behind a line that takes its time nothing is recorded before it can be known here, and nothing is lost.
fn answer_late(lab: &Lab) {
    fs::write(lab.bench.path("late.py"), LATE_LINE).expect("written");
    let text = lab.bench.text("fleet.toml");
    let options = text.lines().find_map(|line| line.strip_prefix("options = [")).expect("options");
    let late = format!("python3 {} %h %p {}", lab.bench.path("late.py").display(), LATE.as_secs_f64());
    fs::write(lab.bench.path("late.toml"), format!("{text}options = ['ProxyCommand={late}', {options}\n"))
        .expect("written");
    let threads = THREADS.to_string();
    let many = ["--ops", "120", "--time", "5m", "--op-timeout", "30s", "--concurrency", &threads];
    let fixed = ["--faults", "none", "--seed", "4", "--dir", "late"];
    lab.duress(&[&["run", "redis", "--on", "late.toml"], &many[..], &fixed].concat()).expect(0);
    let mut open: BTreeMap<u64, Value> = BTreeMap::new();
    let mut ended = 0;
    for op in history(lab, "late") {
        let process = op["process"].as_u64().expect("a process");
        if op["type"] == "invoke" {
            assert!(open.insert(process, op).is_none(), "{process} does two things at a time");
            continue;
        }
        ended += 1;
        let invoked = open.remove(&process).expect("it was invoked");
        assert!(op["type"] == "ok" || op["f"] == "cas", "{op}");
        // The answer to this question, and no other's.
        assert_eq!((&op["f"], &op["value"][0]), (&invoked["f"], &invoked["value"][0]));
        if op["f"] == "write" {
            assert_eq!(op["value"], invoked["value"]);
        }
        // There and back: whatever is stamped elsewhere than here would be shorter.
        let took = op["time"].as_u64().zip(invoked["time"].as_u64()).map(|(end, begin)| end - begin);
        assert!(took.map(Duration::from_nanos) >= Some(2 * LATE), "{invoked} {op}");
    }
    assert!(open.is_empty() && ended >= 120, "{ended} ended, and not {open:?}");
    let load = &lab.bench.json("late/run.json")["load"];
    let sum =
        |of: &str| load.as_array().expect("machines").iter().map(|m| m[of].as_u64().expect(of)).sum::<u64>();
    assert_eq!(sum("calls"), ended as u64, "{load:#}");
    // Each of two machines.
    let least = 2 * 2 * LATE.as_micros() as u64;
    assert!(sum("round_trip_us") >= least && sum("line_us") >= least, "{load:#}");
}

/// The agent of a load machine gets this signal while all clients wait for a server that stands still.
fn lose_one(lab: &Lab, signal: &str, time: &str) {
    let lost = format!("lost-{signal}");
    lab.schedule(&[("300ms", "2500ms", "kind = 'pause'\nnodes = 'n1'")]);
    let threads = THREADS.to_string();
    let fixed = ["--schedule", "schedule.toml", "--time", time, "--seed", "2", "--dir", &lost];
    let args = [
        &["run", "redis", "--on", "fleet.toml", "--concurrency", &threads, "--op-timeout", "30s"][..],
        &fixed[..],
    ]
    .concat();
    let run = lab.command(&args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    let open = || {
        let history = history(lab, &lost);
        2 * history.iter().filter(|op| op["type"] == "invoke").count() - history.len()
    };
    let journal = || fs::read_to_string(lab.bench.path(&lost).join("faults.jsonl")).unwrap_or_default();
    eventually(|| journal().contains("\"event\":\"bit\"") && open() == THREADS, &journal);
    let agent = load_agent(2);
    let send = |signal: &str| {
        let sent = Command::new("kill").args([&format!("-{signal}"), &agent]).status();
        sent.expect("kill runs").success()
    };
    assert!(send(signal));

    let told = ended(&run.wait_with_output().expect("it ends")).expect(0);
    // One that stands still ends when it goes on.
    assert!(signal == "KILL" || send("CONT"));
    let info = lab.bench.json(&format!("{lost}/run.json"));
    assert!(info["load"][0]["lost"].is_string() && info["load"][1]["lost"].is_null(), "{:#}", info["load"]);
    let warnings = info["warnings"].to_string();
    assert!(warnings.contains("the load machine 10.99.0.2 was lost"), "{warnings}");
    assert!(told.stdout.contains("3 clients go on from 10.99.0.3"), "{}", told.stdout);
    let history = history(lab, &lost);
    let in_doubt = |op: &&Value| {
        op["type"] == "info"
            && op["error"].as_str().is_some_and(|error| error.starts_with("load-machine-lost"))
    };
    assert_eq!(history.iter().filter(in_doubt).count(), THREADS / 2, "{history:#?}");
    // Their threads go on as other processes.
    let later = |op: &&Value| op["type"] == "ok" && op["process"].as_u64() >= Some(THREADS as u64);
    assert!(history.iter().filter(later).count() > 0, "{history:#?}");
}

/// Clients end on machines that hear nothing any more.
fn leave_alone(lab: &Lab) {
    let args = ["run", "redis", "--on", "fleet.toml", "--faults", "none", "--time", "10m", "--dir", "left"];
    let mut run = lab.command(&args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
    eventually(|| history(lab, "left").iter().any(|op| op["type"] == "ok"), &|| "no operation".to_owned());
    Lab::set_wire("down");
    lab.assert_clean();
    run.kill().expect("killed");
    run.wait().expect("ended");
    Lab::set_wire("up");
}
