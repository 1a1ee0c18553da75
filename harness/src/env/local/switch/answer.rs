//! What a link that refuses tells the sender: what the other host's kernel would say if nobody
//! listened there.

use super::frame::{ETHERNET, Packet, TCP, UDP, flag, internet_checksum};
use super::port::HEADER;

const ICMP: u8 = 1;

/// `destination unreachable`, and what is unreachable.
const UNREACHABLE: u8 = 3;
const HOST: u8 = 1;
const PORT: u8 = 3;

/// The one ICMP message that an error may answer (RFC 1122, 3.2.2).
const ECHO: u8 = 8;

const IP_HEADER: usize = 20;
const TCP_HEADER: usize = 20;
const ICMP_HEADER: usize = 8;

/// Most that is quoted of the packet that is answered: the answer has 576 bytes then (RFC 1812, 4.3.2.3).
const MOST_QUOTED: usize = 576 - IP_HEADER - ICMP_HEADER;

/// The answer to a frame, with its header for the port that the frame came from. `None` where there must
/// be none: to resets, to errors, and to all fragments of a packet but the first.
pub(super) fn refuse(frame: &[u8], packet: &Packet) -> Option<Vec<u8>> {
    if packet.is_later_fragment || frame[0] & 1 == 1 {
        return None;
    }
    let transport = frame.get(packet.transport..)?;
    match packet.protocol {
        TCP if packet.flags & flag::RST != 0 => None,
        TCP => Some(datagram(frame, TCP, &reset(frame, packet, transport)?)),
        ICMP if *transport.first()? != ECHO => None,
        protocol => {
            let code = if protocol == UDP { PORT } else { HOST };
            Some(datagram(frame, ICMP, &unreachable(frame, code)))
        }
    }
}

/// RFC 9293, 3.5.2: what a host says for which there is no such connection.
fn reset(frame: &[u8], packet: &Packet, segment: &[u8]) -> Option<Vec<u8>> {
    let number = |at: usize| Some(u32::from_be_bytes(segment.get(at..at + 4)?.try_into().ok()?));
    let header = usize::from(segment.get(12)? >> 4) * 4;
    let end = ETHERNET + usize::from(u16::from_be_bytes([frame[ETHERNET + 2], frame[ETHERNET + 3]]));
    let payload = end.saturating_sub(packet.transport + header);
    let (sequence, acknowledged, flags) = if packet.flags & flag::ACK != 0 {
        (number(8)?, 0, flag::RST)
    } else {
        let one = |flag| u32::from(packet.flags & flag != 0);
        // A segment is shorter than 64 KiB.
        let length = payload as u32 + one(flag::SYN) + one(flag::FIN);
        (0, number(4)?.wrapping_add(length), flag::RST | flag::ACK)
    };
    let mut reset = Vec::with_capacity(TCP_HEADER);
    reset.extend([segment[2], segment[3], segment[0], segment[1]]);
    reset.extend(sequence.to_be_bytes());
    reset.extend(acknowledged.to_be_bytes());
    reset.extend([(TCP_HEADER as u8 / 4) << 4, flags]);
    // No window, no checksum yet, nothing urgent.
    reset.extend([0; 6]);
    // It sums up the same whichever of the two addresses comes first.
    let mut pseudo = frame[ETHERNET + 12..ETHERNET + 20].to_vec();
    pseudo.extend([0, TCP, 0, TCP_HEADER as u8]);
    pseudo.extend(&reset);
    let checksum = internet_checksum(&pseudo);
    reset[16..18].copy_from_slice(&checksum.to_be_bytes());
    Some(reset)
}

fn unreachable(frame: &[u8], code: u8) -> Vec<u8> {
    let packet = &frame[ETHERNET..];
    let mut message = vec![UNREACHABLE, code, 0, 0, 0, 0, 0, 0];
    message.extend(&packet[..packet.len().min(MOST_QUOTED)]);
    let checksum = internet_checksum(&message);
    message[2..4].copy_from_slice(&checksum.to_be_bytes());
    message
}

/// From the frame's receiver to its sender.
fn datagram(frame: &[u8], protocol: u8, content: &[u8]) -> Vec<u8> {
    let mut answer = vec![0; HEADER];
    answer.extend([&frame[6..12], &frame[..6], &frame[12..14]].concat());
    let start = answer.len();
    let length = (IP_HEADER + content.len()) as u16;
    // Version and length of the header, service; length; no fragment; time to live.
    answer.extend([0x45, 0]);
    answer.extend(length.to_be_bytes());
    answer.extend([0, 0, 0x40, 0, 64, protocol, 0, 0]);
    answer.extend(&frame[ETHERNET + 16..ETHERNET + 20]);
    answer.extend(&frame[ETHERNET + 12..ETHERNET + 16]);
    let checksum = internet_checksum(&answer[start..]);
    answer[start + 10..start + 12].copy_from_slice(&checksum.to_be_bytes());
    answer.extend(content);
    answer
}
