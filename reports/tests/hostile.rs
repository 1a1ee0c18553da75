//! Text of others through every field of a run and of its verdicts, into every output: nothing of
//! it may act, be it as HTML, SVG, XML, Markdown, JSON, on a terminal or in the log of a CI host.

mod common;

use common::html::{self, Tag};
use common::verdicts;
use common::written::Written;
use duress_checkers::{History, Op, Verdict};
use duress_reports::artifact::{FaultWindow, Flow, NodeSeen};
use duress_reports::{Run, ci};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::collections::BTreeSet;

const CORPUS: &[&str] = &[
    "<script>alert(1)</script>",
    "</script><img src=x onerror=alert(1)>",
    "\"><svg onload=alert(1)>",
    "' onmouseover='alert(1)",
    "</style><style>*{display:none}</style>",
    "</title></head><body></details></summary>",
    "<!-- ]]> --> <![CDATA[ <?xml version='1.0'?> <!DOCTYPE x [<!ENTITY a 'b'>]> &a;",
    "javascript:alert(1)//https://evil.example",
    "a\u{202e}b\u{2028}c\u{200f}d\u{2066}\u{1b}[31m\u{1b}]0;title\u{7}\u{0}\u{9b}31m\u{85}\u{feff}\u{fffe}\r\n",
    "\u{e0041}\u{1f600}\u{10ffff}\u{d7ff}\u{fffd}",
    "&lt;b&gt; &amp;quot; {{}} ${x} `code` %s %0A",
    "``` `` ` ```text\n```\n# heading\n> quote\n- list\n1. list\n    code\n---\n===",
    "|a|b\\|c\\| | --- | \\",
    "[link](https://evil.example) ![image](x) <https://evil.example> www.evil.example me@evil.example @all #1",
    "*bold* _it_ ~~no~~ $\\frac{1}{0}$ :tada:",
    "::error::x\n::set-output name=a::b\n::stop-commands::x\n##[group]x ##[error]y",
    "fix/lease<img src=x onerror=alert(1)></script>",
    "refs/heads/$(touch x);`touch x`|touch x&",
    "section_start:1:x\r\u{1b}[0Kheader",
    "NaN",
    "inf",
    "-0",
    " ",
    "",
];

/// Every string and every name in a map, where the model takes any; words of ours (`finished`) stay.
fn poisoned<T: Serialize + DeserializeOwned>(model: &T, text: &str) -> T {
    let mut value = serde_json::to_value(model).expect("our models are JSON");
    let mut leaves = Vec::new();
    walk(&value, String::new(), &mut leaves);
    assert!(!leaves.is_empty());
    // Tried with a word, since some of the texts are long, and all at once in the end.
    leaves.retain(|pointer| {
        let place =
            |value: &mut Value, text| std::mem::replace(value.pointer_mut(pointer).expect("a leaf"), text);
        let before = place(&mut value, Value::String("any".to_owned()));
        let taken = T::deserialize(&value).is_ok();
        place(&mut value, before);
        taken
    });
    for pointer in leaves {
        *value.pointer_mut(&pointer).expect("a leaf") = Value::String(text.to_owned());
    }
    rename(&mut value, &["options", "stats"], text);
    serde_json::from_value(value).expect("each of the changes was fine")
}

fn walk(value: &Value, pointer: String, leaves: &mut Vec<String>) {
    match value {
        Value::String(_) => leaves.push(pointer),
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(at, item)| walk(item, format!("{pointer}/{at}"), leaves));
        }
        Value::Object(fields) => {
            for (name, value) in fields {
                walk(value, format!("{pointer}/{}", name.replace('~', "~0").replace('/', "~1")), leaves);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// In the maps of these names: one entry is called as the text says.
fn rename(value: &mut Value, maps: &[&str], text: &str) {
    let Some(fields) = value.as_object_mut() else { return };
    for map in maps {
        let Some(entries) = fields.get_mut(*map).and_then(Value::as_object_mut) else { continue };
        entries.insert(text.to_owned(), Value::String(text.to_owned()));
    }
}

/// A run with everything in it that a run can have, all of it saying `text`.
fn run(text: &str) -> Run {
    let mut run = common::skewed();
    run.history = common::history(7, 4, 600, &[]);
    run.flows = common::flows();
    run.info.failure = Some(common::failure());
    run.info.warnings.push(String::new());
    run.info.doubts.push(String::new());
    run.info = poisoned(&run.info, text);
    run.nodes = run.nodes.iter().map(|seen: &NodeSeen| poisoned(seen, text)).collect();
    run.flows = run.flows.iter().map(|flow: &Flow| poisoned(flow, text)).collect();
    // What probes say of clocks is read again.
    let clock = FaultWindow { evidence: vec![format!("{text}: wall clock +1 s")], ..run.faults[0].clone() };
    run.faults = run.faults.iter().map(|window| poisoned(window, text)).chain([clock]).collect();
    let op = |op: &Op| Op {
        index: op.index,
        value: serde_json::json!([text, { text: text }]),
        ..poisoned(op, text)
    };
    run.history = History::new(run.history.ops().iter().map(op).collect()).expect("still a history");
    run
}

fn verdict(text: &str) -> Verdict {
    let mut verdict = verdicts::violation();
    for finding in &mut verdict.findings {
        finding.key = Some(serde_json::json!(text));
    }
    poisoned(&verdict, text)
}

fn written(text: &str) -> Written {
    Written::new(&run(text), vec![verdict(text), Verdict::unknown(text, text)])
}

fn shape(tags: &[Tag]) -> BTreeSet<(String, String)> {
    let of = |tag: &Tag| {
        let attributes = tag.attributes.iter().map(|(name, _)| (tag.name.clone(), name.clone()));
        attributes.chain([(tag.name.clone(), String::new())]).collect::<Vec<_>>()
    };
    tags.iter().flat_map(of).collect()
}

#[test]
fn no_output_acts() {
    let fine = written("fine");
    let known = shape(&fine.tags());
    let known_in_plots = shape(&plots(&fine));
    let known_in_junit = shape(&xml(&fine.junit));
    let long = "<b>`|\u{202e}".repeat(600);
    for text in CORPUS.iter().copied().chain([long.as_str()]) {
        let written = written(text);
        let new =
            |tags: &[Tag], known: &BTreeSet<_>| shape(tags).difference(known).cloned().collect::<Vec<_>>();
        assert_eq!(new(&written.tags(), &known), [], "{text:.40?} got into the page");
        links(&written.tags());
        html::check_page(&written);
        assert_eq!(new(&plots(&written), &known_in_plots), [], "{text:.40?} got into a plot");
        assert_eq!(new(&xml(&written.junit), &known_in_junit), [], "{text:.40?} got into junit.xml");
        let all = [
            ("report.html", &written.html),
            ("the text", &written.text),
            ("junit.xml", &written.junit),
            ("summary.md", &written.summary),
            ("trace.json", &written.trace),
            ("verdict.json", &written.json),
            ("annotations", &written.annotations),
        ];
        let plots = written.plots.iter().map(|plot| ("a plot", plot));
        for (name, output) in all.into_iter().chain(plots) {
            let acting = output.chars().find(|c| acts(*c));
            assert_eq!(acting, None, "{text:.40?} got into {name}");
        }
        markdown(&written.summary);
        json(&written);
        commands(&written);
    }
}

fn plots(written: &Written) -> Vec<Tag> {
    written.plots.iter().flat_map(|plot| html::tags(plot)).collect()
}

/// They lead to places of the page, and to files of the run.
fn links(tags: &[Tag]) {
    for (name, value) in tags.iter().flat_map(|tag| &tag.attributes) {
        let inside = value.starts_with('#')
            || !(value.contains([':', '\\']) || value.starts_with('/') || value.contains(".."));
        assert!(name != "href" || inside, "a link leads to {value}");
        assert!(!value.contains("url(") || value.starts_with("url(#"), "{name}={value}");
    }
}

/// The inside of an XML document; which has a declaration, and nothing else that is no tag.
fn xml(document: &str) -> Vec<Tag> {
    let inside = document.strip_prefix("<?xml version=\"1.0\" encoding=\"UTF-8\"?>").expect("a declaration");
    let legal = |c: char| c == '\n' || (c >= ' ' && !matches!(c, '\u{fffe}' | '\u{ffff}'));
    assert!(inside.chars().all(legal));
    html::tags(inside)
}

/// Does a character do something instead of showing something?
fn acts(c: char) -> bool {
    (c.is_control() && c != '\n')
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fffe}')
}

/// Nothing outside of code is markup, but for what the template writes.
fn markdown(summary: &str) {
    assert!(summary.len() <= 64 << 10);
    let mut lines = summary.lines();
    let mut cells = None;
    while let Some(line) = lines.next() {
        if let Some(fence) = line.strip_suffix("text").filter(|fence| fence.starts_with("```")) {
            assert!(lines.by_ref().any(|line| line == fence), "the fence ends");
            continue;
        }
        let bare = without_code_and_escapes(line);
        if let Some(row) = bare.strip_prefix("| ") {
            let n = row.matches('|').count();
            assert_eq!(*cells.get_or_insert(n), n, "{line}");
        } else {
            cells = None;
            assert!(!bare.contains('|'), "{line}");
        }
        let rest = bare.strip_prefix("## ").unwrap_or(&bare);
        let details = rest.starts_with("<details><summary>")
            && rest.ends_with("</summary>")
            && rest.matches('<').count() == 3;
        if details || rest == "</details>" {
            continue;
        }
        assert!(!rest.contains(['<', '>', '[', ']', '*', '_', '~', '@', '#', '$', '&', '`']), "{line}");
        assert!(!rest.contains("://") && !rest.contains("www."), "{line}");
        assert!(!line.starts_with("    ") && !line.starts_with(['=', '+', '\t']), "{line}");
    }
}

fn without_code_and_escapes(line: &str) -> String {
    let mut bare = String::new();
    let mut rest = line;
    while let Some(c) = rest.chars().next() {
        let run = rest.len() - rest.trim_start_matches('`').len();
        if run > 0 {
            let fence = "`".repeat(run);
            let closing = |at: &usize| {
                let after = &rest[*at..];
                after.starts_with(&fence) && !after[run..].starts_with('`') && !rest[..*at].ends_with('`')
            };
            let end = (run + 1..rest.len())
                .filter(|at| rest.is_char_boundary(*at))
                .find(closing)
                .expect("code ends");
            rest = &rest[end + run..];
            continue;
        }
        let mut chars = rest.chars();
        chars.next();
        if c == '\\' && chars.clone().next().is_some_and(|c| c.is_ascii_punctuation()) {
            chars.next();
        } else {
            bare.push(c);
        }
        rest = chars.as_str();
    }
    bare
}

/// It parses, and says what was to be said.
fn json(written: &Written) {
    let verdict: duress_reports::Conclusion = serde_json::from_str(&written.json).expect("verdict.json");
    assert_eq!(verdict, written.conclusion);
    let trace: Value = serde_json::from_str(&written.trace).expect("trace.json");
    assert!(trace["traceEvents"].as_array().is_some_and(|events| events.len() > 50));
}

/// As the runner of GitHub reads a log: commands of version 2 where a line begins, of version 1
/// anywhere.
fn is_command(line: &str) -> bool {
    line.trim_start().starts_with("::") || line.contains("##[")
}

fn commands(written: &Written) {
    assert!(written.annotations.lines().count() <= 6);
    for line in written.annotations.lines() {
        let (command, _) = line[2..].split_once("::").expect("a command ends");
        let (level, properties) = command.split_once(' ').expect("a title");
        assert!(["error", "warning"].contains(&level), "{line}");
        let (name, value) = properties.split_once('=').expect("a value");
        assert!(name == "title" && !value.contains([':', ',']), "{line}");
    }
    for output in [&written.text, &written.summary, &written.junit] {
        let inert = ci::inert(output);
        assert!(!inert.split(['\n', '\r']).any(is_command));
    }
    assert!(!written.json.lines().any(is_command));
}

#[test]
fn long_values_fill_nothing() {
    let (long, megabyte) = ("`<|\u{202e}".repeat(1_000), "`<|\u{202e}".repeat(150_000));
    let mut run = run("fine");
    let mut ops = run.history.ops().to_vec();
    ops[0].value = serde_json::json!([megabyte, megabyte]);
    ops[1].error = Some(megabyte.clone());
    run.history = History::new(ops).expect("still a history");
    let mut verdict = verdict(&long);
    let finding = verdict.findings[1].clone();
    verdict.findings.extend((0..20).map(|_| finding.clone()));
    verdict.findings[0].sentence = megabyte.clone();
    let example = verdict.findings[0].counterexample.as_mut().expect("the fixture has one");
    (example.argument[0], example.ops[0].label) = (megabyte.clone(), megabyte.clone());
    run.faults = (0..20).map(|_| poisoned(&run.faults[0], &long)).collect();
    run.info.options = (0..20).map(|at| (at.to_string(), long.clone())).collect();
    run.info.machine.os = megabyte;
    let written = Written::new(&run, vec![verdict]);
    assert!(written.html.len() < 2_000_000, "{}", written.html.len());
    for (name, output) in
        [("text", &written.text), ("junit", &written.junit), ("annotations", &written.annotations)]
    {
        assert!(output.len() < 500_000, "{name}: {}", output.len());
    }
    markdown(&written.summary);
    json(&written);
}
