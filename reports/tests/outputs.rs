//! What the files beside the page are: a trace that viewers open, plots as pixels, and a verdict
//! that has every number of the page.

mod common;

use common::html;
use common::verdicts;
use common::written::Written;
use duress_checkers::{Kind, Op, Process, Verdict};
use duress_reports::{Outcome, PlotFormat, Run, RunDir, conclude, text, write};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;

fn runs() -> Vec<(Run, Vec<Verdict>)> {
    let violation = Run { flows: common::flows(), ..common::run(600) };
    vec![
        (common::run(60), vec![verdicts::valid()]),
        (violation, vec![verdicts::violation()]),
        (common::run(600), vec![verdicts::unknown()]),
        (common::inconclusive(), vec![verdicts::valid()]),
        (common::killed(), vec![verdicts::valid()]),
        (common::failed(), Vec::new()),
        (common::skewed(), vec![verdicts::valid()]),
    ]
}

fn events(trace: &str) -> Vec<Value> {
    let trace: Value = serde_json::from_str(trace).expect("JSON");
    trace["traceEvents"].as_array().expect("events").clone()
}

#[test]
fn a_trace_has_every_operation_on_a_track_with_a_name() {
    for (run, verdicts) in runs() {
        let trace = Written::new(&run, verdicts).trace;
        let events = events(&trace);
        let number =
            |event: &Value, name: &str| event[name].as_f64().unwrap_or_else(|| panic!("{name}: {event}"));
        let of = |phase: &str| events.iter().filter(|event| event["ph"] == phase).collect::<Vec<_>>();
        let place = |event: &Value| (number(event, "pid") as u64, number(event, "tid") as u64);
        let named: BTreeSet<_> =
            of("M").into_iter().filter(|e| e["name"] == "thread_name").map(&place).collect();
        let mut tracks: BTreeMap<_, Vec<(u64, u64)>> = BTreeMap::new();
        for slice in of("X") {
            assert!(named.contains(&place(slice)), "{slice}");
            assert!(slice["name"].is_string() && slice["args"].is_object(), "{slice}");
            // Whole nanoseconds: microseconds have no more than three digits behind the point.
            let ns = |name| (number(slice, name) * 1e3).round() as u64;
            tracks.entry(place(slice)).or_default().push((ns("ts"), ns("ts") + ns("dur")));
        }
        // Slices of one track stand beside or within each other: viewers drop what crosses.
        for slices in tracks.values_mut() {
            slices.sort_by_key(|(from, to)| (*from, u64::MAX - to));
            let mut open: Vec<u64> = Vec::new();
            for (from, to) in slices {
                open.retain(|end| *end > *from);
                assert!(open.last().is_none_or(|end| *to <= *end), "{from} to {to} crosses {open:?}");
                open.push(*to);
            }
        }
        let operations =
            of("X").into_iter().filter(|e| ["ok", "fail", "info"].iter().any(|kind| e["cat"] == *kind));
        assert_eq!(operations.count(), run.history.calls().count());
        let faults = of("X").into_iter().filter(|e| e["cat"] == "fault" && e["name"] != "in effect").count();
        assert_eq!(faults, run.faults.len());
        let counters: f64 = of("C").into_iter().map(|e| number(&e["args"], "operations")).sum();
        assert_eq!(counters as usize, run.history.calls().count(), "a second each");
        for event in of("C").into_iter().chain(of("i")) {
            assert!(number(event, "ts") >= 0.0 && event["name"].is_string(), "{event}");
        }
        // Clients are as many as there are threads, however many processes they were.
        let clients = events.iter().filter(|e| e["name"] == "thread_name" && e["pid"] == 4).count();
        assert!(clients <= 10, "{clients}");
    }
}

#[test]
fn a_trace_shows_what_nodes_were() {
    let trace = Written::new(&common::skewed(), vec![verdicts::valid()]).trace;
    let names: Vec<String> = events(&trace)
        .iter()
        .filter(|event| event["cat"] == "node")
        .map(|event| event["name"].as_str().expect("a name").to_owned())
        .collect();
    assert_eq!(names, ["leads, term 2", "paused", "down", "answers, term 2", "silent", "answers, term 3"]);
}

#[test]
fn plots_are_written_as_asked() {
    let run = common::skewed();
    let written = |format| {
        let temporary = tempfile::tempdir().expect("a temporary directory");
        let dir = RunDir::create(temporary.path().join("run")).expect("a new directory");
        let mut conclusion = conclude(&run, vec![verdicts::valid()]);
        conclusion.list_files(&run, format);
        write(&dir, &run, &conclusion).expect("written");
        let listed: BTreeSet<String> = conclusion
            .files
            .iter()
            .filter_map(|file| Some(file.strip_prefix("plots/")?.to_owned()))
            .collect();
        let entries = fs::read_dir(dir.plots_dir()).into_iter().flatten();
        let there: BTreeMap<String, Vec<u8>> = entries
            .map(|entry| entry.expect("an entry"))
            .map(|entry| {
                (entry.file_name().to_string_lossy().into_owned(), fs::read(entry.path()).expect("bytes"))
            })
            .collect();
        assert!(there.keys().eq(listed.iter()), "{listed:?}");
        there
    };
    assert!(written(PlotFormat::None).is_empty());
    let names = ["availability", "clock", "latency-quantiles", "latency-raw", "rate"];
    assert!(written(PlotFormat::Svg).into_keys().eq(names.map(|name| format!("{name}.svg"))));
    let pixels = written(PlotFormat::Png);
    assert!(pixels.keys().eq(names.map(|name| format!("{name}.png")).iter()));
    for (name, png) in pixels {
        assert!(png.starts_with(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"), "{name}");
        let side = |at: usize| u32::from_be_bytes(png[at..at + 4].try_into().expect("four bytes"));
        assert_eq!(side(16), 2 * 1180, "{name}: twice the width of the page");
        assert!(side(20) >= 300 && png.len() > 2_000, "{name}");
    }
    // Only where a fault skewed a clock is there anything to draw.
    let plain = Written::new(&common::run(600), vec![verdicts::valid()]);
    assert!(!plain.conclusion.files.iter().any(|file| file.contains("clock")));
}

#[test]
fn the_plot_of_clocks_shows_them() {
    let clock = &Written::new(&common::skewed(), vec![verdicts::valid()]).plots[4];
    let tags = html::tags(clock);
    let count = |name: &str, attribute: &str, colour: &str| {
        tags.iter().filter(|tag| tag.name == name && tag.get(attribute) == Some(colour)).count()
    };
    // Two nodes jump, one drifts, one strobes between two levels: the wall clock. Read at the start of each,
    // and once it was set right, of n2.
    assert_eq!(count("polyline", "stroke", "#1F66AD"), 5);
    assert_eq!(count("circle", "fill", "#1F66AD"), 7);
    assert_eq!(count("polyline", "stroke", "#E09A1F"), 1);
    assert!(clock.contains("n1, n2"), "two nodes that are wrong alike have one label");
}

/// Numbers that templates write, and that are about the page.
const TEMPLATE: &[&str] = &["5", "10", "20", "2", "64", "99.9", "256"];

#[test]
fn every_number_of_the_page_is_in_the_verdict() {
    for (run, verdicts) in runs() {
        let written = Written::new(&run, verdicts);
        let verdict: Value = serde_json::from_str(&written.json).expect("JSON");
        let mut known: BTreeSet<String> = TEMPLATE.iter().map(ToString::to_string).collect();
        collect(&verdict, &mut known);
        let shown = numbers(&text_of(&written.html));
        let missing: Vec<_> = shown.iter().filter(|number| !known.contains(*number)).collect();
        assert!(missing.is_empty(), "not in verdict.json: {missing:?}");
        assert!(shown.len() > 15, "only {} numbers were looked at", shown.len());
    }
}

/// Every number in a value, as pages write it: as a count, a moment, a length of time.
fn collect(value: &Value, known: &mut BTreeSet<String>) {
    use duress_checkers::words::{at_bare, count, span};
    match value {
        Value::Number(number) => {
            known.insert(number.to_string());
            if let Some(n) = number.as_u64() {
                let gibibytes = format!("{}.{}", n >> 30, ((n & ((1 << 30) - 1)) * 10) >> 30);
                let scaled = (0..4).map(|unit| count(n >> (10 * unit)));
                let words = [count(n), at_bare(n), span(n), span(n.saturating_mul(1_000_000)), gibibytes];
                words.into_iter().chain(scaled).for_each(|word| known.extend(numbers(&word)));
            }
            if let Some(x) = number.as_f64() {
                known.extend(numbers(&span((x * 1e6) as u64)));
                known.insert(count(x.round() as u64));
            }
        }
        Value::String(text) => known.extend(numbers(text)),
        Value::Array(items) => {
            known.insert(count(items.len() as u64));
            items.iter().for_each(|item| collect(item, known));
        }
        Value::Object(fields) => fields.iter().for_each(|(name, value)| {
            known.extend(numbers(name));
            collect(value, known);
        }),
        Value::Null | Value::Bool(_) => {}
    }
}

/// What is read on a page, figures and the timeline left out: axes and shapes are drawn from the history.
fn text_of(page: &str) -> String {
    let (_, body) = page.split_once("<body>").expect("a body");
    let timeline = body.find("<section id=\"timeline\">").expect("a timeline");
    let end = timeline + body[timeline..].find("</section>").expect("its end");
    let mut rest = format!("{}{}", &body[..timeline], &body[end..]);
    let mut text = String::new();
    while let Some(at) = rest.find('<') {
        text.push_str(&rest[..at]);
        text.push(' ');
        let skipped = ["<svg", "<script", "<style"].into_iter().find(|tag| rest[at..].starts_with(tag));
        let close = skipped.map_or(">".to_owned(), |tag| format!("</{}>", &tag[1..]));
        let end = rest[at..].find(&close).expect("a tag ends") + at + close.len();
        rest = rest[end..].to_owned();
    }
    text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&amp;", "&") + &rest
}

/// Runs of digits, with points and commas within. Digits within a word are a name: `F3`, `n1`, a hash.
fn numbers(text: &str) -> BTreeSet<String> {
    let part = |c: char| c.is_alphanumeric() || matches!(c, '.' | ',' | '_');
    text.split(|c| !part(c))
        .map(|word| word.trim_matches(['.', ',']))
        .filter(|word| word.starts_with(|c: char| c.is_ascii_digit()))
        .filter(|word| word.chars().all(|c| c.is_ascii_digit() || matches!(c, '.' | ',')))
        .map(str::to_owned)
        .collect()
}

/// Jenkins shows pages of a build without style sheets and without scripts.
#[test]
fn the_page_is_whole_without_styles_and_scripts() {
    for (run, verdicts) in runs() {
        let written = Written::new(&run, verdicts);
        let tags = written.tags();
        for svg in tags.iter().filter(|tag| tag.name == "svg") {
            for needed in ["width", "height", "fill", "stroke"] {
                assert!(svg.get(needed).is_some(), "without {needed} it would fill the page: {svg:?}");
            }
        }
        let text = text_of(&written.html);
        for section in ["Faults and what they did", "Checkers", "Run"] {
            let drawn = !run.faults.is_empty() || section != "Faults and what they did";
            assert_eq!(text.contains(section), drawn, "{section}");
        }
        assert!(text.contains(&written.conclusion.headline.replace('\'', "&#39;")), "the verdict is text");
    }
}

#[test]
fn every_field_of_the_verdict_is_documented() {
    let docs = include_str!("../docs/verdict.md");
    assert!(docs.contains(&format!("| `format` | {} |", duress_reports::artifact::FORMAT)));
    let mut checked = 0;
    for (run, verdicts) in runs() {
        let verdict: Value = serde_json::from_str(&Written::new(&run, verdicts).json).expect("JSON");
        checked += documented(&verdict, docs);
    }
    assert!(checked > 1_000, "only {checked} fields were looked at");
}

fn documented(value: &Value, docs: &str) -> usize {
    /// Maps whose names are data.
    const MAPS: [&str; 5] = ["ops", "options", "settings", "stats", "faults"];
    match value {
        Value::Array(items) => items.iter().map(|item| documented(item, docs)).sum(),
        Value::Object(fields) => fields
            .iter()
            .map(|(name, value)| {
                assert!(docs.contains(&format!("`{name}`")), "{name} is not documented");
                match value {
                    Value::Object(map) if MAPS.contains(&name.as_str()) => {
                        map.values().map(|value| documented(value, docs)).sum::<usize>() + 1
                    }
                    value => documented(value, docs) + 1,
                }
            })
            .sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
    }
}

/// Where nothing is read or nothing is written, the terminal says why, whatever else decides: a gate, too.
#[test]
fn the_terminal_tells_the_errors_of_a_client_that_does_not_work() {
    let op = |index: u64, kind| Op {
        index,
        time: index * 1_000_000,
        process: Process::Client(0),
        kind,
        f: "write".into(),
        value: serde_json::json!([0, index / 2]),
        error: (kind == Kind::Fail).then(|| "connect-timeout: no connection to n2 within 2s".to_owned()),
        node: Some("n2".into()),
    };
    let ops = (0..6).map(|index| op(index, if index % 2 == 0 { Kind::Invoke } else { Kind::Fail })).collect();
    let run = common::bare(ops);
    let dir =
        RunDir::create(tempfile::tempdir().expect("a directory").path().join("run")).expect("a new one");
    let mut conclusion = conclude(&run, vec![verdicts::valid()]);
    for outcome in [Outcome::Inconclusive, Outcome::Violation] {
        conclusion.outcome = outcome;
        let told = text::summary(&dir, &run, &conclusion);
        assert!(told.contains("errors outside faults") && told.contains("no connection to n2"), "{told}");
    }
}
