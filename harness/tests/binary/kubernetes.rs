//! Pods: the real `kubectl` against a stand-in for the cluster (`kubernetes.py`), whose pods are network
//! namespaces of this machine and whose containers are process namespaces with the capabilities that were
//! asked for, and no others.
//!
//! They run with `DURESS_CLUSTERS=1` only, as root, where `kubectl` knows how to customize what it debugs with.

use super::common::{Bench, Ended, alone, assert_exercised, clusters_wanted, ended};
use serde_json::Value;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Longest wait for what takes a second or two.
const PATIENCE: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(50);
/// Since which minor version of 1 `kubectl debug` takes `--custom`.
const CUSTOMIZES: u64 = 31;

/// One pod with Redis, and this side.
struct Lab {
    bench: Bench,
    kubernetes: Child,
}

impl Lab {
    /// `None` where there can be none.
    fn new(test: &str) -> Option<Self> {
        if !clusters_wanted(test) {
            return None;
        }
        let has = |program: &str| {
            ["/usr/sbin", "/sbin", "/usr/bin", "/usr/local/bin"]
                .iter()
                .any(|dir| Path::new(dir).join(program).exists())
        };
        let lacking = ["python3", "nft", "ip", "setpriv", "strip"].into_iter().find(|program| !has(program));
        let lacking = lacking.or((!customizes()).then_some("kubectl 1.31"));
        if !nix::unistd::geteuid().is_root() || lacking.is_some() {
            eprintln!("{test}: skipped, it needs root and {}", lacking.unwrap_or("nothing else"));
            return None;
        }
        let bench = Bench::new();
        let fetched: Value =
            serde_json::from_str(&bench.duress(&["fetch", "redis", "--json"]).expect(0).stdout)
                .expect("JSON");
        let redis = PathBuf::from(fetched["path"].as_str().expect("a path"));
        let libraries = format!("LD_LIBRARY_PATH={}", redis.with_file_name("lib").display());
        fs::create_dir(bench.path("pods")).expect("a folder");
        // What is sent into pods is not half a gigabyte of what debuggers want to know.
        let mut strip = Command::new("strip");
        strip.arg("-o").arg(bench.path("duress")).arg(env!("CARGO_BIN_EXE_duress"));
        assert!(strip.status().expect("strip starts").success());
        let mut kubernetes = Command::new("python3");
        kubernetes.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/binary/kubernetes.py"));
        kubernetes
            .args([&Self::prefix(), "1"])
            .arg(bench.path("pods"))
            .args(["--", "env", &libraries])
            .arg(redis);
        kubernetes.args(["--bind", "0.0.0.0", "--protected-mode", "no", "--appendonly", "yes"]);
        kubernetes.args(["--appendfsync", "always", "--save", ""]);
        let mut kubernetes =
            kubernetes.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("python starts");
        let mut said = String::new();
        let output = kubernetes.stdout.take().expect("a pipe");
        BufReader::new(output).read_line(&mut said).expect("read");
        assert_eq!(said, "ready\n");
        let config = "apiVersion: v1\nkind: Config\ncurrent-context: lab\n\
             contexts: [{name: lab, context: {cluster: lab, user: me, namespace: default}}]\n\
             clusters: [{name: lab, cluster: {server: 'http://127.0.0.1:8001'}}]\nusers: [{name: me, user: {}}]\n";
        fs::write(bench.path("config"), config).expect("written");
        let table = format!(
            "[kube]\ncontext = 'lab'\nnamespace = 'default'\nstatefulset = 'db'\nimage = 'agent'\n\
             dead-man = '3s'\ndir = '{}'\n",
            Self::dir().display()
        );
        fs::write(bench.path("kube.toml"), table).expect("written");
        Some(Self { bench, kubernetes })
    }

    /// Of the agents, as if their image had it: what is sent into one container is there in the next.
    fn dir() -> PathBuf {
        PathBuf::from("/var/tmp").join(Self::prefix())
    }

    fn prefix() -> String {
        format!("duress-{}-k", std::process::id())
    }

    /// On this side's network.
    fn command(&self, program: &str, args: &[&str]) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--net=/run/netns/{}-0", Self::prefix())).arg(program).args(args);
        command.current_dir(self.bench.dir.path()).stdin(Stdio::null());
        command.env("KUBECONFIG", self.bench.path("config")).env("KUBECACHEDIR", self.bench.path("cache"));
        command
    }

    fn duress(&self, args: &[&str]) -> Ended {
        ended(&self.command("./duress", args).output().expect("duress starts"))
    }

    fn pod(&self) -> Value {
        let told =
            self.command("kubectl", &["get", "pod", "db-0", "-o", "json"]).output().expect("kubectl starts");
        serde_json::from_slice(&told.stdout).expect("a pod")
    }

    /// The machine's number for the server in the pod, which is number 1 there.
    fn server(&self) -> Option<u32> {
        let pod = self.pod();
        let id =
            pod["status"]["containerStatuses"][0]["containerID"].as_str()?.strip_prefix("containerd://")?;
        let mut pids =
            fs::read_dir("/proc").ok()?.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
        pids.find(|pid: &u32| {
            let read = |file: &str| fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap_or_default();
            read("cgroup").contains(id) && read("comm").starts_with("redis")
        })
    }

    /// Does it stand still, held by who traces it?
    fn is_held(&self) -> bool {
        let status = self.server().and_then(|pid| fs::read_to_string(format!("/proc/{pid}/status")).ok());
        status.is_some_and(|status| status.contains("State:\tt"))
    }

    /// Are there rules of ours in the pod?
    fn has_rules(&self) -> bool {
        let nft = ["netns", "exec", &format!("{}-1", Self::prefix()), "nft", "list", "ruleset"];
        let listed = Command::new("ip").args(nft).output().expect("nft runs");
        String::from_utf8_lossy(&listed.stdout).contains("duress_")
    }

    /// Do containers of ours run in the pod?
    fn has_agents(&self) -> bool {
        let pod = self.pod();
        let ours = pod["status"]["ephemeralContainerStatuses"].as_array().expect("a list").clone();
        ours.iter().any(|status| status["state"]["running"].is_object())
    }

    fn schedule(&self, faults: &[(&str, &str, &str)]) {
        let fault = |(at, length, what): &(&str, &str, &str)| {
            format!("[[fault]]\nat = '{at}'\nfor = '{length}'\n{what}\n")
        };
        let text: String = faults.iter().map(fault).collect();
        fs::write(self.bench.path("schedule.toml"), text).expect("written");
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        self.kubernetes.stdin = None;
        let _ = self.kubernetes.wait();
        let _ = fs::remove_dir_all(Self::dir());
    }
}

fn customizes() -> bool {
    let told = Command::new("kubectl").args(["version", "--client", "--output=json"]).output();
    let version =
        told.ok().and_then(|told| serde_json::from_slice::<Value>(&told.stdout).ok()).unwrap_or_default();
    let minor =
        version["clientVersion"]["minor"].as_str().and_then(|minor| minor.trim_end_matches('+').parse().ok());
    minor.is_some_and(|minor: u64| minor >= CUSTOMIZES)
}

fn eventually(what: &str, holds: impl Fn() -> bool) {
    let patience = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < patience, "{what} did not come");
        std::thread::sleep(POLL);
    }
}

#[test]
fn pods_are_broken_and_put_right() {
    let _machine = alone();
    let Some(lab) = Lab::new("pods_are_broken_and_put_right") else { return };
    refuses_what_nobody_agreed_to(&lab);
    asks_as_the_pod_that_it_runs_in(&lab);
    breaks_a_pod(&lab);
    leaves_nothing_when_it_is_killed(&lab);
    takes_a_deleted_pod_for_no_crash(&lab);
}

fn refuses_what_nobody_agreed_to(lab: &Lab) {
    let run = ["run", "redis", "--on", "kube.toml", "--faults", "kill", "--time", "2s"];
    let refused = lab.duress(&run).expect(254);
    assert!(refused.stderr.contains("nobody has agreed"), "{}", refused.stderr);
    assert!(!lab.has_agents());
    // What it says to type.
    let agree = refused.stderr.lines().find_map(|line| line.split_once("say so: ")).expect("a command").1;
    let words: Vec<&str> = agree.split_whitespace().collect();
    assert!(lab.command(words[0], &words[1..]).status().expect("kubectl starts").success(), "{agree}");
    let refused = lab.duress(&[&run[..4], &["--faults", "clock-jump"]].concat()).expect(254);
    assert!(refused.stderr.contains("in pods, processes are ended and held"), "{}", refused.stderr);
    let refused = lab.duress(&[&run[..], &["--version", "7.0"]].concat()).expect(254);
    assert!(refused.stderr.contains("--version with --on"), "{}", refused.stderr);
}

/// In a pod there is no configuration but its service account, and no API server at localhost.
fn asks_as_the_pod_that_it_runs_in(lab: &Lab) {
    let account = "mount -t tmpfs tmpfs /var/run; mkdir -p /var/run/secrets/kubernetes.io/serviceaccount; \
                   cd /var/run/secrets/kubernetes.io/serviceaccount; echo me > token; echo default > namespace; \
                   cd \"$0\"; exec ./duress doctor --on pod.toml";
    let table = "[kube]\nstatefulset = 'db'\nimage = 'agent'\n";
    fs::write(lab.bench.path("pod.toml"), table).expect("written");
    let mut command = lab.command("unshare", &["-m", "sh", "-c", account]);
    command.arg(lab.bench.dir.path()).env_remove("KUBECONFIG").env("HOME", lab.bench.dir.path());
    command.env("KUBERNETES_SERVICE_HOST", "127.0.0.1").env("KUBERNETES_SERVICE_PORT", "8001");
    let asked = ended(&command.output().expect("unshare starts")).expect(254);
    // The stand-in speaks no TLS, without which a service account is told to nobody.
    let found = ["tls: ", "HTTPS client"].iter().any(|words| asked.stderr.contains(words));
    assert!(found, "{}", asked.stderr);
}

fn breaks_a_pod(lab: &Lab) {
    let before = lab.server().expect("it runs");
    lab.schedule(&[
        ("300ms", "1s", "kind = 'partition'\nshape = { clients = 'n1' }"),
        ("1800ms", "1s", "kind = 'pause'\nnodes = 'n1'"),
        ("3300ms", "500ms", "kind = 'kill'\nnodes = 'n1'"),
        (
            "5s",
            "700ms",
            "kind = 'partition'\nshape = { clients = 'n1' }\ncut = { port = 6379, reject = true }",
        ),
    ]);
    let run =
        ["run", "redis", "--on", "kube.toml", "--schedule", "schedule.toml", "--time", "6s", "--seed", "1"];
    lab.duress(&[&run[..], &["--dir", "run"]].concat()).expect(0);
    let verdict = lab.bench.json("run/verdict.json");
    assert_exercised(&verdict, 50);
    let faults = verdict["faults"].as_array().expect("faults");
    assert_eq!(faults.len(), 4, "{faults:#?}");
    let log = lab.bench.text("run/nodes/n1/redis.log");
    assert!(log.contains("Ready to accept connections"), "{log}");
    assert!(lab.bench.text("run/nodes/n1/exits.log").contains("(Error), as asked"));
    // Another one runs, and it goes on.
    assert!(lab.server().is_some_and(|pid| pid != before) && !lab.has_rules() && !lab.is_held());
    eventually("the end of the agents' containers", || !lab.has_agents());
    let asked = lab.bench.text("pods/asked.jsonl");
    let rights = |kind: &str| asked.lines().any(|line| line.contains(kind));
    assert!(rights("SYS_PTRACE") && rights("NET_ADMIN") && !asked.contains("privileged"), "{asked}");
}

fn leaves_nothing_when_it_is_killed(lab: &Lab) {
    lab.schedule(&[
        ("0s", "25s", "kind = 'partition'\nshape = { clients = 'n1' }"),
        ("0s", "25s", "kind = 'pause'\nnodes = 'n1'"),
    ]);
    let args = ["run", "redis", "--on", "kube.toml", "--schedule", "schedule.toml", "--time", "25s"];
    let mut run = lab.command("./duress", &args);
    let mut run = run.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("duress starts");
    eventually("both faults", || lab.is_held() && lab.has_rules());
    run.kill().expect("killed");
    run.wait().expect("its end");
    eventually("a healed pod", || !lab.is_held() && !lab.has_rules());
    assert!(lab.server().is_some());
    eventually("the end of the agents' containers", || !lab.has_agents());
}

fn takes_a_deleted_pod_for_no_crash(lab: &Lab) {
    lab.schedule(&[("20s", "1s", "kind = 'pause'\nnodes = 'n1'")]);
    let args = ["run", "redis", "--on", "kube.toml", "--schedule", "schedule.toml", "--time", "25s"];
    let mut run = lab.command("./duress", &[&args[..], &["--dir", "deleted"]].concat());
    let run = run.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("duress starts");
    let history = lab.bench.path("deleted/history.jsonl");
    eventually("operations", || fs::metadata(&history).is_ok_and(|file| file.len() > 0));
    let delete = ["delete", "pod", "db-0", "--wait=false"];
    assert!(lab.command("kubectl", &delete).status().expect("kubectl starts").success());
    let broke = ended(&run.wait_with_output().expect("its end")).expect(3);
    let verdict = lab.bench.text("deleted/verdict.json");
    assert!(verdict.contains("ended with its pod db-0: somebody"), "{}\n{verdict}", broke.stderr);
}
