//! What a cut link does not let cross, and whether it says so.
//!
//! Not here: which links are cut (the nemesis' grudges), and who drops the packets.

use serde::{Deserialize, Serialize};

/// How a link is cut. The default is silence: nothing crosses, and nobody is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cut {
    /// Only what comes from this port of TCP or UDP, or goes to it; all ports when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// Only what belongs to these connections.
    #[serde(default, skip_serializing_if = "Connections::are_all")]
    pub connections: Connections,
    /// Who sends something is told that it does not arrive: by a reset in TCP, by "unreachable"
    /// otherwise.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub reject: bool,
}

/// Connections, by when they began. One of UDP begins with its first packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Connections {
    /// Whenever.
    #[default]
    All,
    /// Before the link was cut.
    Established,
    /// Afterwards.
    New,
}

/// What became of a packet that was sent over a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crossing {
    /// It arrived, or will.
    Arrived,
    /// It did not, since the link is cut.
    Dropped,
    /// Likewise, and its sender was told so.
    Refused,
    /// It has no end to go from or to, as containers take their network with them: nothing crosses, and
    /// nothing is proven.
    Endless,
}

impl Connections {
    fn are_all(&self) -> bool {
        *self == Self::All
    }
}

impl Cut {
    /// Is it silence, for everything?
    pub fn is_plain(&self) -> bool {
        *self == Self::default()
    }

    /// The word for it in journals and tables.
    pub fn kind(&self) -> &'static str {
        match self {
            Self { connections: Connections::Established, .. } => "partition-established",
            Self { connections: Connections::New, .. } => "partition-new",
            Self { port: Some(_), .. } => "partition-port",
            Self { reject: true, .. } => "partition-reject",
            _ => "partition",
        }
    }

    /// Added to the words for what is cut: `, port 2380 only, refusing`.
    pub fn told(&self) -> String {
        let reject = if self.reject { ", refusing" } else { "" };
        format!("{}{reject}", self.of())
    }

    /// Added to the words for what is not to cross: `, port 2380 only`.
    pub fn of(&self) -> String {
        let port = self.port.map(|port| format!(", port {port} only")).unwrap_or_default();
        let connections = match self.connections {
            Connections::All => "",
            Connections::Established => ", established connections only",
            Connections::New => ", new connections only",
        };
        format!("{port}{connections}")
    }

    /// Why it makes no sense, if it does not.
    pub fn nonsense(&self) -> Option<&'static str> {
        (self.port == Some(0)).then_some("ports are 1 to 65535")
    }

    /// What becomes of a packet that it is for.
    pub fn leads_to(&self) -> Crossing {
        if self.reject { Crossing::Refused } else { Crossing::Dropped }
    }
}
