//! What the page may contain: nothing from elsewhere, and only numbers where numbers belong. That
//! nothing foreign acts in it is for `hostile.rs` to see.

mod common;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use common::html::{SCRIPT, Tag, check_page};
use common::verdicts;
use common::written::Written;
use duress_checkers::Counterexample;
use sha2::{Digest, Sha256};

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
    assert!(SCRIPT.len() <= 31 << 10, "{} bytes", SCRIPT.len());
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
