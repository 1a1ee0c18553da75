//! Asking a node how it is: by a command on its host, by HTTP, or by a connection.

use super::template::Template;
use super::{Command, Declared};
use crate::{ClientError, Node, NodeStatus};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// How long a node may take to say how it is.
pub(super) const ANSWER_WITHIN: Duration = Duration::from_secs(1);
/// Of what it says, so much is read.
const MAX_ANSWER: usize = 1 << 16;
/// Of what it says, so many characters are repeated in errors.
const SHOWN: usize = 200;

/// What is asked.
#[derive(Clone, Debug)]
pub(super) enum Question {
    /// Its exit status is 0, and this is what it prints.
    Command(Command),
    /// The status is 2xx, and this is the body.
    Url(Template),
    /// It is sent this, and answers this until it hangs up.
    Sent { text: Template, port: u16 },
}

/// How a node is seen to be healthy.
#[derive(Clone, Debug)]
pub(super) enum Health {
    /// It takes connections on this port.
    Connects(u16),
    /// It answers, and says this.
    Answers { question: Question, says: Option<String> },
}

/// How a node is seen to lead.
#[derive(Clone, Debug)]
pub(super) struct Leader {
    pub(super) question: Question,
    /// Who says this leads; otherwise who is named, by its name or address.
    pub(super) says: Option<String>,
    /// The term is the number after this.
    pub(super) term_after: Option<String>,
}

impl Leader {
    /// What an answer means.
    fn read(&self, node: &Node, answer: &str) -> (bool, Option<u64>) {
        let leads = match &self.says {
            Some(says) => answer.contains(says),
            None => {
                let address = node.addr.to_string();
                let mut words = answer.split(|c: char| !(c.is_alphanumeric() || ".-_".contains(c)));
                words.any(|word| word == node.name || word == address)
            }
        };
        let term = self.term_after.as_ref().and_then(|before| number(answer.split_once(before)?.1));
        (leads, term)
    }
}

/// The number with which a text begins, after what is none.
fn number(text: &str) -> Option<u64> {
    let text = text.trim_start_matches(|c: char| c.is_whitespace() || "\"':=".contains(c));
    text.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

/// The version in what a program prints: its first word that begins like one.
pub(super) fn version(printed: &str) -> Option<String> {
    let words = printed.split(|c: char| c.is_whitespace() || "=,;:()\"".contains(c));
    let plain = |word: &str| word.strip_prefix('v').unwrap_or(word).to_owned();
    let digits = |word: &String| word.starts_with(|c: char| c.is_ascii_digit()) && word.contains('.');
    words.map(plain).find(digits)
}

impl Declared {
    /// Asks once, and not for longer than [`ANSWER_WITHIN`].
    pub(super) async fn ask(&self, node: &Node, question: &Question) -> Result<String, ClientError> {
        let asked = async {
            match question {
                Question::Command(command) => self.on_host(node, command).await,
                Question::Url(url) => get(&url.fill(self.scene(node))).await,
                Question::Sent { text, port } => {
                    send(SocketAddr::new(node.addr, *port), &text.fill(self.scene(node))).await
                }
            }
        };
        tokio::time::timeout(ANSWER_WITHIN, asked).await.unwrap_or_else(|_| Err(too_late()))
    }

    pub(super) async fn is_healthy(&self, node: &Node) -> Result<(), ClientError> {
        match &self.meaning.health {
            Health::Connects(port) => {
                let address = SocketAddr::new(node.addr, *port);
                let connected = tokio::time::timeout(ANSWER_WITHIN, TcpStream::connect(address)).await;
                let refused = |error| ClientError::new(ClientError::REFUSED, format!("{address}: {error}"));
                connected.map_err(|_| too_late())?.map_err(refused).map(drop)
            }
            Health::Answers { question, says } => {
                let answer = self.ask(node, question).await?;
                match says {
                    Some(says) if !answer.contains(says) => Err(ClientError::new(
                        "unhealthy",
                        format!("it does not say `{says}`: {}", shown(&answer)),
                    )),
                    _ => Ok(()),
                }
            }
        }
    }

    pub(super) async fn says_of_itself(&self, node: &Node) -> Result<NodeStatus, ClientError> {
        let (leads, term) = match &self.meaning.leader {
            Some(leader) => {
                let (leads, term) = leader.read(node, &self.ask(node, &leader.question).await?);
                (Some(leads), term)
            }
            None => {
                self.is_healthy(node).await?;
                (None, None)
            }
        };
        Ok(NodeStatus { version: self.version(node).await, leads, term })
    }

    /// A node's version does not change while it runs: it is asked once.
    async fn version(&self, node: &Node) -> String {
        let Some(command) = &self.meaning.version else { return String::new() };
        if let Some(version) = self.versions().get(&node.name) {
            return version.clone();
        }
        let printed = self.ask(node, &Question::Command(command.clone())).await;
        let Some(version) = printed.ok().as_deref().and_then(version) else { return String::new() };
        self.versions().insert(node.name.clone(), version.clone());
        version
    }
}

/// One exchange, on a connection of its own.
async fn send(address: SocketAddr, text: &str) -> Result<String, ClientError> {
    let refused = |error| ClientError::new(ClientError::REFUSED, format!("{address}: {error}"));
    let broke = |error| ClientError::new("disconnected", format!("{address}: {error}"));
    let mut stream = TcpStream::connect(address).await.map_err(refused)?;
    stream.write_all(text.as_bytes()).await.map_err(broke)?;
    let mut answer = Vec::new();
    stream.take(MAX_ANSWER as u64).read_to_end(&mut answer).await.map_err(broke)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

fn too_late() -> ClientError {
    ClientError::new("timeout", format!("no answer within {ANSWER_WITHIN:?}"))
}

/// One request, on a connection of its own: the caller may be in another network namespace each time.
async fn get(url: &str) -> Result<String, ClientError> {
    let failed = |error: reqwest::Error| {
        let class = if error.is_connect() { ClientError::REFUSED } else { "http" };
        ClientError::new(class, format!("{url}: {error}"))
    };
    let http = reqwest::Client::builder()
        // A proxy of the user's environment would stand between us and the node.
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .build()
        .map_err(failed)?;
    let mut response = http.get(url).send().await.map_err(failed)?;
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(failed)? {
        body.extend_from_slice(&chunk);
        if body.len() > MAX_ANSWER {
            return Err(ClientError::new(
                "http",
                format!("{url}: the answer has more than {MAX_ANSWER} bytes"),
            ));
        }
    }
    let text = String::from_utf8_lossy(&body).into_owned();
    let status = response.status();
    if status.is_success() {
        Ok(text)
    } else {
        Err(ClientError::new("http", format!("{url}: {status}: {}", shown(&text))))
    }
}

fn shown(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(SHOWN).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::declared::template::{Names, Scope};
    use std::collections::BTreeMap;

    #[test]
    fn answers_are_read() {
        let node = Node { name: "n2".to_owned(), addr: [10, 77, 0, 2].into() };
        let ports = BTreeMap::new();
        let url = Template::parse("http://x", Names { ports: &ports, settings: &[], scope: Scope::Node });
        let leader = |says: Option<&str>, term: Option<&str>| Leader {
            question: Question::Url(url.clone().expect("a text")),
            says: says.map(str::to_owned),
            term_after: term.map(str::to_owned),
        };
        for (probe, answer, read) in [
            (leader(Some("role:master"), None), "role:master\r\n", (true, None)),
            (leader(Some("role:master"), None), "role:slave\r\n", (false, None)),
            (leader(None, None), "n2\n", (true, None)),
            (leader(None, None), "n20\n", (false, None)),
            (leader(None, None), "leader=10.77.0.2:7000", (true, None)),
            (leader(None, Some("\"term\"")), "{\"leader\":\"n1\",\"term\": 17}", (false, Some(17))),
        ] {
            assert_eq!(probe.read(&node, answer), read, "{answer}");
        }
    }

    #[test]
    fn a_version_is_found_in_what_programs_print() {
        for (printed, found) in [
            ("Redis server v=7.0.15 sha=00000000:0", Some("7.0.15")),
            ("etcd Version: 3.5.1\nGit SHA: Not provided", Some("3.5.1")),
            ("mydb v1.2.3-rc.1 (linux)", Some("1.2.3-rc.1")),
            ("no idea", None),
        ] {
            assert_eq!(version(printed).as_deref(), found, "{printed}");
        }
    }
}
