//! What is said between Duress and a client program, and the rules of it. The user's page about it is
//! `targets/docs/client-protocol.md`, whose rules have these numbers.

use super::class;
use crate::{ClientError, Context, Node};
use duress_workloads::Invocation;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::IpAddr;

/// The version of the protocol: `init` says it.
const PROTOCOL: u32 = 1;

/// Characters of a line, or of a program's words, that are shown.
const SHOWN: usize = 200;

/// The rules that a client program keeps to, in the order of the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rule {
    /// It starts, and answers `init`.
    Start,
    /// Standard output is for messages alone.
    Stdout,
    /// A message is one line, one JSON object with a `type` that is known.
    Message,
    /// An answer has the id of its question.
    Id,
    /// Each question is answered once, and nothing is said unasked.
    Once,
    /// Answers are sent at once.
    Flush,
    /// `setup` is answered, the second time, too.
    Setup,
    /// What it does not know it refuses.
    Unknown,
    /// The value of an `ok` is the question with its nulls filled in.
    Value,
    /// It goes on after everything that it is asked.
    Alive,
    /// It ends when it is told to, or when its input ends.
    Close,
    /// `ok` is only what has happened, and as it is now.
    Ok,
    /// `fail` is only what certainly has not happened.
    Fail,
    /// What is in doubt is `info`.
    Doubt,
}

impl Rule {
    /// All of them.
    pub const ALL: [Self; 14] = [
        Self::Start,
        Self::Stdout,
        Self::Message,
        Self::Id,
        Self::Once,
        Self::Flush,
        Self::Setup,
        Self::Unknown,
        Self::Value,
        Self::Alive,
        Self::Close,
        Self::Ok,
        Self::Fail,
        Self::Doubt,
    ];

    /// `R4`.
    pub fn number(self) -> String {
        self.title().split(' ').next().unwrap_or_default().to_owned()
    }

    /// With its number, in a few words.
    pub fn title(self) -> &'static str {
        match self {
            Self::Start => "R1 it starts and answers `init` with `init_ok`",
            Self::Stdout => "R2 standard output is for messages alone",
            Self::Message => "R3 a message is one line with one JSON object",
            Self::Id => "R4 an answer has the id of its question",
            Self::Once => "R5 each question is answered once",
            Self::Flush => "R6 an answer is sent at once",
            Self::Setup => "R7 `setup` is answered with `setup_ok`, however often",
            Self::Unknown => "R8 what it does not know it refuses with `fail`",
            Self::Value => "R9 the value of an `ok` is the question with its nulls filled in",
            Self::Alive => "R10 it does not end by itself",
            Self::Close => "R11 at `close`, or the end of its input, it ends with status 0",
            Self::Ok => "R12 `ok` is what has happened, and is as it is now",
            Self::Fail => "R13 `fail` is what certainly has not happened",
            Self::Doubt => "R14 what is in doubt is `info`",
        }
    }

    /// What to look at when it is broken.
    pub fn hint(self) -> &'static str {
        match self {
            Self::Start => {
                "start it by hand with the same command, and type the line with `init`; what it says on standard error is in \
                 its log; one that only takes long gets more time by `start-timeout`, or with --client by --patience"
            }
            Self::Stdout => {
                "write everything that is no message to standard error; look for libraries that print"
            }
            Self::Message => {
                "write each message with a JSON library, without line breaks in it, and one at the end"
            }
            Self::Id => "copy `id` from the question into its answer",
            Self::Once => "leave after the first answer: a `return` or an `else` may be missing",
            Self::Flush => {
                "flush standard output after each line (in Python: print(…, flush=True)), and limit each request's time"
            }
            Self::Setup => "make what is missing, and say `setup_ok` when it is there already",
            Self::Unknown => {
                "answer every `f` that is not handled with {\"type\":\"fail\",\"id\":…,\"error\":\"unsupported\"}"
            }
            Self::Value => {
                "answer with [key, value] as it was asked, whole numbers as numbers; the page says what each workload expects"
            }
            Self::Alive => {
                "catch every error around one operation, and answer `info`; its log says what it died of"
            }
            Self::Close => {
                "read lines until `close` or the end of standard input, and then exit with 0: no thread may keep it"
            }
            Self::Ok => {
                "ask the server each time, keep no copies, and answer only after the server has; where it is the \
                 system, and not the program, that answers so, as replicas do that lag, --nodes 1 breaks no rule"
            }
            Self::Fail => {
                "after a timeout, a reset or an error in the middle, answer `info`: the server may have done it"
            }
            Self::Doubt => "a change whose answer did not come is `info`: the server may do it yet",
        }
    }
}

/// A rule that a program has broken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {}", .rule.title(), self.told())]
pub struct Broken {
    /// Which.
    pub rule: Rule,
    /// How.
    pub why: String,
    /// The line that shows it: its beginning, without control characters.
    pub line: Option<String>,
}

impl Broken {
    /// Without a line to show.
    pub fn new(rule: Rule, why: impl Into<String>) -> Self {
        Self { rule, why: why.into(), line: None }
    }

    /// With it.
    pub fn at(rule: Rule, why: impl Into<String>, line: &[u8]) -> Self {
        Self { rule, why: why.into(), line: Some(shown(&String::from_utf8_lossy(line))) }
    }

    /// How, with the line.
    pub fn told(&self) -> String {
        match &self.line {
            Some(line) => format!("{}: `{line}`", self.why),
            None => self.why.clone(),
        }
    }
}

/// What a program answered.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// It happened; with its value, if it said one.
    Ok(Option<Value>),
    /// It certainly did not happen.
    Fail(ClientError),
    /// It may have happened.
    Info(ClientError),
}

/// What Duress says.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Say<'a> {
    /// First of all.
    Init {
        protocol: u32,
        node: &'a str,
        address: IpAddr,
        /// The only one, or the first by name.
        #[serde(skip_serializing_if = "Option::is_none")]
        port: Option<u16>,
        ports: &'a BTreeMap<String, u16>,
        nodes: Vec<NodeSaid<'a>>,
        process: u64,
        workload: &'a str,
        settings: &'a BTreeMap<String, String>,
    },
    Setup,
    Invoke {
        id: u64,
        f: &'a str,
        value: &'a Value,
    },
    Close,
}

#[derive(Serialize)]
pub(super) struct NodeSaid<'a> {
    name: &'a str,
    address: IpAddr,
}

impl<'a> Say<'a> {
    pub(super) fn init(node: &'a Node, cx: &'a Context, process: u64) -> Self {
        let client = cx.ports.get("client").or_else(|| cx.ports.values().next());
        Self::Init {
            protocol: PROTOCOL,
            node: &node.name,
            address: node.addr,
            port: client.copied(),
            ports: &cx.ports,
            nodes: cx.nodes().iter().map(|node| NodeSaid { name: &node.name, address: node.addr }).collect(),
            process,
            workload: &cx.workload,
            settings: &cx.settings,
        }
    }

    pub(super) fn invoke(id: u64, invocation: &'a Invocation) -> Self {
        Self::Invoke { id, f: &invocation.f, value: &invocation.value }
    }

    /// As it is sent.
    pub(super) fn line(&self) -> Vec<u8> {
        let mut line = Vec::new();
        self.write_to(&mut line);
        line
    }

    /// As it is sent, in place of what is in this buffer.
    pub(super) fn write_to(&self, line: &mut Vec<u8>) {
        line.clear();
        serde_json::to_writer(&mut *line, self).expect("strings and numbers are JSON");
        line.push(b'\n');
    }
}

/// What a program says.
#[derive(Debug, PartialEq)]
pub(super) struct Said {
    pub(super) kind: Kind,
    pub(super) id: Option<u64>,
    pub(super) value: Option<Value>,
    pub(super) error: Option<Value>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    InitOk,
    SetupOk,
    Ok,
    Fail,
    Info,
}

/// As it comes. Fields that nobody knows are a program's own business.
#[derive(Deserialize)]
struct Raw<'a> {
    #[serde(rename = "type", borrow)]
    kind: Option<Cow<'a, str>>,
    #[serde(default)]
    id: Option<Value>,
    #[serde(default)]
    value: Option<Value>,
    #[serde(default)]
    error: Option<Value>,
}

impl Said {
    /// Reads a line, without its end.
    pub(super) fn parse(line: &[u8]) -> Result<Self, Broken> {
        if !line.trim_ascii_start().starts_with(b"{") {
            return Err(Broken::at(Rule::Stdout, "it wrote a line that is no message", line));
        }
        let broken = |why: String| Broken::at(Rule::Message, why, line);
        let raw: Raw =
            serde_json::from_slice(line).map_err(|e| broken(format!("it is no JSON object ({e})")))?;
        let kind = match raw.kind.as_deref() {
            Some("init_ok") => Kind::InitOk,
            Some("setup_ok") => Kind::SetupOk,
            Some("ok") => Kind::Ok,
            Some("fail") => Kind::Fail,
            Some("info") => Kind::Info,
            Some(_) => {
                return Err(broken("its `type` is none of init_ok, setup_ok, ok, fail, info".to_owned()));
            }
            None => return Err(broken("it has no `type`".to_owned())),
        };
        let id =
            match &raw.id {
                None => None,
                Some(id) => Some(id.as_u64().ok_or_else(|| {
                    Broken::at(Rule::Id, "its `id` is not the number that it was given", line)
                })?),
            };
        Ok(Self { kind, id, value: raw.value, error: raw.error })
    }

    /// Why it did not end in `ok`: `"precondition"`, `"reset: by peer"`, a sentence, or
    /// `{"class": …, "message": …}`.
    pub(super) fn error(&self) -> ClientError {
        let field = |value: &Value, name| value.get(name).and_then(Value::as_str).map(shown);
        match &self.error {
            None => ClientError::new(class::OTHER, "it did not say why"),
            Some(Value::String(text)) if class::is_class(text) => ClientError::new(class::known(text), ""),
            Some(Value::String(text)) => match text.split_once(": ") {
                Some((word, message)) if class::is_class(word) => {
                    ClientError::new(class::known(word), shown(message))
                }
                _ => ClientError::new(class::OTHER, shown(text)),
            },
            Some(value @ Value::Object(_)) => ClientError::new(
                class::known(&field(value, "class").unwrap_or_default()),
                field(value, "message").unwrap_or_default(),
            ),
            Some(other) => ClientError::new(class::OTHER, shown(&other.to_string())),
        }
    }
}

/// The beginning of what a program wrote, without what acts on a terminal.
pub(super) fn shown(text: &str) -> String {
    let fit = |c: char| if c.is_control() { '\u{fffd}' } else { c };
    let mut shown: String = text.trim_end().chars().take(SHOWN).map(fit).collect();
    if text.trim_end().chars().nth(SHOWN).is_some() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_rule_has_its_number() {
        for (number, rule) in (1..).zip(Rule::ALL) {
            assert_eq!(rule.number(), format!("R{number}"));
            assert!(!rule.hint().is_empty());
        }
    }

    #[test]
    fn lines_are_read_or_told_with_their_rule() {
        let said = Said::parse(br#" {"type":"ok","id":7,"value":[1,null],"took":3}"#).expect("an answer");
        assert_eq!((said.kind, said.id, said.value), (Kind::Ok, Some(7), Some(json!([1, null]))));
        for (line, rule) in [
            ("Connected to \u{1b}[2J server", Rule::Stdout),
            ("", Rule::Stdout),
            ("{'type': 'ok', 'id': 7}", Rule::Message),
            (r#"{"type":"ok","id":7}{"type":"ok","id":7}"#, Rule::Message),
            (r#"{"type":"okay","id":7}"#, Rule::Message),
            (r#"{"id":7}"#, Rule::Message),
            (r#"{"type":"ok","id":"7"}"#, Rule::Id),
        ] {
            let broken = Said::parse(line.as_bytes()).expect_err("no answer");
            assert_eq!(broken.rule, rule, "{line}: {broken}");
            assert!(!broken.to_string().contains('\u{1b}'), "{broken}");
        }
    }

    #[test]
    fn an_error_is_a_class_a_sentence_or_both() {
        for (error, class, message) in [
            (json!("precondition"), "precondition", ""),
            (json!("reset: by peer"), "reset", "by peer"),
            (json!("it broke: badly"), "error", "it broke: badly"),
            (json!({"class": "no-leader", "message": "wait\n"}), "no-leader", "wait"),
            (json!({"message": "wait"}), "error", "wait"),
            (json!(40001), "error", "40001"),
            (json!(null), "error", "it did not say why"),
        ] {
            let line = json!({"type": "fail", "id": 1, "error": error}).to_string();
            let told = Said::parse(line.as_bytes()).expect("an answer").error();
            assert_eq!((told.class, told.message.as_str()), (class, message), "{line}");
        }
        let long = json!({"type": "fail", "error": "x ".repeat(1_000)}).to_string();
        let told = Said::parse(long.as_bytes()).expect("an answer").error();
        assert!(told.message.chars().count() <= SHOWN + 1);
    }
}
