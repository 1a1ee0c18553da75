//! The last frames that came to the switch, and what became of each, as pcapng.
//!
//! The format is the one of draft-ietf-opsawg-pcapng, in the byte order of this machine: one
//! interface per host, a frame at the interface of its sender and as that sent it, and its fate, if it
//! has one, as a comment.

use crate::env::Link;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// What is kept of a frame, bytes: headers, and the beginning of what they carry.
const SNAP: usize = 256;

/// Half of what is kept of all, bytes.
const HALF: usize = 32 << 20;

/// What the last block of a half may need beyond it, bytes.
const SLACK: usize = 4 << 10;

/// Blocks and options of the format.
const SECTION: u32 = 0x0a0d_0d0a;
const INTERFACE: u32 = 1;
const PACKET: u32 = 6;
const BYTE_ORDER: u32 = 0x1a2b_3c4d;
const VERSION: [u16; 2] = [1, 0];
const LENGTH_UNKNOWN: u64 = u64::MAX;
const ETHERNET: u16 = 1;
const COMMENT: u16 = 1;
const NAME: u16 = 2;
const APPLICATION: u16 = 4;
const RESOLUTION: u16 = 9;
const NANOSECONDS: u8 = 9;

/// Frames, in two halves of which the older one is given up when the younger one is full: no frame
/// has to be moved or found again.
pub(super) struct Capture {
    old: Vec<u8>,
    young: Vec<u8>,
    began: (Instant, u64),
}

impl Capture {
    pub(super) fn new() -> Self {
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let began = (Instant::now(), u64::try_from(since_1970.as_nanos()).unwrap_or(u64::MAX));
        Self { old: room(), young: room(), began }
    }

    /// Keeps a frame that came now.
    pub(super) fn keep(&mut self, now: Instant, (from, _): Link, frame: &[u8], fate: Option<&str>) {
        if self.young.len() >= HALF {
            std::mem::swap(&mut self.old, &mut self.young);
            self.young.clear();
        }
        let (began, since_1970) = self.began;
        let passed = u64::try_from(now.duration_since(began).as_nanos()).unwrap_or(u64::MAX);
        let time = since_1970.saturating_add(passed);
        let kept = &frame[..frame.len().min(SNAP)];
        block(&mut self.young, PACKET, |block| {
            // A cluster has fewer than 256 ports, and a frame less than 64 KiB and its header.
            let (lengths, from) = ([kept.len() as u32, frame.len() as u32], from as u32);
            for word in [from, (time >> 32) as u32, time as u32, lengths[0], lengths[1]] {
                block.extend_from_slice(&word.to_ne_bytes());
            }
            block.extend_from_slice(kept);
            pad(block);
            if let Some(fate) = fate {
                option(block, COMMENT, fate.as_bytes());
                end_of_options(block);
            }
        });
    }

    /// All that is kept, as the file; `hosts` has the names of those at the ports. It begins anew.
    pub(super) fn take(&mut self, hosts: &[String]) -> Vec<u8> {
        let mut file = head(hosts);
        file.append(&mut self.old);
        file.append(&mut self.young);
        file
    }
}

/// Memory for one half, all of it in place: a thread with real-time priority neither copies what it has into
/// something larger, nor waits for pages, and what a run needs after an hour it needs from the start.
fn room() -> Vec<u8> {
    let mut room = vec![u8::MAX; HALF + SLACK];
    room.clear();
    room
}

fn head(hosts: &[String]) -> Vec<u8> {
    let mut file = Vec::new();
    block(&mut file, SECTION, |block| {
        block.extend(BYTE_ORDER.to_ne_bytes());
        block.extend(VERSION.map(u16::to_ne_bytes).concat());
        block.extend(LENGTH_UNKNOWN.to_ne_bytes());
        option(block, APPLICATION, concat!("duress ", env!("CARGO_PKG_VERSION")).as_bytes());
        end_of_options(block);
    });
    for host in hosts {
        block(&mut file, INTERFACE, |block| {
            block.extend(ETHERNET.to_ne_bytes());
            block.extend([0; 2]);
            block.extend((SNAP as u32).to_ne_bytes());
            option(block, NAME, host.as_bytes());
            option(block, RESOLUTION, &[NANOSECONDS]);
            end_of_options(block);
        });
    }
    file
}

/// Appends a block: its kind, its length before and after its content.
fn block(file: &mut Vec<u8>, kind: u32, content: impl FnOnce(&mut Vec<u8>)) {
    let start = file.len();
    file.extend_from_slice(&kind.to_ne_bytes());
    file.extend_from_slice(&[0; 4]);
    content(file);
    // Blocks have a frame's beginning at most.
    let length = ((file.len() - start + 4) as u32).to_ne_bytes();
    file[start + 4..start + 8].copy_from_slice(&length);
    file.extend_from_slice(&length);
}

/// Appends an option: its kind, its length, its content.
fn option(block: &mut Vec<u8>, kind: u16, content: &[u8]) {
    // They are names and sentences.
    let length = content.len() as u16;
    block.extend(kind.to_ne_bytes());
    block.extend(length.to_ne_bytes());
    block.extend(content);
    pad(block);
}

fn end_of_options(block: &mut Vec<u8>) {
    block.extend([0; 4]);
}

/// To a multiple of four bytes: all blocks begin at one.
fn pad(block: &mut Vec<u8>) {
    const NOTHING: [u8; 3] = [0; 3];
    let missing = block.len().next_multiple_of(4) - block.len();
    block.extend_from_slice(&NOTHING[..missing]);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The blocks of a file, by kind; their lengths have to agree.
    fn blocks(file: &[u8]) -> Vec<(u32, &[u8])> {
        let word = |at: usize| u32::from_ne_bytes(file[at..at + 4].try_into().unwrap());
        let (mut at, mut found) = (0, Vec::new());
        while at < file.len() {
            let length = word(at + 4) as usize;
            assert_eq!((length % 4, word(at + length - 4) as usize), (0, length), "at {at}");
            found.push((word(at), &file[at + 8..at + length - 4]));
            at += length;
        }
        found
    }

    #[test]
    fn frames_follow_their_interfaces_with_their_fate() {
        let mut capture = Capture::new();
        for (length, fate) in [(60, None), (61, Some("dropped by F3")), (9_000, Some("lost by F12"))] {
            capture.keep(Instant::now(), (1, 0), &vec![7; length], fate);
        }
        let file = capture.take(&["n1".into(), "n2".into()]);
        let blocks = blocks(&file);
        let kinds: Vec<u32> = blocks.iter().map(|(kind, _)| *kind).collect();
        assert_eq!(kinds, [SECTION, INTERFACE, INTERFACE, PACKET, PACKET, PACKET]);
        let contains = |n: usize, text: &[u8]| blocks[n].1.windows(text.len()).any(|window| window == text);
        assert!(contains(1, b"n1") && contains(2, b"n2"));
        assert!(contains(4, b"dropped by F3") && contains(5, b"lost by F12"));
        assert_eq!(blocks[3].1.len(), 20 + 60, "a frame without a fate has no options");
        assert_eq!(blocks[5].1[12..20], [256_u32.to_ne_bytes(), 9_000_u32.to_ne_bytes()].concat());
        assert_eq!(capture.take(&[]).len(), head(&[]).len(), "it begins anew");
    }

    #[test]
    fn the_last_frames_are_kept_and_no_more_than_fit() {
        let mut capture = Capture::new();
        let frames = 3 * HALF / SNAP;
        for n in 0..frames {
            capture.keep(Instant::now(), (0, 1), &[n as u8; SNAP], None);
        }
        let file = capture.take(&[]);
        assert!((HALF..2 * HALF + 1_000).contains(&file.len()), "{}", file.len());
        let blocks = blocks(&file);
        let numbers: Vec<u8> = blocks[1..].iter().map(|(_, frame)| frame[20]).collect();
        assert!(numbers.windows(2).all(|pair| pair[0].wrapping_add(1) == pair[1]), "in a row");
        assert_eq!(numbers.last(), Some(&((frames - 1) as u8)));
    }
}
