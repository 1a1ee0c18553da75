//! What a page costs: processor time and memory to write it, its size, and, where `DURESS_BROWSER` names a
//! Chromium, how soon it is drawn, how long a redraw takes and how much memory that needs.
//!
//! `cargo bench -p duress-reports [-- OPERATIONS…]`; `DURESS_BARS=1` fails when a bar is not met.
//! Ten million operations need about eight gigabytes, most of them for the history itself.

#![expect(unsafe_code, reason = "memory is counted where it is handed out")]

#[path = "../tests/common/mod.rs"]
mod common;

use common::browser::{Browser, Look};
use common::verdicts;
use duress_reports::{Run, RunDir, conclude, write};
use serde_json::Value;
use std::alloc::{GlobalAlloc, Layout, System};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Operations per second of the simulation, about.
const RATE: u64 = 200;
/// What its clients think between two operations, so that they are that fast.
const THINK_MS: u64 = 46;
/// A hundred thousand operations, more or less.
const HUNDRED_THOUSAND: u64 = 105_000;
const USUAL: [u64; 2] = [100_000, 1_000_000];

struct Counted;

static NOW: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

// SAFETY: everything is left to the system's allocator; the counters touch no memory of it.
unsafe impl GlobalAlloc for Counted {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let now = NOW.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        PEAK.fetch_max(now, Ordering::Relaxed);
        // SAFETY: the caller keeps the contract of this very function.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        NOW.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller keeps the contract of this very function.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counted = Counted;

fn main() {
    let asked: Vec<u64> = std::env::args().filter_map(|arg| arg.replace('_', "").parse().ok()).collect();
    let bars = std::env::var_os("DURESS_BARS").is_some();
    let mut met = true;
    for wanted in if asked.is_empty() { USUAL.to_vec() } else { asked } {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let (page, calls, written) = render(dir.path(), wanted);
        met &= written;
        if let Some(program) = std::env::var_os("DURESS_BROWSER") {
            met &= show(Path::new(&program), &page, calls);
        }
    }
    assert!(met || !bars, "a bar was not met");
}

/// Writes a page; says what that took, and whether it was little enough.
fn render(dir: &Path, wanted: u64) -> (PathBuf, u64, bool) {
    let seconds = wanted / RATE;
    let faults = common::faults();
    let history = common::history(3, seconds, THINK_MS, &faults);
    let run = Run { info: common::info(seconds), history, faults, ..common::bare(Vec::new()) };
    let dir = RunDir::create(dir.join("run")).expect("a new directory");
    let before = NOW.load(Ordering::Relaxed);
    PEAK.store(before, Ordering::Relaxed);
    let start = cpu_ms();
    let conclusion = conclude(&run, vec![verdicts::violation()]);
    let concluded = cpu_ms() - start;
    let peak_concluded = PEAK.swap(before, Ordering::Relaxed) - before;
    write(&dir, &run, &conclusion).expect("written");
    let took = cpu_ms() - start - concluded;
    let peak = (PEAK.load(Ordering::Relaxed) - before).max(peak_concluded);
    let calls = conclusion.evidence.total.calls();
    let size = fs::metadata(dir.report_file()).expect("a page").len();
    println!(
        "{calls} operations: concluded in {concluded} ms, written in {took} ms, {:.1} bytes of memory an operation ({:.1} to conclude), page of {} KB",
        peak as f64 / calls as f64,
        peak_concluded as f64 / calls as f64,
        size >> 10
    );
    // By what came of it: the simulation makes about an eighth less than it is asked for.
    let most = match calls {
        0..=HUNDRED_THOUSAND => 600 << 10,
        n if n <= 1_000_000 => 4 << 20,
        _ => 2 << 20,
    };
    // Small runs pay for grids and figures of a fixed size.
    let slim = calls < 1_000_000 || peak as u64 <= 64 * calls;
    let fast = took <= (calls / 1_000).max(1_000);
    (dir.report_file(), calls, fast && slim && size <= most)
}

/// Milliseconds of processor time that this process has used, in the kernel's steps of ten: what
/// else the machine does at the time does not count.
fn cpu_ms() -> u64 {
    let stat = fs::read_to_string("/proc/self/stat").expect("Linux");
    let (_, fields) = stat.rsplit_once(')').expect("a name in parentheses");
    let ticks =
        |at: usize| fields.split_whitespace().nth(at).and_then(|n| n.parse::<u64>().ok()).expect("ticks");
    (ticks(11) + ticks(12)) * 10
}

/// Opens it; says how long that took, and whether it was soon enough.
fn show(program: &Path, page: &Path, calls: u64) -> bool {
    let mut browser = Browser::start(program);
    browser.open(page, "", Look::WIDE);
    let number = |value: Value| value.as_f64().unwrap_or(f64::INFINITY);
    let drawn = number(browser.ask("+document.documentElement.dataset.drawn"));
    let redraw = number(browser.ask(
        "(async () => { const box = document.querySelector('#lanes'); performance.clearMeasures(); \
         for (const key of 'wwds0wsa0') { box.dispatchEvent(new KeyboardEvent('keydown', { key })); \
         await new Promise(done => requestAnimationFrame(() => setTimeout(done, 0))); } \
         const all = performance.getEntriesByName('redraw').map(m => m.duration).sort((a, b) => a - b); \
         return all[all.length >> 1]; })()",
    ));
    let heap = number(browser.ask("performance.memory.usedJSHeapSize")) / 1e6;
    println!("  drawn {drawn:.0} ms after opening, redrawn in {redraw:.0} ms, heap of {heap:.0} MB");
    let soon = if (HUNDRED_THOUSAND + 1..=1_000_000).contains(&calls) { 1_500.0 } else { 1_000.0 };
    drawn <= soon && redraw <= 100.0
}
