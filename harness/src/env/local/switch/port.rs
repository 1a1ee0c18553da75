//! A port of the switch: one end of a host's network interface, as a file to read frames from
//! and write them to.
//!
//! Every frame is preceded by a virtio network header ([`HEADER`] bytes), which lets the kernel
//! hand over up to 64 KiB of TCP at a time with its checksum still to be made. Reads and writes
//! pass it on unchanged, so offloads cost nothing and are undone at the receiving kernel.

#![expect(unsafe_code, reason = "TUN ioctls and packet socket options have no safe wrapper in nix or std")]

use super::veth;
use crate::env::local::host::Netns;
use crate::env::local::interface::Interface;
use nix::errno::Errno;
use nix::net::if_::if_nametoindex;
use std::fs::OpenOptions;
use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;

/// Name of the interface inside each host.
pub(crate) const INTERFACE: &str = "eth0";

/// Bytes of `struct virtio_net_hdr` before each frame. Twelve (with `num_buffers`) would work
/// too, but packet sockets take that only since Linux 6.4.
pub(in super::super) const HEADER: usize = 10;

/// Longest thing a port can deliver: 64 KiB of IP packet, its Ethernet header, our header.
pub(in super::super) const MAX_FRAME: usize = 0x1_0000 + 64 + HEADER;

/// Room for bursts in a packet socket, bytes. Less loses frames of bulk transfers; with more, a
/// flood that a busy machine's switch cannot follow waits in it for most of a second.
const PACKET_BUFFER: libc::c_int = 4 << 20;

/// `linux/if_packet.h`; the libc crate has neither.
const PACKET_VNET_HDR: libc::c_int = 15;
const PACKET_IGNORE_OUTGOING: libc::c_int = 23;

/// How a host's interface reaches the switch.
pub(crate) enum Attachment {
    /// A TAP device: the switch holds its other end. Needs the TUN device node.
    Tap,
    /// A veth pair whose other end lies in this network namespace, under a packet socket.
    Packet(Netns),
}

impl Attachment {
    /// Makes the interface of port number `index` in `host` and opens its switch end.
    pub(crate) fn attach(&self, host: &Netns, index: usize) -> io::Result<OwnedFd> {
        match self {
            Self::Tap => host.run(|| open_tap(INTERFACE, true)),
            Self::Packet(hub) => {
                let outer = format!("port{index}");
                host.run(|| veth::create(INTERFACE, hub.as_fd(), &outer))?;
                hub.run(|| {
                    Interface::of_this_namespace(&outer)?.up()?;
                    open_packet_socket(&outer)
                })
            }
        }
    }
}

/// Creates an interface as a TAP device in the calling thread's network namespace. It vanishes with the
/// returned file. `segments`: it takes up to 64 KiB of TCP at a time.
pub(in super::super) fn open_tap(name: &str, segments: bool) -> io::Result<OwnedFd> {
    let device =
        OpenOptions::new().read(true).write(true).custom_flags(libc::O_NONBLOCK).open("/dev/net/tun")?;
    // SAFETY: `ifreq` is plain old data, for which all zeroes is a valid value.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name[..libc::IFNAMSIZ - 1].iter_mut().zip(name.bytes()) {
        *to = libc::c_char::from_ne_bytes([from]);
    }
    let flags = libc::IFF_TAP | libc::IFF_NO_PI | libc::IFF_VNET_HDR;
    request.ifr_ifru.ifru_flags = flags as libc::c_short;
    // SAFETY: TUNSETIFF reads and writes one `ifreq`, which outlives the call.
    Errno::result(unsafe { libc::ioctl(device.as_raw_fd(), libc::TUNSETIFF, &raw mut request) })?;
    let tcp = libc::TUN_F_CSUM | libc::TUN_F_TSO4 | libc::TUN_F_TSO6 | libc::TUN_F_TSO_ECN;
    // Kernels before 6.2 refuse the UDP bits. None at all works as well, only slower.
    let offloads: &[_] =
        if segments { &[tcp | libc::TUN_F_USO4 | libc::TUN_F_USO6, tcp] } else { &[libc::TUN_F_CSUM] };
    for &offload in offloads {
        // SAFETY: TUNSETOFFLOAD takes its argument by value.
        let set =
            unsafe { libc::ioctl(device.as_raw_fd(), libc::TUNSETOFFLOAD, libc::c_ulong::from(offload)) };
        if set == 0 {
            break;
        }
    }
    Ok(device.into())
}

/// Opens `interface` of the calling thread's network namespace as a packet socket.
fn open_packet_socket(interface: &str) -> io::Result<OwnedFd> {
    let kind = libc::SOCK_RAW | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
    // Protocol 0: it hears nothing before it is bound, so no frame of another interface.
    // SAFETY: no pointers; the result is checked and owned at once.
    let socket = unsafe {
        let fd = Errno::result(libc::socket(libc::AF_PACKET, kind, 0))?;
        OwnedFd::from_raw_fd(fd)
    };
    set_option(&socket, libc::SOL_PACKET, PACKET_VNET_HDR, 1)?;
    set_option(&socket, libc::SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)?;
    for (forced, plain) in [(libc::SO_RCVBUFFORCE, libc::SO_RCVBUF), (libc::SO_SNDBUFFORCE, libc::SO_SNDBUF)]
    {
        // Beyond the system's maximum only where we may; the maximum otherwise.
        set_option(&socket, libc::SOL_SOCKET, forced, PACKET_BUFFER)
            .or_else(|_| set_option(&socket, libc::SOL_SOCKET, plain, PACKET_BUFFER))?;
    }
    // SAFETY: `sockaddr_ll` is plain old data, for which all zeroes is a valid value.
    let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
    address.sll_family = libc::AF_PACKET as u16;
    address.sll_protocol = (libc::ETH_P_ALL as u16).to_be();
    address.sll_ifindex = if_nametoindex(interface)?.cast_signed();
    // SAFETY: the address outlives the call and its length is its own size.
    Errno::result(unsafe {
        libc::bind(
            socket.as_raw_fd(),
            (&raw const address).cast(),
            size_of::<libc::sockaddr_ll>() as libc::socklen_t,
        )
    })?;
    Ok(socket)
}

fn set_option(
    socket: &OwnedFd,
    level: libc::c_int,
    option: libc::c_int,
    value: libc::c_int,
) -> io::Result<()> {
    // SAFETY: the value outlives the call and its length is its own size.
    Errno::result(unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            option,
            (&raw const value).cast(),
            size_of::<libc::c_int>() as libc::socklen_t,
        )
    })?;
    Ok(())
}
