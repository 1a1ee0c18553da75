//! What the switch has counted, with the names of hosts, protocols and faults.

use super::switch::flows::{Talk, Volume};
use super::switch::frame::{TCP, UDP};
use duress_reports::artifact::{self, Flow, Taken};

const ICMP: u8 = 1;

/// One line of `flows.jsonl`; `hosts` has the names of those at the switch's ports.
pub(super) fn told(talk: &Talk, hosts: &[String]) -> Flow {
    let protocol = match talk.between.protocol {
        TCP => "tcp".to_owned(),
        UDP => "udp".to_owned(),
        ICMP => "icmp".to_owned(),
        number => number.to_string(),
    };
    let taken = talk.taken.iter().map(|&(fault, amount)| Taken { fault, volume: volume(amount) });
    Flow {
        client: hosts[talk.between.client].clone(),
        server: hosts[talk.between.server].clone(),
        protocol,
        port: talk.between.port,
        connections: talk.connections,
        there: volume(talk.there),
        back: volume(talk.back),
        taken: taken.collect(),
    }
}

fn volume(Volume { frames, bytes }: Volume) -> artifact::Volume {
    artifact::Volume { frames, bytes }
}
