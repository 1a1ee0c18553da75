//! Hosts on a bridge of the kernel, in a namespace of its own; all of it ends with their processes.

use crate::Host;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

pub(crate) struct Bridge {
    /// The first has the bridge, the others are hosts.
    processes: Vec<Child>,
}

impl Bridge {
    /// `None` where the machine does not let us.
    pub(crate) fn new(hosts: usize) -> Option<Self> {
        let mut bridge = Self { processes: Vec::new() };
        for _ in 0..=hosts {
            let mut command = Command::new("unshare");
            bridge
                .processes
                .push(command.args(["--net", "sleep", "1000"]).stderr(Stdio::null()).spawn().ok()?);
        }
        // They have their namespaces once they are asleep.
        thread::sleep(Duration::from_millis(300));
        let middle = bridge.processes[0].id();
        ip(middle, "link add br0 type bridge")?;
        ip(middle, "link set br0 up")?;
        for n in 0..hosts {
            let (host, address) = bridge.host(n);
            ip(middle, &format!("link add p{n} type veth peer name eth0 netns {host}"))?;
            ip(middle, &format!("link set p{n} master br0 up"))?;
            ip(host, &format!("addr add {address}/24 dev eth0"))?;
            ip(host, "link set lo up")?;
            ip(host, "link set eth0 up")?;
        }
        Some(bridge)
    }

    pub(crate) fn host(&self, n: usize) -> Host {
        // There are a few.
        (self.processes[n + 1].id(), [10, 78, 0, n as u8 + 1].into())
    }
}

impl Drop for Bridge {
    fn drop(&mut self) {
        for child in &mut self.processes {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn ip(pid: u32, words: &str) -> Option<()> {
    let pid = pid.to_string();
    let mut command = Command::new("nsenter");
    command.args(["--net", "--target", &pid, "ip"]).args(words.split(' '));
    command.status().ok()?.success().then_some(())
}
