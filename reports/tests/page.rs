//! What the page may contain: nothing foreign that acts, nothing from elsewhere, and only
//! numbers where numbers belong.

mod common;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use common::html::Tag;
use common::verdicts;
use common::written::Written;
use duress_checkers::{Counterexample, History, Verdict};
use duress_reports::Run;
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;

const SCRIPT: &str = include_str!("../src/html/report.js");

const HOSTILE: &[&str] = &[
    "<script>alert(1)</script>",
    "</script><img src=x onerror=alert(1)>",
    "\"><svg onload=alert(1)>",
    "' onmouseover='alert(1)",
    "</style><style>*{display:none}</style>",
    "</title></head><body>",
    "<!-- ]]> --> <![CDATA[",
    "javascript:alert(1)//https://evil.example",
    "a\u{202e}b\u{2028}c\u{200f}d\u{1b}[31m\u{7}\u{0}\u{9b}31m\r\n",
    "&lt;b&gt; &amp;quot; {{}} ${x} `code` %s",
    "",
];

fn pages() -> Vec<Written> {
    vec![
        Written::new(&common::run(600), vec![verdicts::violation(), verdicts::unknown()]),
        Written::new(&common::run(14), vec![verdicts::valid()]),
        Written::new(&common::inconclusive(), vec![verdicts::unknown()]),
        Written::new(&common::killed(), vec![verdicts::violation()]),
        Written::new(&common::failed(), Vec::new()),
        Written::new(&common::bare(Vec::new()), vec![verdicts::valid()]),
    ]
}

/// Puts a text into every place that can hold one.
fn poison(text: &str) -> (Run, Vec<Verdict>) {
    let evil = |_: &String| text.to_owned();
    let mut run = common::inconclusive();
    run.faults[2].in_effect = Some(run.faults[2].start);
    let info = &mut run.info;
    for field in [&mut info.id, &mut info.name, &mut info.started, &mut info.duress, &mut info.repeat] {
        *field = text.to_owned();
    }
    (info.target, info.workload) = (text.to_owned(), text.to_owned());
    info.options = [(text.to_owned(), text.to_owned())].into();
    info.warnings = vec![text.to_owned()];
    info.doubts = vec![text.to_owned()];
    info.failure =
        Some(duress_reports::artifact::RunFailure { what: text.into(), why: text.into(), fix: text.into() });
    for node in &mut info.nodes {
        (node.name, node.addr) = (text.to_owned(), text.to_owned());
        (node.log, node.version) = (Some(text.to_owned()), Some(text.to_owned()));
    }
    let binary = info.binary.as_mut().expect("the fixture has one");
    (binary.path, binary.version) = (text.to_owned(), text.to_owned());
    (binary.sha256, binary.source) = (text.to_owned(), text.to_owned());
    let machine = &mut info.machine;
    (machine.os, machine.kernel, machine.privilege) = (text.to_owned(), text.to_owned(), text.to_owned());
    info.phases.iter_mut().filter(|p| p.name != "main").for_each(|p| p.name = text.to_owned());
    for window in &mut run.faults {
        (window.kind, window.description) = (text.to_owned(), text.to_owned());
        window.nodes = vec![text.to_owned()];
        window.evidence = window.evidence.iter().map(evil).collect();
    }
    let ops = run.history.ops().iter().cloned().map(|mut op| {
        (op.f, op.node) = (text.to_owned(), Some(text.to_owned()));
        op.error = op.error.as_ref().map(evil);
        op.value = serde_json::json!([text, text]);
        op
    });
    run.history = History::new(ops.collect()).expect("still a history");
    (run, vec![poisoned_verdict(text), Verdict::unknown(text, text)])
}

fn poisoned_verdict(text: &str) -> Verdict {
    let mut verdict = verdicts::violation();
    verdict.checker = text.to_owned();
    verdict.stats.insert(text.to_owned(), serde_json::json!({ text: [text] }));
    for finding in &mut verdict.findings {
        (finding.anomaly, finding.title, finding.sentence) = (text.into(), text.into(), text.into());
        finding.key = Some(serde_json::json!(text));
        let Some(example) = &mut finding.counterexample else { continue };
        (example.model, example.initial) = (text.to_owned(), text.to_owned());
        example.ops.iter_mut().for_each(|op| (op.label, op.node) = (text.to_owned(), Some(text.to_owned())));
        example.order.iter_mut().for_each(|step| step.state = text.to_owned());
        example.argument.iter_mut().for_each(|line| *line = text.to_owned());
        for state in &mut example.finals {
            (state.state, state.assumption, state.refusal) = (text.into(), text.into(), text.into());
        }
    }
    verdict
}

fn shape(tags: &[Tag]) -> BTreeSet<(String, String)> {
    tags.iter()
        .flat_map(|t| {
            t.attributes
                .iter()
                .map(|(n, _)| (t.name.clone(), n.clone()))
                .chain([(t.name.clone(), String::new())])
        })
        .collect()
}

#[test]
fn hostile_text_adds_no_tag_and_no_attribute() {
    let known: BTreeSet<_> = pages().iter().flat_map(|p| shape(&p.tags())).collect();
    let long = "<b>".repeat(3_000);
    for text in HOSTILE.iter().copied().chain([long.as_str()]) {
        let (run, verdicts) = poison(text);
        let written = Written::new(&run, verdicts);
        let tags = written.tags();
        let new: Vec<_> = shape(&tags).difference(&known).cloned().collect();
        assert!(new.is_empty(), "{text:.40?} put {new:?} into the page");
        assert!(written.html.len() < 3_000_000, "{text:.40?} made a page of {} bytes", written.html.len());
        for acting in ['\u{202e}', '\u{2028}', '\u{200f}', '\u{1b}', '\u{7}', '\u{0}', '\u{9b}', '\r'] {
            for (name, file) in [("page", &written.html), ("text", &written.text), ("junit", &written.junit)]
            {
                assert!(!file.contains(acting), "{acting:?} got into the {name}");
            }
        }
        check_page(&written);
    }
}

/// No script but ours, no inline style, no handler, no address but of the run's own files.
fn check_page(written: &Written) {
    let scripts: Vec<Vec<(String, String)>> =
        written.tags().into_iter().filter(|t| t.name == "script").map(|t| t.attributes).collect();
    let data =
        |kind: &str, id: &str| vec![("type".to_owned(), kind.to_owned()), ("id".to_owned(), id.to_owned())];
    let drawn =
        vec![data("application/json", "timeline-data"), data("application/octet-stream", "ops"), Vec::new()];
    assert!(scripts == drawn || scripts == [Vec::new()], "{scripts:?}");
    let texts = common::html::raw(&written.html, "script");
    assert_eq!(texts.last(), Some(&SCRIPT), "the script is word for word ours");
    for data in &texts[..texts.len() - 1] {
        assert!(data.is_ascii() && !data.contains(['<', '>', '&']), "{data:.80}");
    }
    for tag in written.tags().iter().filter(|t| t.name != "script") {
        assert!(
            !["iframe", "object", "embed", "link", "base", "form", "img", "image", "use"]
                .contains(&tag.name.as_str()),
            "{tag:?}"
        );
        for (name, value) in &tag.attributes {
            assert!(
                name != "style" && !name.starts_with("on") && name != "src" && name != "xlink:href",
                "{tag:?}"
            );
            if name == "href" {
                let relative = !value.contains(':') && !value.starts_with('/') && !value.contains("..");
                assert!(value.starts_with('#') || relative, "a link leads to {value}");
            }
            let foreign = value.contains("url(") && !value.starts_with("url(#hatch-");
            assert!(!foreign, "{name}={value}");
        }
        if tag.name == "meta" && tag.get("http-equiv").is_some() {
            continue;
        }
        assert!(
            tag.attributes.iter().all(|(_, v)| !v.contains("://")) || tag.get("aria-label").is_some(),
            "{tag:?}"
        );
    }
}

#[test]
fn a_value_of_a_megabyte_does_not_fill_the_page() {
    let written = Written::new(&common::run(600), vec![poisoned_verdict(&"<b>".repeat(400_000))]);
    assert!(written.html.len() < 1_000_000 && written.text.len() < 200_000);
    check_page(&written);
}

#[test]
fn nothing_comes_from_elsewhere_or_acts() {
    pages().iter().for_each(check_page);
}

#[test]
fn the_policy_names_style_sheet_and_script_by_their_hashes() {
    for page in pages() {
        let styles = common::html::raw(&page.html, "style");
        let [style] = styles[..] else { panic!("{} style sheets", styles.len()) };
        let hash = |text: &str| STANDARD.encode(Sha256::digest(text.as_bytes()));
        let (hash, script) = (hash(style), hash(SCRIPT));
        let policy = page.tags().into_iter().find(|t| t.get("http-equiv").is_some()).expect("a policy");
        assert_eq!(
            policy.get("content"),
            Some(format!("default-src 'none'; style-src 'sha256-{hash}'; script-src 'sha256-{script}'; img-src data:; base-uri 'none'; form-action 'none'").as_str())
        );
        let before = &page.html[..page.html.find("Content-Security-Policy").expect("a policy")];
        assert!(
            !before.contains("<style") && !before.contains("<title"),
            "the policy comes before what it governs"
        );
        assert!(!style.contains("url(") && !style.contains("@import"));
    }
}

#[test]
fn the_script_makes_no_markup_and_stays_small() {
    for banned in [
        "innerHTML",
        "outerHTML",
        "insertAdjacent",
        "eval(",
        "Function(",
        "document.write",
        "createContextualFragment",
        "fetch(",
        "XMLHttpRequest",
        "import(",
        "WebSocket",
        "localStorage",
        "http:",
        "https:",
        "setAttribute(",
        "</",
    ] {
        assert!(!SCRIPT.contains(banned), "the script uses {banned}");
    }
    assert!(SCRIPT.starts_with("'use strict';"));
    assert!(SCRIPT.len() <= 30 << 10, "{} bytes", SCRIPT.len());
}

/// Without the script, nothing that needs it shows; without operations, nothing is there.
#[test]
fn what_needs_the_script_is_hidden_until_it_runs() {
    for page in pages() {
        for id in ["live", "theme", "timeline-trouble"] {
            let tag = page.tags().into_iter().find(|t| t.get("id") == Some(id));
            assert!(tag.is_none_or(|t| t.get("hidden").is_some()), "{id} shows");
        }
        let empty = page.conclusion.evidence.total.calls() == 0;
        assert_eq!(empty, !page.html.contains("<canvas"));
        assert_eq!(empty, !page.html.contains("id=\"ops\""));
    }
}

#[test]
fn every_coordinate_is_a_number_inside_its_figure() {
    let mut checked = 0;
    for page in pages() {
        let plots = page.plots.iter().map(|p| common::html::tags(p));
        for tags in plots.chain([page.tags()]) {
            checked += figures(&tags);
        }
    }
    assert!(checked > 4_000, "only {checked} coordinates were looked at");
}

fn figures(tags: &[Tag]) -> usize {
    let mut view = (0.0, 0.0);
    let mut checked = 0;
    let mut in_pattern = 0;
    for tag in tags {
        if tag.name == "svg" {
            let numbers = numbers(tag.get("viewbox").or(tag.get("viewBox")).expect("a view box"));
            view = (numbers[2], numbers[3]);
            assert!(
                tag.get("width").is_some() && tag.get("height").is_some(),
                "without styles it would fill the page"
            );
        }
        // The two rectangles inside a pattern have a space of their own.
        in_pattern = if tag.name == "pattern" { 3 } else { (in_pattern - 1).max(0) };
        if in_pattern > 0 {
            continue;
        }
        for (name, value) in &tag.attributes {
            let bound = match name.as_str() {
                "x" | "x1" | "x2" | "cx" => view.0,
                "y" | "y1" | "y2" | "cy" => view.1,
                "points" | "d" | "viewBox" => {
                    assert!(!value.contains("NaN") && !value.contains("inf"), "{tag:?}");
                    continue;
                }
                _ => continue,
            };
            let at: f64 = value.parse().unwrap_or_else(|_| panic!("{name}={value} is not a number"));
            assert!(
                at.is_finite() && (-1.0..=bound + 1.0).contains(&at),
                "{name}={value} outside {view:?} in {tag:?}"
            );
            checked += 1;
        }
        if let (Some(width), Some(height)) = (tag.get("width"), tag.get("height"))
            && !width.ends_with('%')
        {
            assert!(width.parse::<f64>().is_ok_and(|w| w >= 0.0), "{tag:?}");
            assert!(height.parse::<f64>().is_ok_and(|h| h >= 0.0), "{tag:?}");
        }
    }
    checked
}

fn numbers(text: &str) -> Vec<f64> {
    text.split_ascii_whitespace().map(|n| n.parse().expect("a number")).collect()
}

#[test]
fn a_counterexample_that_does_not_hold_together_is_told_in_words() {
    let broken: [fn(&mut Counterexample); 5] = [
        |e| e.culprit = 99,
        |e| e.core.push(1_000),
        |e| e.order[0].op = 77,
        |e| e.ops.clear(),
        |e| e.ops[0].completion_index = None,
    ];
    for spoil in broken {
        let mut verdict = verdicts::violation();
        spoil(verdict.findings[0].counterexample.as_mut().expect("the fixture has one"));
        let written = Written::new(&common::run(600), vec![verdict]);
        assert!(written.html.contains("cannot be drawn"));
        assert!(written.text.contains("returned 4, not 5"));
    }
}

#[test]
fn an_order_against_time_still_draws() {
    let mut verdict = verdicts::violation();
    let example = verdict.findings[0].counterexample.as_mut().expect("the fixture has one");
    example.order.reverse();
    figures(&Written::new(&common::run(600), vec![verdict]).tags());
}

#[test]
fn bars_of_one_process_never_overlap() {
    let page = Written::new(&common::run(600), vec![verdicts::violation()]);
    let tags = page.tags();
    let figure = tags.iter().position(|t| t.get("class") == Some("fit")).expect("the counterexample");
    let end = figure + 1 + tags[figure + 1..].iter().position(|t| t.name == "svg").expect("the next figure");
    let mut bars: Vec<(i64, i64, i64)> = tags[figure..end]
        .iter()
        .filter(|t| t.name == "rect" && t.get("height") == Some("26") && t.get("rx").is_some())
        .map(|t| {
            let number = |name| t.get(name).and_then(|v| v.parse::<i64>().ok()).expect("a number");
            (number("y"), number("x"), number("x") + number("width"))
        })
        .collect();
    assert_eq!(bars.len(), 6, "all but the unanswered one");
    bars.sort_unstable();
    for pair in bars.windows(2).filter(|p| p[0].0 == p[1].0) {
        assert!(pair[0].2 < pair[1].1, "{pair:?}");
    }
}

#[test]
fn a_plot_never_has_more_marks_than_a_browser_likes() {
    let page = Written::new(&common::run(3), vec![verdicts::valid()]);
    assert!(page.conclusion.evidence.total.calls() > 20_000);
    for plot in &page.plots {
        assert!(common::html::tags(plot).len() < 4_300, "{} marks", common::html::tags(plot).len());
    }
}

#[test]
fn the_slowest_operation_is_in_the_plot() {
    let mut ops = common::history(5, 30, 3, &[]).ops().to_vec();
    // One process hangs for nine seconds, alone up there.
    let last = ops.iter().rposition(|op| op.kind == duress_checkers::Kind::Ok).expect("an ok");
    let process = ops[last].process;
    ops.retain(|op| op.process != process || op.index <= ops_index(last));
    let hung = ops.iter().rposition(|op| op.process == process).expect("still there");
    let mut op = ops.remove(hung);
    (op.index, op.time) = (10_000_000, op.time + 9 * common::SECOND);
    ops.push(op);
    let run = common::bare(ops);
    let page = Written::new(&run, vec![verdicts::valid()]);
    let marks = common::html::tags(&page.plots[1]);
    let highest = marks
        .iter()
        .filter(|t| t.name == "rect" && t.get("fill") == Some("#5B9BD9"))
        .filter_map(|t| t.get("y")?.parse::<f64>().ok())
        .fold(f64::INFINITY, f64::min);
    let others = marks.iter().filter(|t| {
        t.name == "rect" && t.get("y").is_some_and(|y| y.parse::<f64>().is_ok_and(|y| y == highest))
    });
    assert_eq!(others.count(), 1, "one mark stands alone at the top");
    assert!(highest < 100.0, "and it is near the top: {highest}");
}

fn ops_index(at: usize) -> u64 {
    at as u64
}
