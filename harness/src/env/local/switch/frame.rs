//! What the switch reads of a frame: where it goes, and whether it is a probe.

/// First octets of every interface address: locally administered, unicast. The last is the port.
const MAC_PREFIX: [u8; 5] = [0x02, b'd', b'u', b'r', 0];

/// UDP port of probes: `discard`, where no server of a cluster listens.
pub(crate) const PROBE_PORT: u16 = 9;

/// Begins the payload of a probe; its nonce follows.
const PROBE_MAGIC: [u8; 8] = *b"duress?\0";

/// Offsets in a frame without a VLAN tag.
const ETHERTYPE: usize = 12;
const IP: usize = 14;

/// Where a frame is to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Destination {
    Port(usize),
    /// Broadcast or multicast.
    Everyone,
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

/// The nonce, if this IPv4 frame is a probe.
pub(super) fn probe(frame: &[u8]) -> Option<u64> {
    const UDP: u8 = 17;
    const UDP_HEADER: usize = 8;
    if *frame.get(IP + 9)? != UDP {
        return None;
    }
    let udp = IP + usize::from(frame[IP] & 0x0f) * 4;
    if frame.get(udp + 2..udp + 4)? != PROBE_PORT.to_be_bytes() {
        return None;
    }
    probe_nonce(frame.get(udp + UDP_HEADER..)?)
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
        let probing = udp_frame(1, [8, 0], PROBE_PORT, &probe_payload(77));
        assert_eq!(probe(&probing), Some(77));
        assert_eq!(probe(&udp_frame(1, [8, 0], 10, &probe_payload(77))), None);
        assert_eq!(probe(&udp_frame(1, [8, 0], PROBE_PORT, b"duress!\0\0\0\0\0\0\0\0\0")), None);
        for length in 0..probing.len() {
            assert_eq!(probe(&probing[..length]), None, "{length}");
        }
    }
}
