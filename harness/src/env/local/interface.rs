//! Configures the network interfaces of the calling thread's network namespace by plain ioctls:
//! what `ip` would do, without needing it.

#![expect(unsafe_code, reason = "interface ioctls have no safe wrapper in nix or std")]

use nix::errno::Errno;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};
use std::net::Ipv4Addr;
use std::os::fd::{AsRawFd, OwnedFd};

/// A permanent, complete entry; `net/if_arp.h`, absent from the libc crate.
const ATF_COM: libc::c_int = 0x02;
const ATF_PERM: libc::c_int = 0x04;

/// `linux/ethtool.h`, absent from the libc crate.
const ETHTOOL_STSO: u32 = 0x1f;

/// `struct ethtool_value`.
#[repr(C)]
struct EthtoolValue {
    command: u32,
    data: u32,
}

/// An interface, by name.
pub(super) struct Interface {
    control: OwnedFd,
    name: [libc::c_char; libc::IFNAMSIZ],
}

impl Interface {
    /// The interface `name` of the calling thread's network namespace.
    pub(super) fn of_this_namespace(name: &str) -> nix::Result<Self> {
        let control = socket(AddressFamily::Inet, SockType::Datagram, SockFlag::SOCK_CLOEXEC, None)?;
        let mut c_name = [0; libc::IFNAMSIZ];
        if name.len() >= c_name.len() {
            return Err(Errno::ENAMETOOLONG);
        }
        for (to, from) in c_name.iter_mut().zip(name.bytes()) {
            *to = libc::c_char::from_ne_bytes([from]);
        }
        Ok(Self { control, name: c_name })
    }

    /// Sets its hardware address. It must be down.
    pub(super) fn set_mac(&self, mac: [u8; 6]) -> nix::Result<()> {
        self.request(libc::SIOCSIFHWADDR, libc::__c_anonymous_ifr_ifru { ifru_hwaddr: hardware(mac) })
    }

    /// Sets the largest packet, bytes.
    pub(super) fn set_mtu(&self, mtu: libc::c_int) -> nix::Result<()> {
        self.request(libc::SIOCSIFMTU, libc::__c_anonymous_ifr_ifru { ifru_mtu: mtu })
    }

    /// Gives it an address in a network of this mask.
    pub(super) fn set_address(&self, address: Ipv4Addr, mask: Ipv4Addr) -> nix::Result<()> {
        self.request(libc::SIOCSIFADDR, libc::__c_anonymous_ifr_ifru { ifru_addr: internet(address) })?;
        self.request(libc::SIOCSIFNETMASK, libc::__c_anonymous_ifr_ifru { ifru_netmask: internet(mask) })
    }

    /// Switches it on.
    pub(super) fn up(&self) -> nix::Result<()> {
        let flags = libc::IFF_UP | libc::IFF_RUNNING;
        self.request(libc::SIOCSIFFLAGS, libc::__c_anonymous_ifr_ifru { ifru_flags: flags as libc::c_short })
    }

    /// Tells it for ever where a neighbour is. It must be up.
    pub(super) fn add_neighbour(&self, address: Ipv4Addr, mac: [u8; 6]) -> nix::Result<()> {
        let entry = libc::arpreq {
            arp_pa: internet(address),
            arp_ha: hardware(mac),
            arp_flags: ATF_COM | ATF_PERM,
            arp_netmask: internet(Ipv4Addr::UNSPECIFIED),
            arp_dev: self.name,
        };
        // SAFETY: SIOCSARP reads one `arpreq`, which outlives the call.
        Errno::result(unsafe { libc::ioctl(self.control.as_raw_fd(), libc::SIOCSARP, &raw const entry) })?;
        Ok(())
    }

    /// Does the interface take more than one packet of TCP at a time?
    pub(super) fn set_segmentation_offload(&self, on: bool) -> nix::Result<()> {
        let mut value = EthtoolValue { command: ETHTOOL_STSO, data: on.into() };
        let data = libc::__c_anonymous_ifr_ifru { ifru_data: (&raw mut value).cast() };
        self.request(libc::SIOCETHTOOL, data)
    }

    fn request(&self, code: libc::c_ulong, value: libc::__c_anonymous_ifr_ifru) -> nix::Result<()> {
        let mut request = libc::ifreq { ifr_name: self.name, ifr_ifru: value };
        // SAFETY: every code used here reads or writes one `ifreq`, which outlives the call.
        Errno::result(unsafe { libc::ioctl(self.control.as_raw_fd(), code, &raw mut request) })?;
        Ok(())
    }
}

/// An IPv4 address in the kernel's form: family, port (2 bytes), address (4 bytes).
fn internet(address: Ipv4Addr) -> libc::sockaddr {
    socket_address(libc::AF_INET as libc::sa_family_t, 2, address.octets())
}

fn hardware(mac: [u8; 6]) -> libc::sockaddr {
    socket_address(libc::ARPHRD_ETHER, 0, mac)
}

fn socket_address<const N: usize>(
    family: libc::sa_family_t,
    offset: usize,
    bytes: [u8; N],
) -> libc::sockaddr {
    let mut address = libc::sockaddr { sa_family: family, sa_data: [0; 14] };
    for (to, from) in address.sa_data[offset..].iter_mut().zip(bytes) {
        *to = libc::c_char::from_ne_bytes([from]);
    }
    address
}
