//! Flipping a bit of a frame, so that the receiving host sees it or so that it does not.
//!
//! Hosts leave the checksums of TCP and UDP to their network card, which is us: a frame comes with
//! a note (virtio's `NEEDS_CSUM`) where the checksum would go, and the receiving host believes a
//! frame that still has it. So damage is silent as long as the note stays, and is detected when the
//! checksum is made first.

use super::frame::{TCP, internet_checksum};
use super::port::HEADER;

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Damage {
    /// The receiving host must not notice.
    pub(super) silent: bool,
    /// Any number: decides which bit.
    pub(super) place: u64,
}

/// `struct virtio_net_hdr`, in the byte order of this machine.
const FLAGS: usize = 0;
const GSO_TYPE: usize = 1;
const CSUM_START: usize = 6;
const CSUM_OFFSET: usize = 8;
const NEEDS_CSUM: u8 = 1;

/// Offsets in the frame and in what it carries.
const IP_PROTOCOL: usize = 14 + 9;
const TCP_DATA_OFFSET: usize = 12;
const UDP_HEADER: usize = 8;

/// Damages a frame with its header. False where that is not possible: no TCP or UDP whose checksum
/// is still to be made, several packets in one, or nothing to damage unseen.
pub(super) fn damage(frame: &mut [u8], how: Damage) -> bool {
    let half = |at: usize| frame.get(at..at + 2).map(|two| u16::from_ne_bytes([two[0], two[1]]));
    let (Some(start), Some(offset)) = (half(CSUM_START), half(CSUM_OFFSET)) else { return false };
    if frame[FLAGS] & NEEDS_CSUM == 0 || frame[GSO_TYPE] != 0 {
        return false;
    }
    let start = HEADER + usize::from(start);
    let checksum = start + usize::from(offset);
    let header = match frame.get(HEADER + IP_PROTOCOL) {
        Some(&TCP) => frame.get(start + TCP_DATA_OFFSET).map(|words| usize::from(words >> 4) * 4),
        _ => Some(UDP_HEADER),
    };
    let Some(payload) = header.map(|header| start + header) else { return false };
    if checksum + 2 > frame.len() || (how.silent && payload >= frame.len()) {
        return false;
    }
    let from = if how.silent { payload } else { start };
    if !how.silent {
        let sum = internet_checksum(&frame[start..]);
        frame[checksum..checksum + 2].copy_from_slice(&sum.to_be_bytes());
        frame[FLAGS] &= !NEEDS_CSUM;
    }
    let bits = (frame.len() - from) as u64 * 8;
    let bit = how.place % bits;
    frame[from + (bit / 8) as usize] ^= 1 << (bit % 8);
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A UDP frame whose checksum is still to be made.
    fn frame(payload: &[u8]) -> Vec<u8> {
        let mut frame = vec![0; HEADER + 14 + 20 + 8];
        frame[FLAGS] = NEEDS_CSUM;
        frame[CSUM_START..CSUM_START + 2].copy_from_slice(&34_u16.to_ne_bytes());
        frame[CSUM_OFFSET..CSUM_OFFSET + 2].copy_from_slice(&6_u16.to_ne_bytes());
        frame[HEADER + IP_PROTOCOL] = 17;
        frame.extend(payload);
        frame
    }

    fn differing(a: &[u8], b: &[u8]) -> Vec<usize> {
        (0..a.len()).filter(|&at| a[at] != b[at]).collect()
    }

    #[test]
    fn silent_damage_is_one_bit_of_the_payload() {
        for place in 0..200 {
            let before = frame(b"payload");
            let mut after = before.clone();
            assert!(damage(&mut after, Damage { silent: true, place }));
            let places = differing(&before, &after);
            assert!(places.len() == 1 && places[0] >= before.len() - 7, "{places:?}");
            assert_eq!((before[places[0]] ^ after[places[0]]).count_ones(), 1);
        }
        assert!(!damage(&mut frame(b""), Damage { silent: true, place: 7 }), "there is nothing to damage");
    }

    #[test]
    fn other_damage_makes_a_checksum_first_that_it_then_contradicts() {
        for place in 0..200 {
            let mut after = frame(b"payload");
            assert!(damage(&mut after, Damage { silent: false, place }));
            assert_eq!(after[FLAGS], 0);
            let udp = &after[HEADER + 34..];
            // Over data with a right checksum in it, the sum is 0, which is written as 0xffff.
            assert_ne!(internet_checksum(udp), 0xffff, "bit {place}");
        }
    }

    #[test]
    fn what_cannot_be_damaged_is_left_alone() {
        for (at, value) in [(FLAGS, 0), (GSO_TYPE, 1), (CSUM_START, 0xff)] {
            let mut odd = frame(b"payload");
            odd[at] = value;
            let before = odd.clone();
            assert!(!damage(&mut odd, Damage { silent: false, place: 3 }));
            assert_eq!(odd, before);
        }
        for length in 0..frame(b"").len() {
            damage(&mut frame(b"")[..length], Damage { silent: false, place: 3 });
        }
    }
}
