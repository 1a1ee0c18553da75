//! Creates a pair of virtual Ethernet interfaces with one netlink message: the only netlink
//! Duress needs, which is why it is written out here and not taken from a library.

use nix::errno::Errno;
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, recv, send, socket};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

/// `linux/if_link.h`, `linux/veth.h`; the libc crate has none of them.
const IFLA_LINKINFO: u16 = 18;
const IFLA_NET_NS_FD: u16 = 28;
const IFLA_INFO_KIND: u16 = 1;
const IFLA_INFO_DATA: u16 = 2;
const VETH_INFO_PEER: u16 = 1;

/// Sizes of `struct nlmsghdr` and `struct ifinfomsg`.
const MESSAGE_HEADER: usize = 16;
const LINK_HEADER: usize = 16;

/// Makes interface `name` in the calling thread's network namespace, joined to interface
/// `peer_name` in the namespace `peer_namespace`.
pub(super) fn create(name: &str, peer_namespace: BorrowedFd<'_>, peer_name: &str) -> io::Result<()> {
    let mut message = vec![0; MESSAGE_HEADER + LINK_HEADER];
    put(&mut message, libc::IFLA_IFNAME, |m| put_text(m, name));
    put(&mut message, IFLA_LINKINFO, |m| {
        put(m, IFLA_INFO_KIND, |m| put_text(m, "veth"));
        put(m, IFLA_INFO_DATA, |m| {
            put(m, VETH_INFO_PEER, |m| {
                m.extend([0; LINK_HEADER]);
                put(m, libc::IFLA_IFNAME, |m| put_text(m, peer_name));
                put(m, IFLA_NET_NS_FD, |m| m.extend(peer_namespace.as_raw_fd().to_ne_bytes()));
            });
        });
    });
    let flags = libc::NLM_F_REQUEST | libc::NLM_F_ACK | libc::NLM_F_CREATE | libc::NLM_F_EXCL;
    let length = u32::try_from(message.len()).expect("the names are short");
    message[0..4].copy_from_slice(&length.to_ne_bytes());
    message[4..6].copy_from_slice(&libc::RTM_NEWLINK.to_ne_bytes());
    message[6..8].copy_from_slice(&(flags as u16).to_ne_bytes());

    let netlink =
        socket(AddressFamily::Netlink, SockType::Raw, SockFlag::SOCK_CLOEXEC, SockProtocol::NetlinkRoute)?;
    send(netlink.as_raw_fd(), &message, MsgFlags::empty())?;
    let mut reply = [0; 4096];
    let length = recv(netlink.as_raw_fd(), &mut reply, MsgFlags::empty())?;
    // `struct nlmsgerr` follows the header: a negated error number, 0 for success.
    match reply[..length].get(MESSAGE_HEADER..MESSAGE_HEADER + 4) {
        Some(&[a, b, c, d]) => match i32::from_ne_bytes([a, b, c, d]) {
            0 => Ok(()),
            error => Err(Errno::from_raw(-error).into()),
        },
        _ => Err(io::Error::other("the kernel sent a truncated netlink answer")),
    }
}

/// Appends an attribute: length, kind, content, padded to four bytes.
fn put(message: &mut Vec<u8>, kind: u16, content: impl FnOnce(&mut Vec<u8>)) {
    let start = message.len();
    message.extend([0; 2]);
    message.extend(kind.to_ne_bytes());
    content(message);
    let length = u16::try_from(message.len() - start).expect("the names are short");
    message[start..start + 2].copy_from_slice(&length.to_ne_bytes());
    message.resize(message.len().next_multiple_of(4), 0);
}

fn put_text(message: &mut Vec<u8>, text: &str) {
    message.extend(text.bytes());
    message.push(0);
}
