//! Containers of a real Docker engine, started here in a network of its own, with its files in the test's
//! folder, and gone with it.
//!
//! They run with `DURESS_CLUSTERS=1` only, as root, where dockerd and nftables are installed.

use super::common::{Bench, Ended, alone, assert_exercised, clusters_wanted, ended, read_json};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Longest wait for what takes a second or two.
const PATIENCE: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(50);
/// Where Debian puts what is not on everybody's path.
const FOLDERS: [&str; 3] = ["/usr/bin", "/usr/sbin", "/sbin"];
/// What the nodes are called.
const NODES: [&str; 3] = ["db1", "db2", "db3"];
/// The networks on which clients reach them, and on which they reach each other.
const NETWORK: &str = "10.98.7";
const OTHER: &str = "10.98.8";
const OTHER_SIX: &str = "fd98:8:";

/// An engine with three containers: a Redis server and two replicas.
struct Lab {
    bench: Bench,
    engine: Child,
}

impl Lab {
    /// `None` where there can be none.
    fn new(test: &str) -> Option<Self> {
        if !clusters_wanted(test) {
            return None;
        }
        let has = |program: &str| FOLDERS.iter().any(|dir| Path::new(dir).join(program).exists());
        let wanted = ["dockerd", "docker", "containerd", "runc", "nft", "ip", "nsenter", "unshare"];
        let lacking = wanted.into_iter().find(|program| !has(program));
        if !nix::unistd::geteuid().is_root() || lacking.is_some() {
            eprintln!("{test}: skipped, it needs root and {}", lacking.unwrap_or("nothing else"));
            return None;
        }
        let bench = Bench::new();
        tool("ip", &["netns", "add", &namespace()]);
        tool("ip", &["-n", &namespace(), "link", "set", "lo", "up"]);
        let engine = start(&bench);
        let lab = Self { bench, engine };
        let answers = || docker(&lab.bench, &["version"]).is_ok();
        if !eventually(answers) {
            let said = fs::read_to_string(lab.bench.path("engine.log")).unwrap_or_default();
            panic!("the engine does not answer: {said}");
        }
        lab.import();
        lab.raise();
        Some(lab)
    }

    /// An image of a few programs of this machine, with the libraries that they need.
    fn import(&self) {
        let fetched = self.bench.duress(&["fetch", "redis", "--json"]).expect(0);
        let fetched: serde_json::Value = serde_json::from_str(&fetched.stdout).expect("JSON");
        let redis = fetched["path"].as_str().expect("a path");
        let libraries = fetched["libraries"].as_str().unwrap_or_default();
        let root = self.bench.path("root");
        for program in ["/bin/sh", "/bin/cat", redis] {
            let ldd = Command::new("ldd").arg(program).env("LD_LIBRARY_PATH", libraries).output();
            let needed = String::from_utf8(ldd.expect("ldd is there").stdout).expect("text");
            let put = |file: &Path, to: PathBuf| {
                fs::create_dir_all(to.parent().expect("a folder")).expect("folders");
                fs::copy(file, to).expect("copied");
            };
            let name = Path::new(program).file_name().expect("a name");
            put(Path::new(program), root.join("bin").join(name));
            for library in needed.split_whitespace().filter(|word| word.starts_with('/')).map(Path::new) {
                // Those of the cache where programs look by themselves.
                let own = library.starts_with(libraries) && !libraries.is_empty();
                let name = Path::new("/lib").join(library.file_name().expect("a name"));
                let to = if own { &name } else { library };
                put(library, root.join(to.strip_prefix("/").expect("all of it")));
            }
        }
        let archive = self.bench.path("root.tar").display().to_string();
        tool("tar", &["-cf", &archive, "-C", &root.display().to_string(), "."]);
        self.docker(&["import", &archive, "redis"]);
    }

    fn raise(&self) {
        self.docker(&["network", "create", "--subnet", &format!("{NETWORK}.0/24"), "shop_front"]);
        let (four, six) = (format!("{OTHER}.0/24"), format!("{OTHER_SIX}:/64"));
        self.docker(&["network", "create", "--ipv6", "--subnet", &four, "--subnet", &six, "shop_back"]);
        for (at, name) in NODES.into_iter().enumerate() {
            let address = format!("{NETWORK}.{}", 11 + at);
            let mut args = vec!["create", "--name", name, "--network", "shop_front", "--ip", &address];
            let label = |what: &str, value: &str| format!("com.docker.compose.{what}={value}");
            let labels =
                [("project", "shop"), ("service", "db"), ("container-number", &(at + 1).to_string())]
                    .map(|(what, value)| label(what, value));
            args.extend(labels.iter().flat_map(|label| ["--label", label]));
            args.extend(["--env", "ANSWER=42", "redis", "/bin/redis-server", "--protected-mode", "no"]);
            args.extend(["--save", "", "--appendonly", "yes", "--repl-diskless-sync-delay", "0"]);
            let (four, six) = (format!("{OTHER}.{}", 11 + at), format!("{OTHER_SIX}:{}", 11 + at));
            let first = format!("{OTHER_SIX}:11");
            if at > 0 {
                args.extend(["--replicaof", &first, "6379"]);
            }
            self.docker(&args);
            self.docker(&["network", "connect", "--ip", &four, "--ip6", &six, "shop_back", name]);
            self.docker(&["start", name]);
        }
        fs::write(
            self.bench.path("docker.toml"),
            format!("[docker]\ncontainers = {NODES:?}\nnetwork = 'front'\n"),
        )
        .expect("written");
        let one = "[docker]\nproject = 'shop'\nservices = ['db']\nnetwork = 'shop_front'\n";
        fs::write(self.bench.path("one.toml"), one).expect("written");
    }

    #[track_caller]
    fn docker(&self, args: &[&str]) -> String {
        docker(&self.bench, args).unwrap_or_else(|said| panic!("docker {args:?}: {said}"))
    }

    /// On the network of the engine, as on the machine that runs it.
    fn command(&self, args: &[&str]) -> Command {
        let duress = self.bench.command(args);
        let mut command = Command::new("nsenter");
        command.arg(format!("--net=/run/netns/{}", namespace())).arg(duress.get_program()).args(args);
        command.env("DOCKER_HOST", host(&self.bench)).current_dir(self.bench.dir.path()).stdin(Stdio::null());
        command
    }

    fn duress(&self, args: &[&str]) -> Ended {
        ended(&self.command(args).output().expect("duress starts"))
    }

    fn schedule(&self, faults: &[(&str, &str, &str)]) {
        let fault = |(at, length, what): &(&str, &str, &str)| {
            format!("[[fault]]\nat = '{at}'\nfor = '{length}'\n{what}\n")
        };
        let text: String = faults.iter().map(fault).collect();
        fs::write(self.bench.path("schedule.toml"), text).expect("written");
    }

    /// What each container does, and our rules in its network: engines have some there, too.
    fn state(&self) -> String {
        let of = |name: &str| {
            let format = "{{.State.Status}} {{.State.Pid}}";
            let told = self.docker(&["container", "inspect", "--format", format, name]);
            let (status, pid) = told.trim().split_once(' ').expect("two words");
            let net = format!("--net=/proc/{pid}/ns/net");
            let nft = Command::new("nsenter").args([&net, "nft", "list", "tables"]).output();
            let tables = String::from_utf8(nft.expect("nft runs").stdout).expect("text");
            let ours: Vec<&str> = tables.lines().filter(|table| table.contains("duress_")).collect();
            format!("{name} {status} {}", ours.join(" ")).trim().to_owned()
        };
        NODES.map(of).join(", ")
    }

    #[track_caller]
    fn assert_right(&self) {
        let right = "db1 running, db2 running, db3 running";
        assert!(eventually(|| self.state() == right), "{}", self.state());
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        let _ = docker(&self.bench, &[&["rm", "--force"], &NODES[..]].concat());
        // It ends its containerd, too.
        let _ = Command::new("kill").arg(self.engine.id().to_string()).status();
        let _ = self.engine.wait();
        let _ = Command::new("ip").args(["netns", "del", &namespace()]).status();
        // Groups that it leaves, one for each controller, or one alone.
        let groups = Path::new("/sys/fs/cgroup");
        let controllers = fs::read_dir(groups).into_iter().flatten().flatten().map(|entry| entry.path());
        for controller in controllers.chain([groups.to_owned()]) {
            let _ = fs::remove_dir(controller.join(namespace()));
        }
    }
}

fn namespace() -> String {
    format!("duress-{}-docker", std::process::id())
}

fn host(bench: &Bench) -> String {
    format!("unix://{}", bench.path("sock").display())
}

/// In mounts of its own: it wants `/run` for itself. The kernel's rules stay alone.
fn start(bench: &Bench) -> Child {
    let script = "mount -t tmpfs none /run && exec dockerd --data-root \"$0/data\" --exec-root \"$0/exec\" \
                  --cgroup-parent \"/$1\" --pidfile \"$0/pid\" --host \"unix://$0/sock\" --storage-driver vfs --bridge none \
                  --iptables=false --ip-masq=false --ip-forward=false --userland-proxy=false";
    let log = fs::File::create(bench.path("engine.log")).expect("a log");
    let mut engine = Command::new("nsenter");
    engine.arg(format!("--net=/run/netns/{}", namespace()));
    engine.args(["unshare", "--mount", "--propagation", "private", "sh", "-c", script]);
    engine.arg(bench.dir.path()).arg(namespace());
    engine.stdin(Stdio::null()).stdout(log.try_clone().expect("a log")).stderr(log);
    engine.spawn().expect("nsenter starts")
}

fn docker(bench: &Bench, args: &[&str]) -> Result<String, String> {
    let output = Command::new("docker").args(args).env("DOCKER_HOST", host(bench)).output();
    let output = output.map_err(|error| error.to_string())?;
    let (said, complained) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if output.status.success() { Ok(said.into_owned()) } else { Err(complained.into_owned()) }
}

#[track_caller]
fn tool(program: &str, args: &[&str]) {
    let output = Command::new(program).args(args).output().expect("it starts");
    assert!(output.status.success(), "{program} {args:?}: {}", String::from_utf8_lossy(&output.stderr));
}

fn eventually(is: impl Fn() -> bool) -> bool {
    let patience = Instant::now() + PATIENCE;
    while !is() {
        if Instant::now() > patience {
            return false;
        }
        std::thread::sleep(POLL);
    }
    true
}

#[test]
fn containers_are_broken_with_proof_and_are_as_they_were_afterwards_whoever_ends() {
    let _machine = alone();
    let test = "containers_are_broken_with_proof_and_are_as_they_were_afterwards_whoever_ends";
    let Some(lab) = Lab::new(test) else { return };
    lab.bench.duress(&["init", "my-db"]).expect(0);
    refuse(&lab);
    break_with_proof(&lab);
    run_twice(&lab);
    end_one(&lab);
    leave_alone(&lab);
}

/// What cannot be is refused before anything is touched.
fn refuse(lab: &Lab) {
    let run = |on: &str, more: &[&str]| lab.duress(&[&["run", "my-db.toml", "--on", on], more].concat());
    let refused = run("docker.toml", &["--faults", "clock"]).expect(254);
    assert!(refused.stderr.contains("the engine starts it"), "{}", refused.stderr);
    let refused = run("docker.toml", &["--bin", "/bin/sh"]).expect(254);
    assert!(refused.stderr.contains("--bin with --on"), "{}", refused.stderr);
    for (table, why) in [
        ("containers = ['db']", "use the container db: "),
        ("containers = ['db4']", "did you mean `db1`?"),
        ("containers = ['db1']", "it is on several networks: shop_back, shop_front; say in [docker]"),
        (
            "project = 'shp'\nservices = ['db']",
            "the project shp: it has no containers; bring it up, or did you mean `shop`?",
        ),
        (
            "project = 'shop'\nservices = ['dbs']",
            "the service dbs of shop: it has no containers; bring it up, or did you mean `db`?",
        ),
    ] {
        fs::write(lab.bench.path("none.toml"), format!("[docker]\n{table}\n")).expect("written");
        let refused = run("none.toml", &["--nodes", "1", "--faults", "none"]).expect(3);
        assert!(refused.stderr.contains(why), "{}", refused.stderr);
    }
    let told = lab.duress(&["doctor", "--on", "docker.toml"]).expect(0);
    for line in ["db1\n", "yes  cuts", "no   clocks"] {
        assert!(told.stdout.contains(line), "{}", told.stdout);
    }
}

/// The file that finds stale reads of replicas on this machine finds them here.
fn break_with_proof(lab: &Lab) {
    let file = lab.bench.text("my-db.toml");
    let asks = "command = \"sh -c 'test $ANSWER = 42 && cat /proc/1/comm'\"\nsays = \"redis\"\n";
    // It ends with what it ends.
    let stop = "stop = \"sh -c 'kill -TERM 1; while true; do true; done'\"";
    let file = file.replace("#stop = \"SIGTERM\"", stop);
    assert!(file.contains(stop));
    let changed = file.replace("send = \"PING\\r\\nQUIT\\r\\n\"", "#").replace("says = \"PONG\"", asks);
    assert_ne!(file, changed);
    fs::write(lab.bench.path("my-db.toml"), changed).expect("written");
    // What has to run comes before what keeps it from running, however long an engine takes to start it.
    lab.schedule(&[
        ("100ms", "400ms", "kind = 'cpu-starve'\nnodes = 'n2'\npercent = 20"),
        ("700ms", "700ms", "kind = 'partition'\nshape = { isolate = 'n2' }"),
        (
            "1500ms",
            "400ms",
            "kind = 'partition'\nshape = { clients = 'n3' }\ncut = { port = 6379, reject = true }",
        ),
        ("2s", "500ms", "kind = 'pause'\nnodes = 'n3'"),
        ("2700ms", "300ms", "kind = 'kill'\nnodes = 'n2'"),
        ("3500ms", "300ms", "kind = 'terminate'\nnodes = 'n3'"),
    ]);
    let run = ["run", "my-db.toml", "--on", "docker.toml", "--schedule", "schedule.toml"];
    let run = lab.duress(&[&run[..], &["--time", "4s", "--seed", "1", "--dir", "found"]].concat()).expect(1);
    assert!(run.stdout.contains("Not linearizable"), "{}", run.stdout);
    let verdict = lab.bench.json("found/verdict.json");
    let faults = verdict["faults"].as_array().expect("faults");
    assert_eq!(faults.len(), 6);
    assert!(faults.iter().all(|fault| fault["state"] == "bit"), "{faults:#?}");
    // Replicas follow by another network and by IPv6: that is cut as well.
    let journal = lab.bench.text("found/faults.jsonl");
    let is_it = |line: &&str| line.contains("\"fault\":2,") && line.contains(" frames dropped");
    let healed = journal.lines().find(is_it).expect("the partition is healed");
    assert!(!healed.contains("\"0 frames dropped"), "{healed}");
    assert!(lab.bench.text("found/nodes/n2/my-db.log").contains("Ready to accept connections"));
    lab.assert_right();
}

/// What the first run has left is there, and the second is none the worse for it.
fn run_twice(lab: &Lab) {
    lab.schedule(&[("300ms", "600ms", "kind = 'terminate'\nnodes = 'n1'")]);
    let fixed = ["--nodes", "1", "--schedule", "schedule.toml", "--time", "1500ms", "--seed", "1"];
    for dir in ["once", "again"] {
        lab.duress(&[&["run", "redis", "--on", "one.toml", "--dir", dir], &fixed[..]].concat()).expect(0);
        assert_exercised(&read_json(&lab.bench.path(dir).join("verdict.json")), 50);
    }
    assert!(lab.bench.json("again/run.json")["warnings"].to_string().contains("key 0 of this one is"));
}

/// Somebody else ends a server: nobody can say that it did well.
fn end_one(lab: &Lab) {
    let args = ["run", "redis", "--on", "one.toml", "--nodes", "1", "--faults", "none", "--time", "10s"];
    let run = lab.command(&[&args[..], &["--dir", "ended"]].concat()).stdout(Stdio::null()).spawn();
    let mut run = run.expect("it starts");
    let ok =
        || fs::read_to_string(lab.bench.path("ended/history.jsonl")).unwrap_or_default().contains("\"ok\"");
    assert!(eventually(ok));
    lab.docker(&["kill", NODES[0]]);
    assert_eq!(run.wait().expect("ended").code(), Some(3));
    let doubts = lab.bench.json("ended/run.json")["doubts"].to_string();
    assert!(doubts.contains("n1 was ended by somebody else"), "{doubts}");
    lab.assert_right();
}

/// Nobody but the guardian is left to put them right; and when it is gone, too, somebody has to ask.
fn leave_alone(lab: &Lab) {
    lab.schedule(&[
        ("100ms", "10m", "kind = 'pause'\nnodes = 'n2'"),
        ("100ms", "10m", "kind = 'partition'\nshape = { isolate = 'n2' }"),
        ("100ms", "10m", "kind = 'kill'\nnodes = 'n3'"),
        // It comes back on another network, where its link to n2 is cut as well.
        ("300ms", "500ms", "kind = 'kill'\nnodes = 'n1'"),
    ]);
    let args = ["run", "my-db.toml", "--on", "docker.toml", "--schedule", "schedule.toml", "--time", "10m"];
    let args = [&args[..], &["--allow-majority-loss"]].concat();
    for guarded in [true, false] {
        let dir = format!("runs/guarded-{guarded}");
        let mut run = lab.command(&[&args[..], &["--dir", &dir]].concat());
        let mut run = run.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
        let journal = || fs::read_to_string(lab.bench.path(&dir).join("faults.jsonl")).unwrap_or_default();
        let bites = || journal().matches("\"event\":\"bit\"").count() == 4;
        assert!(eventually(bites), "{}", lab.state());
        assert!(eventually(|| lab.state().starts_with("db1 running table inet duress_")), "{}", lab.state());
        // Two runs at a time would take each other's faults for their own.
        let second = ["run", "my-db.toml", "--on", "docker.toml", "--faults", "none", "--dir", "second"];
        let second = lab.duress(&second).expect(3);
        assert!(second.stderr.contains("another run breaks it already"), "{}", second.stderr);
        let broken = lab.state();
        let is = |what: &str| broken.contains(what);
        assert!(is("db2 paused table inet duress_") && is("db3 exited"), "{broken}\n{}", journal());
        if !guarded {
            tool("kill", &["-KILL", &guardian(run.id())]);
        }
        run.kill().expect("killed");
        run.wait().expect("ended");
        if !guarded {
            assert_eq!(lab.state(), broken);
            let healed = lab.duress(&["heal", "runs"]).expect(0);
            assert!(healed.stdout.contains("containers are right again"), "{}", healed.stdout);
        }
        lab.assert_right();
    }
}

/// It is told whose rules it removes.
fn guardian(run: u32) -> String {
    let table = format!("duress_{run}_");
    let mut processes = fs::read_dir("/proc").expect("a folder").flatten();
    let guards = processes.find(|process| {
        let command = fs::read(process.path().join("cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&command).contains(&table)
    });
    guards.expect("a guardian").file_name().into_string().expect("a number")
}
