//! Hosts to be broken: a network namespace each, joined by a bridge, with a real sshd in it and addresses of
//! IPv4 and IPv6; one more for this side, and one to be a jump host.
//!
//! They are had with `DURESS_CLUSTERS=1` only, as root, where sshd and nftables are installed.

use super::common::{Bench, Ended, clusters_wanted, ended};
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Longest wait for what takes a second or two.
const PATIENCE: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(20);
/// After so long without a word hosts heal themselves.
pub(crate) const DEAD_MAN: Duration = Duration::from_secs(4);
/// Wherever Debian puts it.
const SSHD: &str = "/usr/sbin/sshd";
/// The host that one may jump over: it is none of the nodes.
pub(crate) const GATE: usize = 4;

/// A way into a host: an sshd, in mounts of its own, which its sessions see, too.
pub(crate) struct Door<'a> {
    pub(crate) port: u16,
    /// What its configuration says first, and so in the end.
    pub(crate) config: &'a str,
    /// Commands of a shell in those mounts, each with `&&` behind it; `$2` is the bench's folder.
    pub(crate) mounts: &'a str,
}

/// For root, as everything else in these tests is.
pub(crate) const PLAIN: Door<'static> = Door { port: 22, config: "", mounts: "" };

/// Three hosts, a gate, and this side, joined by a bridge.
pub(crate) struct Lab {
    pub(crate) bench: Bench,
    daemons: Vec<Child>,
}

impl Lab {
    /// `None` where there can be none.
    pub(crate) fn new(test: &str) -> Option<Self> {
        Self::with(test, &[])
    }

    /// The same, where these programs are needed besides.
    pub(crate) fn with(test: &str, programs: &[&str]) -> Option<Self> {
        if !clusters_wanted(test) {
            return None;
        }
        let has = |program: &str| {
            ["/usr/sbin", "/sbin", "/usr/bin"].iter().any(|dir| Path::new(dir).join(program).exists())
        };
        let always = ["sshd", "ssh", "ssh-keygen", "nft", "ip"];
        let lacking = always.iter().chain(programs).find(|program| !has(program));
        if !nix::unistd::geteuid().is_root() || lacking.is_some() {
            eprintln!("{test}: skipped, it needs root and {}", lacking.unwrap_or(&"nothing else"));
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
        for host in 0..=GATE {
            let (ns, port) = (Self::host(host), format!("p{host}"));
            tool("ip", &["netns", "add", &ns]);
            tool(
                "ip",
                &["-n", &ns, "link", "add", "eth0", "type", "veth", "peer", "name", &port, "netns", &bridge],
            );
            tool("ip", &["-n", &bridge, "link", "set", &port, "master", "br0", "up"]);
            tool("ip", &["-n", &ns, "addr", "add", &format!("10.99.0.{host}/24"), "dev", "eth0"]);
            // Others may not wait until nobody else turns out to have it.
            tool(
                "ip",
                &["-n", &ns, "addr", "add", &format!("{}/64", Self::v6(host)), "dev", "eth0", "nodad"],
            );
            tool("ip", &["-n", &ns, "link", "set", "eth0", "up"]);
            tool("ip", &["-n", &ns, "link", "set", "lo", "up"]);
            if (1..GATE).contains(&host) {
                self.open(host, &PLAIN);
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

    /// Starts an sshd.
    pub(crate) fn open(&mut self, host: usize, door: &Door<'_>) {
        let Door { port, config: first, mounts } = door;
        let config = self.bench.path(&format!("sshd{host}-{port}"));
        let text = format!(
            "{first}Port {port}\nListenAddress 10.99.0.{host}\nListenAddress {}\nHostKey {}\n\
             AuthorizedKeysFile {}\nPidFile none\nUsePAM no\nStrictModes no\nPermitRootLogin yes\n\
             PasswordAuthentication no\n",
            Self::v6(host),
            self.bench.path("hostkey").display(),
            self.bench.path("key.pub").display(),
        );
        fs::write(&config, text).expect("written");
        // It wants a directory for itself.
        let start = format!(
            "mount -t tmpfs none /run && mkdir -m 755 /run/sshd && {mounts} exec \"$0\" -D -e -f \"$1\""
        );
        let mut sshd = Command::new("ip");
        sshd.args(["netns", "exec", &Self::host(host), "sh", "-c", &start, SSHD]).arg(config);
        sshd.arg(self.bench.dir.path());
        let mut sshd = sshd.stderr(Stdio::piped()).spawn().expect("sshd starts");
        // It says when it listens, at each address.
        let mut said = Vec::new();
        let errors = sshd.stderr.as_mut().expect("a pipe");
        while String::from_utf8_lossy(&said).matches("Server listening").count() < 2 {
            let mut some = [0; 256];
            let length = errors.read(&mut some).expect("read");
            assert!(length > 0, "{}", String::from_utf8_lossy(&said));
            said.extend_from_slice(&some[..length]);
        }
        self.daemons.push(sshd);
    }

    pub(crate) fn namespace(what: &str) -> String {
        format!("duress-{}-{what}", std::process::id())
    }

    /// This side is 0.
    pub(crate) fn host(host: usize) -> String {
        Self::namespace(&host.to_string())
    }

    /// Its address of IPv6.
    pub(crate) fn v6(host: usize) -> String {
        format!("fd99::1{host}")
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

    /// What there is of ours in a host's network: tables, what packets are led away by, and chains.
    pub(crate) fn tables(host: usize) -> String {
        let ns = Self::host(host);
        let asked = [
            // What iptables makes has other families.
            &["netns", "exec", &ns, "nft", "list", "tables", "inet"][..],
            &["-n", &ns, "rule", "list", "priority", "100"],
            &["-n", &ns, "-o", "link", "show", "type", "tun"],
        ];
        let told = |args: &[&str]| Command::new("ip").args(args).output().expect("ip runs").stdout;
        let chains = Self::chains(host);
        let ours = chains.lines().filter(|line| line.contains("duress_"));
        asked
            .map(|args| String::from_utf8_lossy(&told(args)).into_owned())
            .into_iter()
            .chain(ours.map(str::to_owned))
            .collect()
    }

    /// All rules of iptables on a host, of both kinds and families; none where there is no iptables.
    pub(crate) fn chains(host: usize) -> String {
        let programs =
            ["iptables-nft-save", "ip6tables-nft-save", "iptables-legacy-save", "ip6tables-legacy-save"];
        let saved = programs.map(|program| {
            let args = ["netns", "exec", &Self::host(host), program];
            Command::new("ip").args(args).output().expect("ip runs").stdout
        });
        let saved = saved.map(|saved| String::from_utf8_lossy(&saved).into_owned()).concat();
        // Neither what they counted, nor when they were asked.
        let lines = saved.lines().filter(|line| !line.starts_with('#'));
        lines.map(|line| format!("{}\n", line.split(" [").next().unwrap_or_default())).collect()
    }

    /// Does a connection to another host's sshd come about, over IPv4 and over IPv6?
    pub(crate) fn reaches(from: usize, to: usize) -> [bool; 2] {
        [format!("10.99.0.{to}"), Self::v6(to)].map(|address| {
            let connect = format!("exec 3<>/dev/tcp/{address}/22");
            let args = ["3", "ip", "netns", "exec", &Self::host(from), "bash", "-c", &connect];
            Command::new("timeout").args(args).stderr(Stdio::null()).status().expect("it runs").success()
        })
    }

    /// Kills the agent on a host, and nobody else.
    pub(crate) fn kill_agent(host: usize) {
        let pids = Command::new("ip").args(["netns", "pids", &Self::host(host)]).output().expect("ip runs");
        let is_agent = |pid: &String| {
            let command = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            command.ends_with(b"\0agent\0")
        };
        let pids = String::from_utf8_lossy(&pids.stdout).lines().map(str::to_owned).collect::<Vec<_>>();
        let agents: Vec<String> = pids.into_iter().filter(is_agent).collect();
        // What it has started looks like it, and may have a lower number.
        let parent = |pid: &String| {
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            stat.rsplit_once(") ").and_then(|(_, rest)| rest.split(' ').nth(1)).map(str::to_owned)
        };
        let is_first = |pid: &&String| parent(pid).is_some_and(|parent| !agents.contains(&parent));
        tool("kill", &["-KILL", agents.iter().find(is_first).expect("an agent")]);
    }

    /// What runs on a host.
    pub(crate) fn commands(host: usize) -> Vec<String> {
        let pids = Command::new("ip").args(["netns", "pids", &Self::host(host)]).output().expect("ip runs");
        let command = |pid: &str| fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let commands = String::from_utf8_lossy(&pids.stdout).lines().map(command).collect::<Vec<_>>();
        commands.iter().map(|words| String::from_utf8_lossy(words).replace('\0', " ")).collect()
    }

    /// Starts this in the mounts of a door: those that were opened are counted from 0.
    pub(crate) fn spawn_behind(&self, door: usize, command: &[&str]) -> Child {
        let pid = self.daemons[door].id().to_string();
        let mut nsenter = Command::new("nsenter");
        nsenter.args(["--mount", "--target", &pid]).args(command).spawn().expect("it starts")
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
            let tables: String = (1..GATE).map(Self::tables).collect();
            format!("{tables}{}{:?}", self.processes().join("\n"), self.remains())
        };
        eventually(|| left() == "[]", &left);
    }

    /// The wire to this side is cut, or whole: `down`, `up`.
    pub(crate) fn set_wire(state: &str) {
        tool("ip", &["-n", &Self::namespace("b"), "link", "set", "p0", state]);
    }

    /// Waits until so many faults of a run have bitten.
    #[track_caller]
    pub(crate) fn await_bites(&self, dir: &str, count: usize) {
        let journal = || fs::read_to_string(self.bench.path(dir).join("faults.jsonl")).unwrap_or_default();
        eventually(|| journal().matches("\"event\":\"bit\"").count() == count, &journal);
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        for daemon in &mut self.daemons {
            let _ = daemon.kill();
            let _ = daemon.wait();
        }
        for name in (0..=GATE).map(Self::host).chain([Self::namespace("b")]) {
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
pub(crate) fn tool(program: &str, args: &[&str]) {
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
