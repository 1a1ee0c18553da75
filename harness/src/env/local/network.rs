//! The cluster's network as the hosts see it: who has which address, and what each of them is
//! told about the others. What happens between them is the switch's.

use super::Ports;
use super::host::Netns;
use super::interface::Interface;
use super::switch::frame::mac;
use super::switch::port::{Attachment, INTERFACE};
use std::fs;
use std::io;
use std::net::Ipv4Addr;
use std::os::fd::OwnedFd;

/// Longest packet, bytes, as on an Ethernet.
const MTU: i32 = 1500;

/// The network's mask: 10.77.0.0/24. It exists only inside the cluster's namespaces.
const MASK: Ipv4Addr = Ipv4Addr::new(255, 255, 255, 0);

/// Where the clients are.
pub(super) const CONTROL: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 254);

/// The address of a node, by position.
pub(super) fn node_address(node: usize) -> Ipv4Addr {
    Ipv4Addr::new(10, 77, 0, u8::try_from(node + 1).expect("a cluster has fewer than 255 nodes"))
}

/// How ports are made on this machine, found out with the first of them.
pub(super) struct Wiring {
    attachment: Attachment,
    nodes: usize,
    /// Why it is not what one would want.
    pub(super) warning: Option<String>,
}

impl Wiring {
    /// Makes the control port, the last one, in `control`; falls back where TAPs are not to be had.
    pub(super) fn begin(control: &Netns, nodes: usize, ports: Ports) -> io::Result<(Self, OwnedFd)> {
        if ports != Ports::Packet {
            let wiring = Self { attachment: Attachment::Tap, nodes, warning: None };
            match wiring.connect(control, nodes) {
                Ok(port) => return Ok((wiring, port)),
                Err(error) if ports == Ports::Tap => return Err(error),
                Err(error) => {
                    let warning = format!(
                        "/dev/net/tun cannot be used ({error}): hosts are connected by veth pairs and packet \
                         sockets instead, which is the same to them, but bursts may overflow a socket's buffer"
                    );
                    return Self::begin(control, nodes, Ports::Packet)
                        .map(|(wiring, port)| (Self { warning: Some(warning), ..wiring }, port));
                }
            }
        }
        let hub = Netns::create()?;
        hub.run(|| {
            disable_ipv6();
            Ok(())
        })?;
        let wiring = Self { attachment: Attachment::Packet(hub), nodes, warning: None };
        let port = wiring.connect(control, nodes)?;
        Ok((wiring, port))
    }

    /// Connects a host to port number `port` and tells it where all others are.
    pub(super) fn connect(&self, host: &Netns, port: usize) -> io::Result<OwnedFd> {
        let file = self.attachment.attach(host, port)?;
        host.run(|| {
            disable_ipv6();
            Interface::of_this_namespace("lo")?.up()?;
            let interface = Interface::of_this_namespace(INTERFACE)?;
            interface.set_mac(mac(port))?;
            interface.set_mtu(MTU)?;
            interface.set_address(self.address(port), MASK)?;
            interface.up()?;
            for other in (0..=self.nodes).filter(|&other| other != port) {
                interface.add_neighbour(self.address(other), mac(other))?;
            }
            Ok(())
        })?;
        Ok(file)
    }

    fn address(&self, port: usize) -> Ipv4Addr {
        if port == self.nodes { CONTROL } else { node_address(port) }
    }
}

/// The switch carries no IPv6; without this, hosts would only try and be dropped. Where it is
/// not allowed or there is no IPv6, nothing is lost.
fn disable_ipv6() {
    for scope in ["all", "default"] {
        let _ = fs::write(format!("/proc/sys/net/ipv6/conf/{scope}/disable_ipv6"), "1");
    }
}
