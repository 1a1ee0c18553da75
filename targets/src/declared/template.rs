//! Texts with `{places}` that are filled in for a node.
//!
//! | | |
//! |---|---|
//! | `{node}` `{address}` `{index}` | the node: `n2`, `10.77.0.2`, `2` |
//! | `{first}` | the address of the first node |
//! | `{port.NAME}` | a port, as in `[ports]` |
//! | `{data}` | the node's data directory, empty at first |
//! | `{here}` | the directory of the file |
//! | `{set.NAME}` | a setting |
//! | `{nodes:TEXT}` `{peers:TEXT}` | TEXT for each node, or for each other node, with commas between |
//! | `{nodes}` `{peers}` | the same with their addresses |
//! | `{each nodes:TEXT}` `{each peers:TEXT}` | alone in a word of a command: a word for each |
//! | `{{` `}}` | braces |

use crate::Node;
use crate::problem::nearest;
use std::collections::BTreeMap;
use std::path::Path;

/// Names that are filled in, besides those of ports and settings.
const NAMES: [&str; 8] = ["node", "address", "index", "first", "data", "here", "nodes", "peers"];

/// What a text may name.
#[derive(Clone, Copy)]
pub(super) struct Names<'a> {
    pub(super) ports: &'a BTreeMap<String, u16>,
    pub(super) settings: &'a [&'a str],
    /// What it is filled in for.
    pub(super) scope: Scope,
}

/// What a text is filled in for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Scope {
    /// All nodes alike.
    All,
    /// A node, asked by somebody else.
    Node,
    /// A node's server.
    Server,
}

/// With what a text is filled in.
#[derive(Clone, Copy)]
pub(super) struct Scene<'a> {
    pub(super) cluster: &'a [Node],
    pub(super) node: Option<&'a Node>,
    pub(super) data: &'a Path,
    pub(super) here: &'a Path,
    pub(super) settings: &'a BTreeMap<String, String>,
}

/// A text with places.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Template {
    parts: Vec<Part>,
    /// It becomes a word for each.
    each: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Node,
    Address,
    Index,
    First,
    Data,
    Here,
    Set(String),
    Nodes { others_only: bool, of_each: Vec<Part> },
}

impl Template {
    /// Reads one. The error says what is wrong, and what to do.
    pub(super) fn parse(text: &str, names: Names<'_>) -> Result<Self, (String, String)> {
        let inside = text.strip_prefix("{each ").and_then(|rest| rest.strip_suffix('}'));
        if let Some(inside) = inside {
            let parts = vec![place(inside, names)?];
            if !matches!(parts[..], [Part::Nodes { .. }]) {
                let why = format!("`{text}` names no nodes");
                return Err((why, "write {each peers:…} or {each nodes:…}".to_owned()));
            }
            return Ok(Self { parts, each: true });
        }
        Ok(Self { parts: parts(text, names)?, each: false })
    }

    /// The text for this node. A list is one word.
    pub(super) fn fill(&self, scene: Scene<'_>) -> String {
        fill(&self.parts, scene)
    }

    /// The words for this node.
    pub(super) fn words(&self, scene: Scene<'_>) -> Vec<String> {
        match &self.parts[..] {
            [Part::Nodes { others_only, of_each }] if self.each => of_nodes(*others_only, of_each, scene),
            _ => vec![self.fill(scene)],
        }
    }

    /// It says where the node's data is.
    pub(super) fn names_data(&self) -> bool {
        self.parts.contains(&Part::Data)
    }

    /// It begins with the directory of the file.
    pub(super) fn is_here(&self) -> bool {
        self.parts.first() == Some(&Part::Here)
    }
}

fn parts(text: &str, names: Names<'_>) -> Result<Vec<Part>, (String, String)> {
    let mut parts = Vec::new();
    let mut literal = String::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        if rest.starts_with("{{") || (rest.starts_with("}}")) {
            literal.push(c);
            rest = &rest[2..];
        } else if c == '{' {
            let end = closing(rest).ok_or_else(|| {
                (format!("a brace of `{text}` is not closed"), "close it, or write {{ for a brace".to_owned())
            })?;
            if !literal.is_empty() {
                parts.push(Part::Text(std::mem::take(&mut literal)));
            }
            parts.push(place(&rest[1..end], names)?);
            rest = &rest[end + 1..];
        } else if c == '}' {
            return Err((
                format!("`{text}` closes a brace that is not open"),
                "write }} for a brace".to_owned(),
            ));
        } else {
            literal.push(c);
            rest = &rest[c.len_utf8()..];
        }
    }
    if !literal.is_empty() {
        parts.push(Part::Text(literal));
    }
    Ok(parts)
}

/// Where the brace with which this begins is closed.
fn closing(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    text.char_indices().find_map(|(at, c)| {
        match c {
            '{' => depth += 1,
            '}' => depth = depth.checked_sub(1)?,
            _ => {}
        }
        (depth == 0).then_some(at)
    })
}

/// What is between two braces.
fn place(name: &str, names: Names<'_>) -> Result<Part, (String, String)> {
    let only_in = |scope: Scope, part| {
        let fix = if names.scope == Scope::All {
            "use `here`, `port.NAME` or `set.NAME`: clients are told their node, and environments are the same for all"
        } else {
            "only the server is told where its data is"
        };
        let why = || (format!("`{{{name}}}` is not known here"), fix.to_owned());
        (names.scope >= scope).then_some(part).ok_or_else(why)
    };
    let (list, of_each) = name.split_once(':').map_or((name, None), |(list, text)| (list, Some(text)));
    if let "nodes" | "peers" = list {
        let of_each = of_each.map_or(Ok(vec![Part::Address]), |text| parts(text, names))?;
        return only_in(Scope::Node, Part::Nodes { others_only: list == "peers", of_each });
    }
    if let Some(port) = name.strip_prefix("port.") {
        let known: Vec<&str> = names.ports.keys().map(String::as_str).collect();
        let number = names.ports.get(port).map(|port| Part::Text(port.to_string()));
        return number.ok_or_else(|| (format!("`{{{name}}}`: there is no such port"), nearest(port, &known)));
    }
    if let Some(setting) = name.strip_prefix("set.") {
        return if names.settings.contains(&setting) {
            Ok(Part::Set(setting.to_owned()))
        } else {
            let fix = nearest(setting, names.settings);
            let fix = if names.settings.is_empty() { "declare it in [settings]".to_owned() } else { fix };
            Err((format!("`{{{name}}}`: there is no such setting"), fix))
        };
    }
    match name {
        "node" => only_in(Scope::Node, Part::Node),
        "address" => only_in(Scope::Node, Part::Address),
        "index" => only_in(Scope::Node, Part::Index),
        "data" => only_in(Scope::Server, Part::Data),
        "first" => only_in(Scope::Node, Part::First),
        "here" => Ok(Part::Here),
        _ => {
            let known: Vec<&str> = NAMES.into_iter().chain(["port.client", "set.NAME"]).collect();
            let fix = format!("{} A brace is {{{{", nearest(name, &known));
            Err((format!("`{{{name}}}` is nothing that is filled in"), fix))
        }
    }
}

fn fill(parts: &[Part], scene: Scene<'_>) -> String {
    let address = |node: Option<&Node>| node.map(|node| node.addr.to_string()).unwrap_or_default();
    let of = |part: &Part| match part {
        Part::Text(text) => text.clone(),
        Part::Node => scene.node.map(|node| node.name.clone()).unwrap_or_default(),
        Part::Address => address(scene.node),
        Part::Index => {
            let at = scene.cluster.iter().position(|node| Some(node) == scene.node);
            at.map_or(0, |at| at + 1).to_string()
        }
        Part::First => address(scene.cluster.first()),
        Part::Data => scene.data.display().to_string(),
        Part::Here => scene.here.display().to_string(),
        Part::Set(name) => scene.settings.get(name).cloned().unwrap_or_default(),
        Part::Nodes { others_only, of_each } => of_nodes(*others_only, of_each, scene).join(","),
    };
    parts.iter().map(of).collect()
}

fn of_nodes(others_only: bool, of_each: &[Part], scene: Scene<'_>) -> Vec<String> {
    let nodes = scene.cluster.iter().filter(|node| !others_only || Some(*node) != scene.node);
    nodes.map(|node| fill(of_each, Scene { node: Some(node), ..scene })).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cluster() -> Vec<Node> {
        let node = |n: u8| Node { name: format!("n{n}"), addr: [10, 77, 0, n].into() };
        (1..=3).map(node).collect()
    }

    fn parse(text: &str, scope: Scope) -> Result<Template, String> {
        let ports = BTreeMap::from([("client".to_owned(), 7000), ("peer".to_owned(), 7001)]);
        let names = Names { ports: &ports, settings: &["sync"], scope };
        Template::parse(text, names).map_err(|(why, fix)| format!("{why}; {fix}"))
    }

    fn words(text: &str) -> Vec<String> {
        let (cluster, settings) = (cluster(), BTreeMap::from([("sync".to_owned(), "no".to_owned())]));
        let scene = Scene {
            cluster: &cluster,
            node: cluster.get(1),
            data: Path::new("/data"),
            here: Path::new("/home/me"),
            settings: &settings,
        };
        parse(text, Scope::Server).expect(text).words(scene)
    }

    #[test]
    fn places_are_filled_in() {
        for (text, expected) in [
            ("{node} {index} {address}:{port.client}", vec!["n2 2 10.77.0.2:7000"]),
            ("--dir={data} {here}/x {first} {set.sync}", vec!["--dir=/data /home/me/x 10.77.0.1 no"]),
            ("{nodes}", vec!["10.77.0.1,10.77.0.2,10.77.0.3"]),
            (
                "{peers:{node}=http://{address}:{port.peer}}",
                vec!["n1=http://10.77.0.1:7001,n3=http://10.77.0.3:7001"],
            ),
            ("{each peers:--join={address}}", vec!["--join=10.77.0.1", "--join=10.77.0.3"]),
            ("{{\"a\": 1}}", vec!["{\"a\": 1}"]),
            ("", vec![""]),
        ] {
            assert_eq!(words(text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_nothing_is_refused_with_what_may_be_meant() {
        for (text, why) in [
            ("{adress}", "`{adress}` is nothing that is filled in; did you mean `address`?"),
            ("{port.cleint}", "there is no such port; did you mean `client`?"),
            ("{set.x}", "there is no such setting"),
            ("{nodes:{peer}}", "did you mean `peers`?"),
            ("{node", "is not closed"),
            ("node}", "closes a brace that is not open"),
            ("{each node}", "names no nodes"),
        ] {
            let refused = parse(text, Scope::Server).expect_err(text);
            assert!(refused.contains(why), "{text}: {refused}");
        }
        for (text, scope) in [("{data}", Scope::Node), ("{peers}", Scope::All), ("{first}", Scope::All)] {
            let refused = parse(text, scope).expect_err("one for each");
            assert!(refused.contains("is not known here"), "{refused}");
        }
    }
}
