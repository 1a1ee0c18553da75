//! Clusters on hosts reached by ssh: a network namespace per host with a real sshd in it, and one more
//! for this side.
//!
//! One test for all of it: to make the hosts takes time. What a target's own file needs there is in
//! `remote_own`. They run with `DURESS_CLUSTERS=1` only, as root, where sshd and nftables are installed.

use super::common::{Bench, Ended, alone, assert_exercised, clusters_wanted, ended};
use super::remote_own;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Longest wait for what takes a second or two.
const PATIENCE: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(20);
/// After so long without a word hosts heal themselves.
const DEAD_MAN: Duration = Duration::from_secs(4);
/// Wherever Debian puts it.
const SSHD: &str = "/usr/sbin/sshd";

/// Three hosts, and this side, joined by a bridge.
pub(crate) struct Lab {
    pub(crate) bench: Bench,
    daemons: Vec<Child>,
}

impl Lab {
    /// `None` where there can be none.
    pub(crate) fn new(test: &str) -> Option<Self> {
        if !clusters_wanted(test) {
            return None;
        }
        let has = |program: &str| {
            ["/usr/sbin", "/sbin", "/usr/bin"].iter().any(|dir| Path::new(dir).join(program).exists())
        };
        let lacking = ["sshd", "ssh", "ssh-keygen", "nft", "ip"].into_iter().find(|program| !has(program));
        if !nix::unistd::geteuid().is_root() || lacking.is_some() {
            eprintln!("{test}: skipped, it needs root and {}", lacking.unwrap_or("nothing else"));
            return None;
        }
        let mut lab = Self { bench: Bench::new(), daemons: Vec::new() };
        lab.build();
        Some(lab)
    }

    fn build(&mut self) {
        for name in ["key", "hostkey"] {
            let key = self.bench.path(name).display().to_string();
            tool("ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-f", &key]);
        }
        let bridge = Self::namespace("b");
        tool("ip", &["netns", "add", &bridge]);
        tool("ip", &["-n", &bridge, "link", "add", "br0", "type", "bridge"]);
        tool("ip", &["-n", &bridge, "link", "set", "br0", "up"]);
        for host in 0..4 {
            let (ns, port) = (Self::host(host), format!("p{host}"));
            tool("ip", &["netns", "add", &ns]);
            tool(
                "ip",
                &["-n", &ns, "link", "add", "eth0", "type", "veth", "peer", "name", &port, "netns", &bridge],
            );
            tool("ip", &["-n", &bridge, "link", "set", &port, "master", "br0", "up"]);
            tool("ip", &["-n", &ns, "addr", "add", &format!("10.99.0.{host}/24"), "dev", "eth0"]);
            tool("ip", &["-n", &ns, "link", "set", "eth0", "up"]);
            tool("ip", &["-n", &ns, "link", "set", "lo", "up"]);
            if host > 0 {
                self.start_sshd(host);
            }
        }
        let path = |name: &str| self.bench.path(name).display().to_string();
        let hosts = format!(
            "[ssh]\nhosts = ['10.99.0.1', {{ host = '10.99.0.2', user = 'root' }}, '10.99.0.3']\nuser = 'root'\n\
             identity = '{}'\ndir = '{}'\nconsent = '{}'\ndead-man = '{}s'\n\
             options = ['StrictHostKeyChecking=no', 'UserKnownHostsFile=/dev/null', 'LogLevel=ERROR']\n",
            path("key"),
            path("agent"),
            path("consent"),
            DEAD_MAN.as_secs(),
        );
        fs::write(self.bench.path("hosts.toml"), hosts).expect("written");
    }

    /// In mounts of its own: it wants a directory for itself.
    fn start_sshd(&mut self, host: usize) {
        let config = self.bench.path(&format!("sshd{host}"));
        let text = format!(
            "ListenAddress 10.99.0.{host}\nHostKey {}\nAuthorizedKeysFile {}\nPidFile none\nUsePAM no\n\
             StrictModes no\nPermitRootLogin yes\nPasswordAuthentication no\n",
            self.bench.path("hostkey").display(),
            self.bench.path("key.pub").display(),
        );
        fs::write(&config, text).expect("written");
        let start = "mount -t tmpfs none /run && mkdir -m 755 /run/sshd && exec \"$0\" -D -e -f \"$1\"";
        let mut sshd = Command::new("ip");
        sshd.args(["netns", "exec", &Self::host(host), "sh", "-c", start, SSHD]).arg(config);
        let mut sshd = sshd.stderr(Stdio::piped()).spawn().expect("sshd starts");
        // It says when it listens.
        let mut said = Vec::new();
        let errors = sshd.stderr.as_mut().expect("a pipe");
        while !String::from_utf8_lossy(&said).contains("Server listening") {
            let mut some = [0; 256];
            let length = errors.read(&mut some).expect("read");
            assert!(length > 0, "{}", String::from_utf8_lossy(&said));
            said.extend_from_slice(&some[..length]);
        }
        self.daemons.push(sshd);
    }

    fn namespace(what: &str) -> String {
        format!("duress-{}-{what}", std::process::id())
    }

    /// This side is 0.
    pub(crate) fn host(host: usize) -> String {
        Self::namespace(&host.to_string())
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let duress = self.bench.command(args);
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &Self::host(0)]).arg(duress.get_program()).args(args);
        command.current_dir(self.bench.dir.path()).stdin(Stdio::null());
        command
    }

    pub(crate) fn duress(&self, args: &[&str]) -> Ended {
        ended(&self.command(args).output().expect("duress starts"))
    }

    pub(crate) fn schedule(&self, faults: &[(&str, &str, &str)]) {
        let fault = |(at, length, what): &(&str, &str, &str)| {
            format!("[[fault]]\nat = '{at}'\nfor = '{length}'\n{what}\n")
        };
        let text: String = faults.iter().map(fault).collect();
        fs::write(self.bench.path("schedule.toml"), text).expect("written");
    }

    /// Rules of ours on a host, and what packets are led away by.
    fn tables(host: usize) -> String {
        let ns = Self::host(host);
        let asked = [
            &["netns", "exec", &ns, "nft", "list", "tables"][..],
            &["-n", &ns, "rule", "list", "priority", "100"],
            &["-n", &ns, "-o", "link", "show", "type", "tun"],
        ];
        let told = |args: &[&str]| Command::new("ip").args(args).output().expect("ip runs").stdout;
        asked.map(|args| String::from_utf8_lossy(&told(args)).into_owned()).concat()
    }

    /// Processes that agents have started or are, with where they work.
    pub(crate) fn processes(&self) -> Vec<String> {
        let folder = self.bench.path("agent").display().to_string();
        let commands = fs::read_dir("/proc").expect("a folder").flatten();
        let commands = commands.filter_map(|entry| {
            let command = fs::read(entry.path().join("cmdline")).ok()?;
            let link = |name: &str| fs::read_link(entry.path().join(name)).unwrap_or_default();
            let (exe, dir) = (link("exe"), link("cwd"));
            let words = String::from_utf8_lossy(&command).replace('\0', " ");
            let command = format!("{} {words} in {}", exe.display(), dir.display());
            Some((entry.file_name(), command))
        });
        // What leads there has its name, too.
        let ours = commands.filter(|(_, command)| command.contains(&folder) && !command.contains("/ssh "));
        ours.map(|(pid, command)| format!("{} {command}", pid.display())).collect()
    }

    /// What is left of runs in the agents' folder.
    pub(crate) fn remains(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.bench.path("agent/runs")).into_iter().flatten().flatten();
        entries.map(|entry| entry.path()).collect()
    }

    /// A folder of the bench is empty for whoever is on this host from now on.
    pub(crate) fn hide(&self, host: usize, folder: &str) {
        let (pid, folder) =
            (self.daemons[host - 1].id().to_string(), self.bench.path(folder).display().to_string());
        tool("nsenter", &["--mount", "--target", &pid, "mount", "-t", "tmpfs", "none", &folder]);
    }

    #[track_caller]
    pub(crate) fn assert_clean(&self) {
        let left = || {
            let tables: String = (1..4).map(Self::tables).collect();
            format!("{tables}{}{:?}", self.processes().join("\n"), self.remains())
        };
        eventually(|| left() == "[]", &left);
    }

    /// Waits until so many faults of the run have bitten.
    #[track_caller]
    fn await_bites(&self, count: usize) {
        let journal = || fs::read_to_string(self.bench.path("left/faults.jsonl")).unwrap_or_default();
        eventually(|| journal().matches("\"event\":\"bit\"").count() == count, &journal);
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        for daemon in &mut self.daemons {
            let _ = daemon.kill();
            let _ = daemon.wait();
        }
        for name in (0..4).map(Self::host).chain([Self::namespace("b")]) {
            // Sessions outlive their daemon, and those whose wire was cut for long.
            let sessions = Command::new("ip").args(["netns", "pids", &name]).output();
            for pid in String::from_utf8_lossy(&sessions.map(|o| o.stdout).unwrap_or_default()).lines() {
                let _ = Command::new("kill").args(["-KILL", pid]).status();
            }
            let _ = Command::new("ip").args(["netns", "del", &name]).status();
        }
    }
}

#[track_caller]
fn tool(program: &str, args: &[&str]) {
    let output = Command::new(program).args(args).output().expect("it starts");
    assert!(output.status.success(), "{program} {args:?}: {}", String::from_utf8_lossy(&output.stderr));
}

#[track_caller]
pub(crate) fn eventually(is: impl Fn() -> bool, told: &dyn Fn() -> String) {
    let patience = Instant::now() + PATIENCE;
    while !is() {
        assert!(Instant::now() < patience, "{}", told());
        std::thread::sleep(POLL);
    }
}

const ISOLATED: &str = "kind = 'partition'\nshape = { isolate = 'n3' }";

#[test]
fn hosts_are_broken_with_proof_and_nothing_stays_on_them_whoever_ends() {
    let _machine = alone();
    let test = "hosts_are_broken_with_proof_and_nothing_stays_on_them_whoever_ends";
    let Some(lab) = Lab::new(test) else { return };
    break_with_proof(&lab);
    super::remote_faults::break_more(&lab);
    remote_own::the_same_file_here_and_there(&lab);
    remote_own::what_is_not_as_it_has_to_be(&lab);
    leave_alone(&lab);
}

fn break_with_proof(lab: &Lab) {
    lab.schedule(&[
        ("300ms", "700ms", "kind = 'kill'\nnodes = 'n1'"),
        ("1300ms", "600ms", "kind = 'pause'\nnodes = 'n2'"),
        ("2200ms", "1s", ISOLATED),
        ("2300ms", "1s", "kind = 'clock'\nnodes = 'n1'\nskew = { jump = { ms = 3_600_000 } }"),
        (
            "3500ms",
            "600ms",
            "kind = 'partition'\nshape = { clients = 'n2' }\ncut = { port = 2379, reject = true }",
        ),
        // Commands go to the hosts, and another program.
        ("4200ms", "200ms", "kind = 'lifecycle'\nnodes = 'n1'\nact = 'compact'"),
        ("4400ms", "300ms", "kind = 'lifecycle'\nnodes = 'n3'\nact = 'upgrade-and-back'"),
    ]);
    let fixed = ["--schedule", "schedule.toml", "--time", "5s", "--seed", "1"];
    let versions = ["--upgrade-to", "3.5.1"];
    let run = |dir| {
        let run = ["run", "etcd", "--on", "hosts.toml", "--dir", dir];
        lab.duress(&[&run, &fixed[..], &versions].concat())
    };
    // Without consent nothing is put there.
    let refused = run("refused").expect(3);
    let sentence = format!("it has no file {}", lab.bench.path("consent").display());
    assert!(refused.stderr.contains(&sentence) && !lab.bench.path("agent").exists(), "{}", refused.stderr);
    fs::write(lab.bench.path("consent"), "").expect("written");

    let ended = run("run").expect(0);
    let verdict = lab.bench.json("run/verdict.json");
    assert_exercised(&verdict, 50);
    let faults = verdict["faults"].as_array().expect("faults");
    assert!(faults.iter().all(|fault| fault["state"] == "bit"), "{}\n{verdict:#}", ended.stdout);
    assert_eq!(faults.len(), 7);
    for node in ["n1", "n2", "n3"] {
        assert!(lab.bench.text(&format!("run/nodes/{node}/etcd.log")).contains("etcd"), "no log of {node}");
    }
    lab.assert_clean();
}

/// Hosts heal themselves when nobody speaks to them.
fn leave_alone(lab: &Lab) {
    lab.schedule(&[
        ("100ms", "10m", "kind = 'packet'\nnodes = 'all'\nbehavior = { delay = { ms = 5 } }"),
        ("300ms", "10m", ISOLATED),
        ("300ms", "10m", "kind = 'pause'\nnodes = 'n2'"),
    ]);
    let args = [
        "run",
        "etcd",
        "--on",
        "hosts.toml",
        "--schedule",
        "schedule.toml",
        "--time",
        "10m",
        "--allow-majority-loss",
        "--dir",
        "left",
    ];
    let mut run = lab.command(&args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
    lab.await_bites(3);
    for host in 1..4 {
        let tables = Lab::tables(host);
        assert!(
            ["duress_", "fwmark", "mtu"].iter().all(|word| tables.contains(word)),
            "host {host}: {tables}"
        );
    }
    // An agent is killed: its watchdog heals its host, and nobody the others.
    let pids = Command::new("ip").args(["netns", "pids", &Lab::host(1)]).output().expect("ip runs");
    let agents = String::from_utf8_lossy(&pids.stdout).lines().map(str::to_owned).collect::<Vec<_>>();
    let is_agent = |pid: &&String| {
        let command = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        command.ends_with(b"\0agent\0")
    };
    let agent = agents.iter().find(is_agent).expect("an agent");
    tool("kill", &["-KILL", agent]);
    eventually(|| Lab::tables(1).is_empty(), &|| Lab::tables(1));
    assert!((2..4).all(|host| Lab::tables(host).contains("duress_")), "the others were healed as well");
    // The wire is cut, and this side goes on: hosts hear nothing, not even an end.
    let cut = Instant::now();
    tool("ip", &["-n", &Lab::namespace("b"), "link", "set", "p0", "down"]);
    lab.assert_clean();
    // Neither at once, as at the end of a connection, nor when somebody notices that there is none.
    let ratio = cut.elapsed().as_secs_f64() / DEAD_MAN.as_secs_f64();
    eprintln!("hosts healed themselves after {ratio:.2} of their dead-man time");
    assert!((0.25..4.0).contains(&ratio), "healed after {ratio:.2} of the dead-man time");
    assert!(run.try_wait().expect("a state").is_none(), "this side was to go on");
    run.kill().expect("killed");
    run.wait().expect("ended");
    // What its connections leave, too.
    tool("ip", &["-n", &Lab::namespace("b"), "link", "set", "p0", "up"]);
}
