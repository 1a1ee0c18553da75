//! `flows.jsonl`: who talked to whom over the network, and what faults took of it.

use serde::{Deserialize, Serialize};

/// All that one host had with one port of another. One line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flow {
    /// Who connected: a node, or `clients`.
    pub client: String,
    /// To whom.
    pub server: String,
    /// `tcp`, `udp`, `icmp`, or IP's number of another one.
    pub protocol: String,
    /// The server's port; absent where the protocol has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// Connections that began; in UDP, pairs of ports.
    pub connections: u64,
    /// What crossed from client to server.
    pub there: Volume,
    /// What crossed from server to client.
    pub back: Volume,
    /// What did not, of both.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub taken: Vec<Taken>,
}

/// An amount of frames. Hosts may hand over up to 64 KiB of TCP in one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Volume {
    /// How many.
    pub frames: u64,
    /// Their bytes, with the headers of Ethernet.
    pub bytes: u64,
}

/// What was sent and never arrived.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Taken {
    /// The fault that took it; absent where a queue was full that no fault had made short.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<u32>,
    /// How much.
    #[serde(flatten)]
    pub volume: Volume,
}

impl std::ops::AddAssign for Volume {
    fn add_assign(&mut self, other: Self) {
        self.frames += other.frames;
        self.bytes += other.bytes;
    }
}
