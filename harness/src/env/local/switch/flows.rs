//! Who talks to whom: every connection that the switch has seen, and what crossed between two hosts,
//! by service.
//!
//! Connections come and go by the thousand, so they are folded: one talk for all that one host has
//! with one port of another.

use super::frame::{Packet, TCP, flag};
use crate::env::Link;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// Most connections that are known at a time. Beyond it those are forgotten that have ended, or have
/// been silent for longest. Clients and servers have hundreds at once and many thousands in an hour; what is kept of these
/// fills a table of 1.6 MB within minutes, and then no more.
const MAX_CONNECTIONS: usize = 1 << 14;

/// Most talks that are told by their port. Beyond it the ports of two hosts are one.
const MAX_TALKS: usize = 1 << 12;

/// Where the switch stands: it grows with every change of what links do.
pub(super) type Epoch = u64;

/// All of them.
#[derive(Default)]
pub(super) struct Flows {
    connections: HashMap<u64, Connection, BuildHasherDefault<Spread>>,
    places: HashMap<Between, usize>,
    talks: Vec<Talk>,
    /// Frames so far: tells which connections have been silent.
    frames: u64,
}

/// What one host has with one port of another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) struct Talk {
    pub(in super::super) between: Between,
    /// Connections that began.
    pub(in super::super) connections: u64,
    /// From client to server.
    pub(in super::super) there: Volume,
    /// From server to client.
    pub(in super::super) back: Volume,
    /// What faults took of both, and what there was no room for.
    pub(in super::super) taken: Vec<(Taker, Volume)>,
}

/// The ends of a talk: hosts by their ports at the switch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in super::super) struct Between {
    pub(in super::super) client: usize,
    pub(in super::super) server: usize,
    /// Of IP.
    pub(in super::super) protocol: u8,
    /// The server's; absent where the protocol has none.
    pub(in super::super) port: Option<u16>,
}

/// An amount of frames.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in super::super) struct Volume {
    pub(in super::super) frames: u64,
    pub(in super::super) bytes: u64,
}

/// A fault, or a queue that was full.
pub(in super::super) type Taker = Option<u32>;

/// The connection of one frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ticket {
    talk: usize,
    back: bool,
    /// When the connection began.
    pub(super) begun: Epoch,
}

struct Connection {
    talk: usize,
    client: usize,
    begun: Epoch,
    /// One side has said that it has.
    ended: bool,
    /// The last frame, by number.
    last: u64,
}

impl Flows {
    /// Finds the connection of a frame that comes now, or begins it.
    pub(super) fn note(&mut self, (from, to): Link, packet: &Packet, now: Epoch) -> Ticket {
        self.frames += 1;
        let key = key((from, to), packet);
        let opens = packet.protocol == TCP && packet.flags & (flag::SYN | flag::ACK) == flag::SYN;
        let ends_it = packet.protocol == TCP && packet.flags & (flag::FIN | flag::RST) != 0;
        match self.connections.get_mut(&key) {
            Some(known) if !opens || (known.client == from && !known.ended) => {
                if opens {
                    // Sent again: until it is answered there is no connection.
                    known.begun = now;
                }
                known.ended |= ends_it;
                known.last = self.frames;
                Ticket { talk: known.talk, back: known.client != from, begun: known.begun }
            }
            _ => self.begin(key, (from, to), packet, (opens, now)),
        }
    }

    fn begin(&mut self, key: u64, (from, to): Link, packet: &Packet, (opens, now): (bool, Epoch)) -> Ticket {
        let (near, far) = packet.ports.unwrap_or((0, 0));
        // The beginning of a connection of TCP was forgotten if this is not it. Servers have the
        // smaller ports.
        let forgotten = packet.protocol == TCP && !opens;
        let back = forgotten && near < far;
        let (client, server, port) = if back { (to, from, near) } else { (from, to, far) };
        let port = packet.ports.map(|_| port);
        let talk = self.talk(Between { client, server, protocol: packet.protocol, port });
        self.talks[talk].connections += u64::from(!forgotten);
        let begun = if forgotten { 0 } else { now };
        if self.connections.len() >= MAX_CONNECTIONS {
            self.forget();
        }
        let ended = packet.flags & (flag::FIN | flag::RST) != 0;
        self.connections.insert(key, Connection { talk, client, begun, ended, last: self.frames });
        Ticket { talk, back, begun }
    }

    fn talk(&mut self, between: Between) -> usize {
        let full = self.talks.len() >= MAX_TALKS && !self.places.contains_key(&between);
        let between = if full { Between { port: None, ..between } } else { between };
        *self.places.entry(between).or_insert_with(|| {
            let (there, back) = (Volume::default(), Volume::default());
            self.talks.push(Talk { between, connections: 0, there, back, taken: Vec::new() });
            self.talks.len() - 1
        })
    }

    /// At least half of all.
    fn forget(&mut self) {
        let rank = |known: &Connection| if known.ended { 0 } else { known.last };
        let mut ranks: Vec<u64> = self.connections.values().map(rank).collect();
        let middle = ranks.len() / 2;
        let (_, &mut median, _) = ranks.select_nth_unstable(middle);
        self.connections.retain(|_, known| rank(known) > median);
    }

    /// A frame that is handed on, be it later.
    pub(super) fn pass(&mut self, ticket: Ticket, bytes: usize) {
        self.direction(ticket).add(bytes);
    }

    /// A frame that is not.
    pub(super) fn take(&mut self, ticket: Ticket, by: Taker, bytes: usize) {
        let taken = &mut self.talks[ticket.talk].taken;
        let at = taken.iter().position(|(taker, _)| *taker == by).unwrap_or_else(|| {
            taken.push((by, Volume::default()));
            taken.len() - 1
        });
        taken[at].1.add(bytes);
    }

    /// A frame that was to be handed on later, and is not.
    pub(super) fn take_back(&mut self, ticket: Ticket, by: Taker, bytes: usize) {
        let passed = self.direction(ticket);
        passed.frames -= 1;
        passed.bytes -= bytes as u64;
        self.take(ticket, by, bytes);
    }

    fn direction(&mut self, ticket: Ticket) -> &mut Volume {
        let talk = &mut self.talks[ticket.talk];
        if ticket.back { &mut talk.back } else { &mut talk.there }
    }

    /// Those in which anything was sent.
    pub(super) fn talks(&self) -> Vec<Talk> {
        let any = |talk: &&Talk| talk.there.frames + talk.back.frames > 0 || !talk.taken.is_empty();
        self.talks.iter().filter(any).cloned().collect()
    }
}

/// The same for both directions of a connection.
fn key((from, to): Link, packet: &Packet) -> u64 {
    let (near, far) = packet.ports.unwrap_or((0, 0));
    // A host is one byte.
    let end = |host: usize, port: u16| (host as u64) << 16 | u64::from(port);
    let (near, far) = (end(from, near), end(to, far));
    near.min(far) << 32 | near.max(far) << 8 | u64::from(packet.protocol)
}

/// Spreads keys: servers of ours do not choose their ports against us, so that the standard library's
/// hash, which takes longer than all the rest, is not needed.
#[derive(Default)]
struct Spread(u64);

impl Hasher for Spread {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write_u64(&mut self, key: u64) {
        // Fibonacci hashing; the table looks at both ends of it.
        let spread = key.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 = spread ^ (spread >> 32);
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u64(self.0.rotate_left(8) ^ u64::from(byte));
        }
    }
}

impl Volume {
    fn add(&mut self, bytes: usize) {
        self.frames += 1;
        self.bytes += bytes as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tcp(ports: (u16, u16), flags: u8) -> Packet {
        Packet { protocol: TCP, ports: Some(ports), flags, transport: 34, is_later_fragment: false }
    }

    const PORTS: (u16, u16) = (40_000, 2379);
    const ANSWER: (u16, u16) = (2379, 40_000);

    #[test]
    fn connections_with_one_port_are_one_talk() {
        let mut flows = Flows::default();
        for near in 40_000..40_010 {
            let there = flows.note((0, 1), &tcp((near, 2379), flag::SYN), 1);
            let back = flows.note((1, 0), &tcp((2379, near), flag::SYN | flag::ACK), 1);
            flows.pass(there, 100);
            flows.pass(back, 60);
            flows.take(back, Some(7), 50);
        }
        let talks = flows.talks();
        assert_eq!(talks.len(), 1);
        let Talk { between, connections, there, back, taken } = &talks[0];
        assert_eq!(*between, Between { client: 0, server: 1, protocol: TCP, port: Some(2379) });
        assert_eq!((*connections, there.frames, there.bytes, back.frames), (10, 10, 1_000, 10));
        assert_eq!(taken, &[(Some(7), Volume { frames: 10, bytes: 500 })]);
    }

    #[test]
    fn a_connection_begins_with_the_last_request_for_it() {
        let mut flows = Flows::default();
        let mut begun = |link, ports, flags, now| flows.note(link, &tcp(ports, flags), now).begun;
        assert_eq!(begun((0, 1), PORTS, flag::SYN, 3), 3);
        assert_eq!(begun((0, 1), PORTS, flag::SYN, 4), 4, "sent again");
        assert_eq!(begun((1, 0), ANSWER, flag::SYN | flag::ACK, 5), 4);
        assert_eq!(begun((0, 1), PORTS, flag::ACK, 6), 4);
        assert_eq!(begun((1, 0), ANSWER, flag::FIN | flag::ACK, 6), 4);
        assert_eq!(begun((0, 1), PORTS, flag::SYN, 9), 9, "another one between the same ports");
        assert_eq!(begun((0, 1), (5, 6), flag::ACK, 9), 0, "older than we can remember");
        assert_eq!(flows.talks.iter().map(|talk| talk.connections).collect::<Vec<_>>(), [2, 0]);
    }

    #[test]
    fn what_is_kept_is_bounded_and_those_that_talk_are_kept() {
        let mut flows = Flows::default();
        flows.note((0, 1), &tcp(PORTS, flag::SYN), 1);
        for n in 0..3 * MAX_CONNECTIONS as u32 {
            let ports = ((n >> 8) as u16, (n & 0xff) as u16);
            flows.note((2, 3), &tcp(ports, flag::SYN), 2);
            if n % 1_000 == 0 {
                assert_eq!(flows.note((0, 1), &tcp(PORTS, flag::ACK), 2).begun, 1);
            }
            assert!(flows.connections.len() <= MAX_CONNECTIONS);
        }
        for port in 0..2 * MAX_TALKS as u16 {
            flows.note((4, 5), &tcp((50_000, port), flag::SYN), 2);
        }
        assert!(flows.talks.len() <= MAX_TALKS + 1, "{}", flows.talks.len());
    }
}
