//! The timeline in a real browser: it draws, it can be used, it asks for nothing and says
//! nothing. Runs where `DURESS_BROWSER` names a Chromium; `DURESS_PICTURES` names a directory
//! that keeps what it looked like.

mod common;

use common::browser::{Browser, Look};
use common::{SECOND, verdicts};
use duress_checkers::History;
use duress_reports::artifact::{NodeSeen, NodeState};
use duress_reports::{Run, RunDir, conclude, write, write_embedding};
use serde_json::json;
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// Two leaders for a while, a node that is down, one that is paused.
fn seen() -> Vec<NodeSeen> {
    let line = |ms: u64, node: u64, state, leads, term| NodeSeen {
        at: ms * 1_000_000,
        node: format!("n{node}"),
        state,
        leads,
        term,
    };
    let mut seen: Vec<NodeSeen> =
        (1..=5).map(|n| line(10, n, NodeState::Answers, Some(n == 1), Some(3))).collect();
    seen.push(line(3_040, 2, NodeState::Down, None, None));
    seen.push(line(6_300, 2, NodeState::Answers, Some(false), Some(3)));
    seen.push(line(8_900, 3, NodeState::Answers, Some(true), Some(4)));
    seen.push(line(12_400, 1, NodeState::Answers, Some(false), Some(4)));
    seen.push(line(14_040, 4, NodeState::Paused, None, None));
    seen.push(line(17_100, 4, NodeState::Answers, Some(false), Some(4)));
    seen
}

fn violation(think_ms: u64) -> Run {
    let mut run = Run { nodes: seen(), ..common::run(think_ms) };
    run.faults[1].cut = vec![(0, 2), (2, 0), (0, 3), (3, 0), (1, 2), (2, 1), (1, 3), (3, 1), (4, 0), (4, 1)];
    run
}

struct Bench {
    browser: Browser,
    dir: TempDir,
    pictures: Option<PathBuf>,
}

impl Bench {
    fn new() -> Option<Self> {
        let Some(program) = std::env::var_os("DURESS_BROWSER").filter(|path| Path::new(path).is_file())
        else {
            eprintln!("skipped: set DURESS_BROWSER=<chromium>");
            return None;
        };
        let dir = tempfile::tempdir().expect("a temporary directory");
        let pictures = std::env::var_os("DURESS_PICTURES").map(PathBuf::from);
        if let Some(pictures) = &pictures {
            fs::create_dir_all(pictures).expect("a directory for pictures");
        }
        Some(Self { browser: Browser::start(Path::new(&program)), dir, pictures })
    }

    fn page(&self, name: &str, run: &Run, embed: Option<usize>) -> PathBuf {
        let dir = RunDir::create(self.dir.path().join(name)).expect("a new directory");
        let conclusion = conclude(run, vec![verdicts::violation()]);
        match embed {
            None => write(&dir, run, &conclusion).expect("written"),
            Some(ops) => write_embedding(&dir, run, &conclusion, ops).expect("written"),
        }
        dir.report_file()
    }

    /// In bytes.
    fn picture(&mut self, name: &str, element: Option<&str>) -> u64 {
        let dir = self.pictures.clone().unwrap_or_else(|| self.dir.path().to_owned());
        self.browser.picture(element, &dir.join(format!("{name}.png")))
    }

    fn quiet(&self, what: &str) {
        let (requests, console) = self.browser.talk();
        assert_eq!(requests.len(), 1, "{what}: the page asks for more than itself: {requests:#?}");
        assert!(console.is_empty(), "{what}: {console:#?}");
    }

    /// From, to, in seconds, of what is in view.
    fn view(&mut self) -> String {
        self.settle();
        self.browser.ask("location.hash").as_str().unwrap_or_default().to_owned()
    }

    /// Two frames: what was asked for is drawn.
    fn settle(&mut self) {
        self.browser
            .ask("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(0))))");
    }

    fn text(&mut self, element: &str) -> String {
        self.settle();
        let text = self.browser.ask(&format!("document.querySelector('{element}').textContent"));
        text.as_str().unwrap_or_default().to_owned()
    }

    /// The middle of an element, after it was scrolled into the window, and half its width.
    fn middle(&mut self, element: &str) -> ((f64, f64), f64) {
        let area = self.browser.ask(&format!(
            "(() => {{ const e = document.querySelector('{element}'); e.scrollIntoView({{ block: 'center' }}); const r = e.getBoundingClientRect(); return [r.x + r.width / 2, r.y + r.height / 2, r.width / 2]; }})()"
        ));
        let at = |n: usize| area[n].as_f64().expect("a number");
        ((at(0), at(1)), at(2))
    }

    /// Are there pixels of more than one colour on the canvas of a lane?
    fn drawn(&mut self, lane: &str) -> bool {
        let colours = format!(
            "(() => {{ const c = document.querySelector('canvas[data-lane={lane}]'), d = new Uint32Array(c.getContext('2d').getImageData(0, 0, c.width, c.height).data.buffer); return new Set(d).size; }})()"
        );
        self.browser.ask(&colours).as_u64().is_some_and(|n| n > 1)
    }
}

const LANES: [&str; 9] =
    ["overview", "axis", "faults", "nodes", "network", "rate", "latency", "errors", "processes"];

#[test]
fn the_timeline_draws_and_can_be_used() {
    let Some(mut bench) = Bench::new() else { return };
    let page = bench.page("violation", &violation(14), None);
    bench.browser.open(&page, "", Look::WIDE);
    for lane in LANES {
        assert!(bench.drawn(lane), "nothing is on the lane {lane}");
    }
    bench.quiet("whole run");
    assert!(bench.text("#range").starts_with("whole run"));
    assert_eq!(
        bench.browser.ask("getComputedStyle(document.querySelector('.still')).display"),
        json!("none")
    );

    keys(&mut bench);
    pointer(&mut bench);
    table(&mut bench);
    theme(&mut bench);
    bench.quiet("after all of it");
}

fn keys(bench: &mut Bench) {
    bench.browser.ask("document.querySelector('#lanes').focus()");
    let mut last = bench.view();
    for key in ["w", "w", "d", "a", "s", "]", "]", "[", "0"] {
        bench.browser.key(key);
        let now = bench.view();
        assert_ne!(now, last, "the key {key} changes nothing");
        last = now;
    }
    assert_eq!(last, "#timeline", "0 shows the whole run again");
    // A finding's link leads to its moment, with its operations outlined in red.
    bench.browser.ask("document.querySelector('#f1 .jump').click()");
    bench.browser.until("location.hash.startsWith('#t=')");
    let hash = bench.view();
    let (from, to) = hash[3..].split_once('-').expect("a window");
    let around = from.parse::<f64>().expect("seconds")..to.parse::<f64>().expect("seconds");
    assert!(around.contains(&16.606) && around.end - around.start < 4.0, "{around:?}");
    bench.picture("finding", Some("#timeline"));
}

fn pointer(bench: &mut Bench) {
    bench.browser.ask("document.querySelector('[data-zoom=\"0\"]').click()");
    let ((x, y), half) = bench.middle("canvas[data-lane=latency]");
    bench.browser.hover((x, y));
    assert!(bench.text("#tip").contains("leader: n3 (term 4)"), "{}", bench.text("#tip"));
    bench.browser.drag((x - half / 2.0, y), (x, y));
    let hash = bench.view();
    let start: f64 = hash[3..].split('-').next().and_then(|s| s.parse().ok()).expect("a window");
    assert!((5.0..10.0).contains(&start), "a quarter of thirty seconds, not {hash}");
    // The wheel scrolls the page; with Ctrl it zooms.
    bench.browser.wheel((x, y), 120.0, false);
    assert_eq!(bench.view(), hash, "the wheel was stolen");
    let ((x, y), _) = bench.middle("canvas[data-lane=latency]");
    bench.browser.wheel((x, y), -240.0, true);
    assert_ne!(bench.view(), hash);
    let ((x, y), half) = bench.middle("canvas[data-lane=overview]");
    bench.browser.drag((x + half / 2.0, y), (x + half * 0.75, y));
    let brushed = bench.view();
    let start: f64 = brushed[3..].split('-').next().and_then(|s| s.parse().ok()).expect("a window");
    assert!((20.0..25.0).contains(&start), "three quarters of thirty seconds, not {brushed}");
    let ((x, y), _) = bench.middle("canvas[data-lane=processes]");
    bench.browser.hover((x, y));
    assert!(bench.text("#tip").contains(" via n"), "{}", bench.text("#tip"));
    let live = bench.text("#value-rate");
    assert!(live.contains("answers/s"), "{live}");
}

fn table(bench: &mut Bench) {
    bench.browser.ask("document.querySelector('[data-zoom=\"0\"]').click()");
    bench.browser.ask("document.querySelector('#operations').open = true");
    bench.browser.until("document.querySelectorAll('#operations tbody tr').length === 200");
    let search = |text: &str| {
        format!(
            "(() => {{ const s = document.querySelector('#search'); s.value = '{text}'; s.dispatchEvent(new Event('input')); }})()"
        )
    };
    let rows = "[...document.querySelectorAll('#operations tbody tr')].map(r => [...r.cells].map(c => c.textContent))";
    for (text, column, wanted) in [
        ("key:7 f:read", 5, "7"),
        ("node:n3", 3, "n3"),
        ("process:4", 2, "p4"),
        ("error:timeout", 8, "timeout"),
    ] {
        bench.browser.ask(&search(text));
        bench
            .browser
            .until(&format!("(r => r.length > 0 && r.every(c => c[{column}] === '{wanted}'))({rows})"));
    }
    bench.browser.ask(&search("nothing:likethis"));
    bench.browser.until("document.querySelectorAll('#operations tbody tr').length === 0");
    bench.browser.ask(&search(""));
}

fn theme(bench: &mut Bench) {
    let back = "getComputedStyle(document.body).backgroundColor";
    let light = bench.browser.ask(back);
    bench.browser.ask("document.querySelector('#theme').click()");
    let dark = bench.browser.ask(back);
    assert_ne!(light, dark, "the button makes nothing dark");
    bench.browser.ask("document.querySelector('#theme').click()");
    assert_eq!(bench.browser.ask(back), light);
    bench.browser.ask("document.querySelector('#theme').click()");
    assert_eq!(bench.text("#theme"), "theme: auto");
}

/// Foreign text stays text, in the timeline, its tips and its table, too.
#[test]
fn hostile_text_does_nothing() {
    const EVIL: &str = "</script><img src=x onerror=alert(1)><b>\u{202e}";
    let Some(mut bench) = Bench::new() else { return };
    let mut run = violation(60);
    let ops = run.history.ops().iter().cloned().map(|mut op| {
        op.error = op.error.map(|_| EVIL.to_owned());
        op.value = json!([EVIL, EVIL]);
        (op.f, op.node) = (EVIL.into(), Some(EVIL.into()));
        op
    });
    run.history = History::new(ops.collect()).expect("still a history");
    run.faults.iter_mut().for_each(|fault| fault.description = EVIL.to_owned());
    let page = bench.page("hostile", &run, None);
    bench.browser.open(&page, "", Look::WIDE);
    bench.browser.ask("document.querySelector('#operations').open = true");
    bench.browser.until("document.querySelectorAll('#operations tbody tr').length === 200");
    let ((x, y), _) = bench.middle("canvas[data-lane=processes]");
    bench.browser.hover((x, y));
    assert!(bench.text("#tip").contains("<img"), "{}", bench.text("#tip"));
    assert!(bench.text("#operations tbody").contains("onerror"));
    assert_eq!(
        bench.browser.ask("document.querySelectorAll('img, #lanes b b, #operations td *').length"),
        json!(0)
    );
    bench.quiet("hostile");
    assert!(!bench.browser.events.iter().any(|e| e["method"] == "Page.javascriptDialogOpening"));
}

/// Lines of the logs that a finding shows come up in the timeline where they belong.
#[test]
fn a_window_shows_what_the_nodes_said_in_it() {
    let Some(mut bench) = Bench::new() else { return };
    let page = bench.page("said", &violation(100), None);
    let html = fs::read_to_string(&page).expect("the page");
    let line = |at: &str, text: &str| format!("<tr><td>{at}</td><td>n4</td><td>F3</td><td>{text}</td></tr>");
    let said = format!(
        "<div class=\"said\"><table><tbody>{}{}</tbody></table></div><footer>",
        line("16.500", "lost the leader"),
        line("21.900", "began to campaign")
    );
    fs::write(&page, html.replacen("<footer>", &said, 1)).expect("written");
    bench.browser.open(&page, "#t=16.0000-17.0000", Look::WIDE);
    bench.browser.until("!document.querySelector('#logs').hidden");
    let logs = bench.text("#logs tbody");
    assert!(logs.contains("lost the leader") && !logs.contains("campaign"), "{logs}");
    bench.browser.ask("location.hash = '#t=3.0000-4.0000'");
    bench.browser.until("document.querySelector('#logs').hidden");
}

#[test]
fn every_look_of_the_page_shows() {
    let Some(mut bench) = Bench::new() else { return };
    let page = bench.page("looks", &violation(14), None);
    let narrow = Look { size: (430, 900), ..Look::WIDE };
    for (name, look) in [
        ("light", Look::WIDE),
        ("dark", Look { dark: true, ..Look::WIDE }),
        ("narrow", narrow),
        ("print", Look { print: true, ..Look::WIDE }),
        ("no-script", Look { script: false, ..Look::WIDE }),
    ] {
        bench.browser.open(&page, "", look);
        if look.script {
            assert!(look.print || bench.drawn("latency"), "{name}: the timeline is blank");
            let wide = bench.browser.ask("document.documentElement.scrollWidth <= innerWidth");
            assert_eq!(wide, json!(true), "{name}: the page is wider than the window");
        }
        let shows = |what: &str| format!("document.querySelector('{what}').getClientRects().length > 0");
        let (live, still) = (bench.browser.ask(&shows("#live")), bench.browser.ask(&shows(".still")));
        let interactive = look.script && !look.print;
        assert_eq!((live, still), (json!(interactive), json!(!interactive)), "{name}");
        assert!(bench.picture(name, None) > 50_000, "{name} shows nothing");
        bench.quiet(name);
    }
    // As under a host that forbids style sheets.
    let html = fs::read_to_string(&page).expect("the page");
    let (before, rest) = html.split_once("<style>").expect("a style sheet");
    let (_, after) = rest.split_once("</style>").expect("its end");
    let bare = page.with_file_name("bare.html");
    fs::write(&bare, format!("{before}{after}")).expect("written");
    bench.browser.open(&bare, "", Look { script: false, ..Look::WIDE });
    assert!(bench.picture("no-style", None) > 50_000);
}

#[test]
fn a_long_run_is_drawn_from_its_summary() {
    let Some(mut bench) = Bench::new() else { return };
    let short = violation(14);
    let history = common::history(7, 200, 200, &short.faults);
    let page = bench.page("long", &Run { info: common::info(200), history, ..short }, Some(1_000));
    bench.browser.open(&page, "", Look::WIDE);
    for lane in LANES {
        assert!(bench.drawn(lane), "nothing is on the lane {lane}");
    }
    assert!(bench.text("#range").ends_with("from the summary"));
    bench.picture("summary", Some("#timeline"));
    // Around a finding there are the operations themselves.
    bench.browser.ask("document.querySelector('#f1 .jump').click()");
    bench.browser.until("location.hash.startsWith('#t=')");
    assert!(!bench.text("#range").ends_with("from the summary"));
    bench.quiet("summary");
}

#[test]
fn a_page_of_a_hundred_thousand_operations_is_small() {
    let faults = common::faults();
    let run = Run {
        info: common::info(700),
        history: common::history(3, 700, 63, &faults),
        faults,
        nodes: seen(),
        ..common::run(600)
    };
    let conclusion = conclude(&run, vec![verdicts::violation()]);
    assert!((90_000..130_000).contains(&conclusion.evidence.total.calls()));
    let dir = tempfile::tempdir().expect("a temporary directory");
    let dir = RunDir::create(dir.path().join("run")).expect("a new directory");
    write(&dir, &run, &conclusion).expect("written");
    let size = |dir: &RunDir| fs::metadata(dir.report_file()).expect("a page").len();
    assert!(size(&dir) <= 600 << 10, "{} bytes", size(&dir));
    write_embedding(&dir, &run, &conclusion, 10_000).expect("written again");
    assert!(size(&dir) <= 600 << 10, "{} bytes from the summary", size(&dir));
    assert!(run.history.ops().last().is_some_and(|op| op.time > 600 * SECOND));
}
