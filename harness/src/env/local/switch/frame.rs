//! What the switch reads of a frame: where it goes, whose it is, and whether it is a probe.

/// First octets of every interface address: locally administered, unicast. The last is the port.
const MAC_PREFIX: [u8; 5] = [0x02, b'd', b'u', b'r', 0];

/// UDP port of probes: `discard`, where no server of a cluster listens.
pub(crate) const PROBE_PORT: u16 = 9;

/// Begins the payload of a probe; its nonce follows.
const PROBE_MAGIC: [u8; 8] = *b"duress?\0";

/// Length of the header of a frame without a VLAN tag.
pub(in super::super) const ETHERNET: usize = 14;

/// Offsets in it, and in the IPv4 header behind it.
const ETHERTYPE: usize = 12;
const IP: usize = ETHERNET;
const FRAGMENT: usize = IP + 6;
const PROTOCOL: usize = IP + 9;

/// Protocols of IP.
pub(crate) const TCP: u8 = 6;
pub(crate) const UDP: u8 = 17;

const UDP_HEADER: usize = 8;
const TCP_FLAGS: usize = 13;

/// Flags of TCP.
pub(super) mod flag {
    pub(in super::super) const FIN: u8 = 1;
    pub(in super::super) const SYN: u8 = 2;
    pub(in super::super) const RST: u8 = 4;
    pub(in super::super) const ACK: u8 = 16;
}

/// Where a frame is to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Destination {
    Port(usize),
    /// Broadcast or multicast.
    Everyone,
}

/// Whose a frame is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Packet {
    /// Of IP.
    pub(super) protocol: u8,
    /// Source and destination, where there are any.
    pub(super) ports: Option<(u16, u16)>,
    /// Of TCP; none in other protocols.
    pub(super) flags: u8,
    /// Where in the frame IP's content begins.
    pub(super) transport: usize,
    /// A part of a packet without its beginning, and so without its ports.
    pub(super) is_later_fragment: bool,
}

/// Reads an IPv4 frame. What is too short for something has none of it.
pub(super) fn packet(frame: &[u8]) -> Packet {
    let half = |at: usize| frame.get(at..at + 2).map(|two| u16::from_be_bytes([two[0], two[1]]));
    let protocol = frame.get(PROTOCOL).copied().unwrap_or_default();
    let transport = IP + frame.get(IP).map_or(0, |length| usize::from(length & 0x0f) * 4);
    let is_later_fragment = half(FRAGMENT).is_some_and(|fragment| fragment & 0x1fff != 0);
    let has_ports = matches!(protocol, TCP | UDP) && !is_later_fragment;
    let ports = has_ports.then(|| half(transport).zip(half(transport + 2))).flatten();
    let flags = if protocol == TCP && ports.is_some() { frame.get(transport + TCP_FLAGS) } else { None };
    Packet { protocol, ports, flags: flags.copied().unwrap_or_default(), transport, is_later_fragment }
}

/// The address of the interface at a port.
pub(crate) fn mac(port: usize) -> [u8; 6] {
    let mut mac = [0; 6];
    mac[..5].copy_from_slice(&MAC_PREFIX);
    mac[5] = u8::try_from(port).expect("a cluster has fewer than 256 ports");
    mac
}

/// Where this frame goes, if the network carries it: IPv4 only. Neighbours are known from the
/// start, so ARP would only add a way in which a cut differs from silence.
pub(super) fn destination(frame: &[u8]) -> Option<Destination> {
    if frame.get(ETHERTYPE..IP)? != [0x08, 0x00] {
        return None;
    }
    if frame[0] & 1 == 1 {
        return Some(Destination::Everyone);
    }
    (frame[..5] == MAC_PREFIX).then_some(Destination::Port(frame[5].into()))
}

/// The payload of a probe.
pub(crate) fn probe_payload(nonce: u64) -> [u8; 16] {
    let mut payload = [0; 16];
    payload[..8].copy_from_slice(&PROBE_MAGIC);
    payload[8..].copy_from_slice(&nonce.to_be_bytes());
    payload
}

/// The nonce, if this is the payload of a probe.
pub(crate) fn probe_nonce(payload: &[u8]) -> Option<u64> {
    let nonce = payload.strip_prefix(&PROBE_MAGIC)?;
    Some(u64::from_be_bytes(nonce.try_into().ok()?))
}

/// The nonce, if this frame is a probe, to whichever port.
pub(super) fn probe(frame: &[u8], packet: &Packet) -> Option<u64> {
    if packet.protocol != UDP || packet.is_later_fragment {
        return None;
    }
    probe_nonce(frame.get(packet.transport + UDP_HEADER..)?)
}

/// RFC 1071, over everything from where it starts; what is not in the data is summed up in its place.
pub(in super::super) fn internet_checksum(data: &[u8]) -> u16 {
    let word = |two: &[u8]| u64::from(u16::from_be_bytes([two[0], *two.get(1).unwrap_or(&0)]));
    let mut sum: u64 = data.chunks(2).map(word).sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    // Zero means "none" to UDP; both stand for the same number.
    match !(sum as u16) {
        0 => 0xffff,
        sum => sum,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn udp_frame(port: usize, ethertype: [u8; 2], udp_port: u16, payload: &[u8]) -> Vec<u8> {
        let mut frame = mac(port).to_vec();
        frame.extend(mac(9));
        frame.extend(ethertype);
        let mut ip = [0; 20];
        (ip[0], ip[9]) = (0x45, 17);
        frame.extend(ip);
        frame.extend([0, 0]);
        frame.extend(udp_port.to_be_bytes());
        frame.extend([0; 4]);
        frame.extend(payload);
        frame
    }

    #[test]
    fn a_frame_goes_where_its_address_says_and_only_if_it_is_ipv4() {
        let frame = udp_frame(3, [8, 0], 80, b"");
        assert_eq!(destination(&frame), Some(Destination::Port(3)));
        let mut everyone = frame.clone();
        everyone[..6].fill(0xff);
        assert_eq!(destination(&everyone), Some(Destination::Everyone));
        let mut stranger = frame.clone();
        stranger[2] ^= 1;
        assert_eq!(destination(&stranger), None);
        assert_eq!(destination(&udp_frame(3, [8, 6], 80, b"")), None);
        assert_eq!(destination(&udp_frame(3, [0x86, 0xdd], 80, b"")), None);
        assert_eq!(destination(&frame[..13]), None);
    }

    #[test]
    fn a_probe_is_told_from_traffic_and_no_truncation_panics() {
        let read = |frame: &[u8]| probe(frame, &packet(frame));
        let probing = udp_frame(1, [8, 0], PROBE_PORT, &probe_payload(77));
        assert_eq!(read(&probing), Some(77));
        assert_eq!(read(&udp_frame(1, [8, 0], 2380, &probe_payload(77))), Some(77));
        assert_eq!(read(&udp_frame(1, [8, 0], PROBE_PORT, b"duress!\0\0\0\0\0\0\0\0\0")), None);
        for length in 0..probing.len() {
            assert_eq!(read(&probing[..length]), None, "{length}");
        }
    }

    #[test]
    fn ports_are_read_where_there_are_some() {
        let frame = udp_frame(1, [8, 0], 2380, b"");
        assert_eq!((packet(&frame).ports, packet(&frame).transport), (Some((0, 2380)), 34));
        let mut later = frame.clone();
        later[FRAGMENT + 1] = 3;
        assert!(packet(&later).ports.is_none() && packet(&later).is_later_fragment);
        let mut other = frame.clone();
        other[PROTOCOL] = 1;
        assert_eq!(packet(&other).ports, None);
        let mut tcp = [&frame[..], &[0; 12]].concat();
        (tcp[PROTOCOL], tcp[34 + TCP_FLAGS]) = (TCP, flag::SYN);
        assert_eq!(packet(&tcp).flags, flag::SYN);
    }
}
