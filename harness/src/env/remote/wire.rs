//! What a controller and an agent say to each other. A request has a number, and its answer has the same; several
//! are under way at a time.
//!
//! Not here: how it gets into lines (`lines`), who sends (`connection`) and who does it (`agent`).

use super::capability::{Ability, Capability};
use crate::env::clock::Skews;
use crate::env::cut::Cut;
use crate::env::disk::{Counters, Damage, Keep, Loss, Misdeed};
use crate::env::packet::{Behavior, Traffic};
use crate::env::trap::{Call, Snare};
use crate::env::{ProcessState, Stop};
use duress_targets::obtain::Obtained;
use duress_targets::{HostCommand, Node, Stopping};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

/// The version of all this. Both sides are the same binary, so they differ only by mistake.
pub const PROTOCOL: u32 = 1;

/// To an agent.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ToAgent {
    /// The first word.
    Hello(Hello),
    /// The controller is there. An agent that hears nothing for long heals its host.
    Beat,
    /// Something is to be done.
    Ask {
        /// Of the answer, too.
        id: u64,
        /// What.
        what: Ask,
    },
    /// The run is over: heal and end.
    Bye,
}

/// Who is spoken to, and for what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Hello {
    /// [`PROTOCOL`]
    pub protocol: u32,
    /// The run's identity.
    pub run: String,
    /// The node that this host is to be.
    pub node: Node,
    /// Where its files go.
    pub dir: PathBuf,
    /// The file that has to exist.
    pub consent: Option<PathBuf>,
    /// After so long without a word it heals itself.
    pub dead_man: Duration,
    /// What it has to do with.
    pub charge: Charge,
    /// What it is to try whether its host can.
    pub tries: Vec<Ability>,
}

/// What an agent breaks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Charge {
    /// All of its host, with a server of its own.
    Host,
    /// Nothing but the links of the network that it is in.
    Network,
    /// Nothing but the processes of a container, among which it runs.
    Container {
        /// By which the container's engine knows it.
        id: String,
    },
}

impl Charge {
    /// Which of these abilities are any of its business.
    pub fn may_try(&self, abilities: &[Ability]) -> Vec<Ability> {
        let network = *self == Self::Network;
        abilities.iter().copied().filter(|ability| !network || ability.is_of_links()).collect()
    }
}

/// From an agent.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FromAgent {
    /// It is ready, and can do this.
    Welcome {
        /// [`PROTOCOL`]
        protocol: u32,
        /// What the host allows.
        capabilities: Vec<Capability>,
        /// By which others may know it.
        addresses: Vec<IpAddr>,
    },
    /// It will not work.
    Refused(Trouble),
    /// What was asked for has been done, or not.
    Answer {
        /// Of the request.
        id: u64,
        /// What came of it.
        answer: Result<Answer, Trouble>,
    },
    /// The server ended although nobody asked it to.
    Exited {
        /// `signal: 6 (SIGABRT)`
        status: String,
        /// Its disk had failed it.
        disk: bool,
    },
    /// A call is in the trap of this number, and waits.
    Caught {
        /// Whose.
        trap: u64,
    },
    /// All is healed.
    Bye,
}

/// What could not be done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trouble {
    /// `start its server`
    pub what: String,
    /// What the host said.
    pub why: String,
}

/// A request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ask {
    /// Is a file with this hash in the agent's folder? Answered by [`Answer::Yes`] or [`Answer::No`].
    HasFile {
        /// SHA-256 in hexadecimal.
        sha256: String,
    },
    /// The next bytes of a file, which are behind the line.
    File {
        /// SHA-256 of all of it, in hexadecimal.
        sha256: String,
        /// These are the last.
        last: bool,
    },
    /// Gives files that were sent their names, in a folder with a name of its own in the agent's: it may be
    /// there already.
    Arrange {
        /// The folder.
        name: String,
        /// Paths in it, and the SHA-256 of each file.
        files: Vec<(PathBuf, String)>,
    },
    /// Looks for a program. [`Answer::Program`] or [`Answer::No`].
    Find {
        /// A path, or a name that is looked for on `PATH`.
        program: PathBuf,
    },
    /// Looks whether somebody listens already at the node's address. [`Answer::Busy`].
    Busy {
        /// Ports of TCP.
        ports: Vec<u16>,
    },
    /// Makes the node; nothing runs yet.
    Make(Box<Server>),
    /// See [`crate::env::Environment::start`], and so for the following.
    Start,
    /// Ends all processes.
    Stop {
        /// How.
        how: Stop,
    },
    /// Ends the server.
    StopMain {
        /// How.
        how: Stop,
    },
    /// Replaces how the server is asked to end.
    SetStopping {
        /// How.
        how: Stopping,
    },
    /// Replaces the server's arguments.
    SetArgs {
        /// All of them.
        args: Vec<String>,
    },
    /// Replaces the server's program.
    SetProgram {
        /// By this.
        program: Program,
    },
    /// Runs a command beside the server; what it printed is behind the line.
    Run {
        /// Which.
        command: HostCommand,
        /// For so long at most.
        limit: Duration,
    },
    /// Stops all where they stand.
    Pause,
    /// Lets them go on.
    Resume,
    /// Lets them have so little time.
    Starve {
        /// Percent, or all.
        percent: Option<u32>,
    },
    /// For how many periods.
    Starved,
    /// What it does.
    State,
    /// Replaces what skews the clocks.
    SetClocks {
        /// All of it.
        skews: Skews,
    },
    /// What the clocks show.
    ReadClocks {
        /// The one in question.
        fault: Option<u32>,
    },
    /// Replaces what does not cross.
    Cut {
        /// All of it.
        rules: Vec<Rule>,
    },
    /// Packets that a fault kept from crossing so far.
    Taken {
        /// Its number.
        fault: u32,
    },
    /// Hears datagrams at this port of UDP from now on.
    Listen {
        /// The port.
        port: u16,
    },
    /// Hears them no more.
    Deaf {
        /// The port.
        port: u16,
    },
    /// Sends one.
    Send {
        /// To whom.
        to: IpAddr,
        /// The port.
        port: u16,
        /// Tells it from others.
        nonce: u64,
        /// And how.
        how: How,
    },
    /// Knows from now on which connections with these began when.
    Know {
        /// All other nodes, and the clients.
        peers: Vec<IpAddr>,
    },
    /// Begins a connection, of UDP, that a cut will find established.
    Acquaint {
        /// With whom.
        to: IpAddr,
        /// The port.
        port: u16,
        /// Tells its first datagram from others.
        nonce: u64,
    },
    /// Waits until this one has been heard, or more probes have been kept from crossing than this:
    /// [`Answer::From`], [`Answer::Count`], or [`Answer::No`] when neither came.
    Heard {
        /// Where it is to come.
        port: u16,
        /// Tells it from others.
        nonce: u64,
        /// So many before.
        taken: u64,
    },
    /// Probes that the rules kept from crossing so far.
    ProbesTaken,
    /// Replaces what befalls packets to other nodes.
    Mistreat {
        /// All other nodes.
        peers: Vec<IpAddr>,
        /// All of it.
        behaviors: Vec<Mistreatment>,
    },
    /// Sends datagrams until this has befallen one: [`Answer::Befallen`], or [`Answer::No`].
    Sample {
        /// To whom.
        to: IpAddr,
        /// This.
        behavior: Behavior,
        /// The first one's number; the others' follow, and nobody else has any of them.
        nonce: u64,
        /// So many at most.
        most: u32,
    },
    /// Sends one that nothing befalls on this host.
    SendPast {
        /// To whom.
        to: IpAddr,
        /// Tells it from others.
        nonce: u64,
    },
    /// Waits for the second of these: was the first not there before it?
    Missed {
        /// The first.
        nonce: u64,
        /// The second.
        witness: u64,
    },
    /// What befell packets on their way to another node so far.
    Traffic {
        /// Whose.
        to: IpAddr,
    },
    /// Something about its disk.
    Disk(DiskAsk),
    /// The power fails and comes back: [`Answer::Told`].
    PowerFailure {
        /// What it leaves.
        keep: Keep,
        /// Decides what chance decides.
        seed: u64,
    },
    /// Its memory runs out: [`Answer::OutOfMemory`].
    ExhaustMemory,
    /// Lays a snare for a system call.
    Trap {
        /// Its number.
        id: u64,
        /// For what.
        snare: Snare,
    },
    /// Lets go of what is in a trap.
    Release {
        /// Its number.
        id: u64,
    },
    /// System calls so far.
    Calls {
        /// Of this kind.
        call: Call,
    },
    /// Reads the data, which is behind the line.
    CopyData,
    /// Replaces the data by what is behind the line.
    ReplaceData,
    /// The server's output from there on, behind the line; empty at its end.
    Log {
        /// Bytes before it.
        from: u64,
    },
}

/// A server to be made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Server {
    /// What it is.
    pub program: Program,
    /// Its arguments.
    pub args: Vec<String>,
    /// Name of the file that takes its output.
    pub log_name: String,
    /// It is to have clocks that can be skewed.
    pub clocks: bool,
    /// Its data is to be on a disk that can go wrong; reads, too, if true.
    pub disk: Option<bool>,
    /// Its memory is to be such that can run out.
    pub memory: bool,
    /// System calls that are to be watched.
    pub calls: BTreeSet<Call>,
}

/// About a disk; see [`crate::env::disk::FaultyDisk`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DiskAsk {
    /// It begins to do something wrong.
    Misbehave {
        /// For which fault.
        fault: u32,
        /// What.
        how: Misdeed,
    },
    /// It ends that: [`Answer::Count`].
    Behave {
        /// Whose; everybody's when absent.
        fault: Option<u32>,
    },
    /// How much it befell: [`Answer::Count`].
    Hits {
        /// Whose.
        fault: u32,
    },
    /// Forgets what was not fsynced: [`Answer::Lost`].
    Crash {
        /// What is left of that.
        keep: Keep,
        /// Decides what chance decides.
        seed: u64,
    },
    /// Damages files: [`Answer::Told`].
    Damage {
        /// How.
        damage: Damage,
        /// Decides what chance decides.
        seed: u64,
    },
    /// What it did: [`Answer::Disk`].
    Counters,
}

/// How a datagram is sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct How {
    /// Its sender waits a while for an answer that says it was refused.
    pub refusal: bool,
    /// Over a connection that is new to the other end; over one that it knows, if it can, otherwise.
    pub fresh: bool,
}

/// What befalls packets that are sent to somebody.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Mistreatment {
    /// For which fault.
    pub fault: u32,
    /// To whom.
    pub peer: IpAddr,
    /// What.
    pub behavior: Behavior,
}

/// A program on a host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Program {
    /// Where it is.
    pub file: ProgramFile,
    /// Its environment variables.
    pub env: Vec<(String, String)>,
}

/// Where a program is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProgramFile {
    /// The host has it.
    There(PathBuf),
    /// It was sent.
    Sent {
        /// SHA-256 of it.
        sha256: String,
        /// What it is called: some programs look at it.
        name: String,
        /// Shared libraries that come with it: name, SHA-256.
        libraries: Vec<(String, String)>,
    },
}

/// What is not to cross.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// For which fault.
    pub fault: u32,
    /// What comes from there, or what goes there.
    pub side: Side,
    /// The address at the other end.
    pub peer: IpAddr,
    /// What of it.
    pub cut: Cut,
}

/// Where a packet is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Side {
    /// It comes from the peer.
    From,
    /// It goes to the peer.
    To,
}

/// What came of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// It is done. What is asked for is behind the line, if anything is.
    Done,
    /// Yes.
    Yes,
    /// No.
    No,
    /// So many.
    Count(u64),
    /// What the server does.
    State(ProcessState),
    /// What the clocks show.
    Clocks(crate::env::clock::Reading),
    /// From where a datagram came.
    From(IpAddr),
    /// A program that is there.
    Program(Obtained),
    /// The first of the ports that is not free.
    Busy(Option<u16>),
    /// Where something is now.
    At(PathBuf),
    /// What became of one that was sent.
    Sent(Sent),
    /// It befell one of those that were sent.
    Befallen {
        /// So many were.
        sent: u32,
        /// The number of the one.
        nonce: u64,
        /// It is to arrive, be it late.
        arrives: bool,
    },
    /// What befell packets.
    Traffic(Traffic),
    /// In words.
    Told(String),
    /// What a disk has lost.
    Lost(Loss),
    /// What a disk did.
    Disk(Counters),
    /// What was seen when memory ran out.
    OutOfMemory {
        /// As in [`crate::env::memory::OutOfMemory`], bytes.
        used: u64,
        /// As there.
        kills: u64,
        /// How the server ended, as the kernel says it.
        end: Option<i32>,
    },
}

/// What a host says to a datagram of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sent {
    /// Nothing.
    Gone,
    /// It may not leave.
    Forbidden,
    /// Somebody on its way refused it.
    Refused,
}
