//! A bridge of the kernel beside a cluster's switch: every host has an interface on either, and is the
//! same otherwise. The bridge is in a namespace of its own, and ends with its process.

use duress::env::Environment as _;
use duress::env::local::Local;
use std::net::IpAddr;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

/// The interface of a host that is on the bridge.
const INTERFACE: &str = "eth1";

pub(crate) struct Bridge {
    /// Has its namespace.
    holder: Child,
}

impl Bridge {
    /// Connects all hosts of a cluster of so many nodes, and that of its clients. `None` where the machine
    /// does not let us.
    pub(crate) fn between(cluster: &Local, nodes: usize) -> Option<Self> {
        let mut unshare = Command::new("unshare");
        let holder = unshare.args(["--net", "sleep", "1000"]).stderr(Stdio::null()).spawn().ok()?;
        let bridge = Self { holder };
        // It has its namespace once it is asleep.
        thread::sleep(Duration::from_millis(300));
        bridge.ip("link add br0 type bridge")?;
        bridge.ip("link set br0 up")?;
        for host in 0..=nodes {
            bridge.connect(cluster, host, nodes)?;
        }
        Some(bridge)
    }

    /// Where a node is on it; the clients are behind the last node.
    pub(crate) fn address(host: usize) -> IpAddr {
        // There are a few.
        [10, 78, 0, host as u8 + 1].into()
    }

    fn connect(&self, cluster: &Local, host: usize, nodes: usize) -> Option<()> {
        let (outer, address) = (format!("port{host}"), Self::address(host));
        let holder = self.holder.id();
        thread::scope(|scope| {
            let inside = scope.spawn(|| {
                let entered = if host == nodes { cluster.enter() } else { cluster.enter_node(host) };
                entered.ok()?;
                run("ip", &format!("link add {INTERFACE} type veth peer name {outer} netns {holder}"))?;
                run("ip", &format!("addr add {address}/24 dev {INTERFACE}"))?;
                run("ip", &format!("link set {INTERFACE} up"))
            });
            inside.join().expect("it ends")
        })?;
        self.ip(&format!("link set {outer} master br0 up"))
    }

    /// `ip` in the bridge's namespace.
    fn ip(&self, words: &str) -> Option<()> {
        run("nsenter", &format!("--net --target {} ip {words}", self.holder.id()))
    }
}

impl Drop for Bridge {
    fn drop(&mut self) {
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}

fn run(program: &str, words: &str) -> Option<()> {
    Command::new(program).args(words.split(' ')).status().ok()?.success().then_some(())
}
